// A write of the embedded engine, awaited: the engine answers on its own thread, the coroutine goes on on its
// connection's. Both ways go in groups. What a turn of the event loop proposes is handed to the store's writer once, at
// the end of that turn, so that requests that came together share a transaction; and the answers of one transaction
// come back as one task of the loop. Internal to module apiserver.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/serve/server.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::apiserver {

using WriteOutcome = store::Outcome<store::embedded::StoredPtr>;

/// One write under way.
struct WriteCall {
  std::optional<WriteOutcome> outcome;
  using Handler = net::asio::any_completion_handler<void(WriteOutcome)>;
  /// By pointer: assigning one any_completion_handler to another recurses without end in Boost 1.81.
  std::unique_ptr<Handler> resume;
};

/// Where the writes of one event loop and one store go out and come back.
class WriteDesk : public std::enable_shared_from_this<WriteDesk> {
 public:
  WriteDesk(net::asio::any_io_executor executor, store::embedded::Core& core)
      : executor_(std::move(executor)), core_(core) {}

  /// This thread's, for the loop that runs on it.
  static std::shared_ptr<WriteDesk> of(const net::asio::any_io_executor& executor, store::embedded::Core& core);

  /// The writer is woken when the loop has been through what is ready now.
  void wake_writer_soon();
  /// From any thread: the coroutine goes on on the loop.
  void arrived(std::shared_ptr<WriteCall> call);

 private:
  class Task;
  void wake_writer();
  void deliver();
  std::vector<std::shared_ptr<WriteCall>> take();

  const net::asio::any_io_executor executor_;
  store::embedded::Core& core_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<WriteCall>> arrived_;
  bool will_deliver_ = false;
  bool will_wake_ = false;
};

/// `start(done)` begins the write, on the caller's loop. The outcome of `done`, once it is durable.
template <class Start>
net::Task<WriteOutcome> await_write(store::embedded::Core& core, Start start) {
  namespace asio = net::asio;
  const auto initiate = [](auto handler, store::embedded::Core* into, Start begin) {
    const auto call = std::make_shared<WriteCall>();
    const auto desk = WriteDesk::of(asio::get_associated_executor(handler), *into);
    call->resume = std::make_unique<WriteCall::Handler>(std::move(handler));
    const store::embedded::HeldWakes held;
    begin([call, desk](WriteOutcome outcome) {
      call->outcome.emplace(std::move(outcome));
      desk->arrived(call);
    });
    desk->wake_writer_soon();
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(WriteOutcome)>(initiate, asio::use_awaitable, &core,
                                                                                 std::move(start));
}

}  // namespace sedna::apiserver
