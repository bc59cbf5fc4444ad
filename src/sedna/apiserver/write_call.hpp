// A write of the embedded engine, awaited: the engine answers on its own thread, the coroutine goes on on its
// connection's. Internal to module apiserver.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/serve/server.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::apiserver {

using WriteOutcome = store::Outcome<store::embedded::StoredPtr>;

/// `start(done)` begins the write. The outcome of `done`, once it is durable.
template <class Start>
net::Task<WriteOutcome> await_write(Start start) {
  namespace asio = net::asio;
  struct Call {
    std::optional<WriteOutcome> outcome;
    /// By pointer: assigning one any_completion_handler to another recurses without end in Boost 1.81.
    std::unique_ptr<asio::any_completion_handler<void()>> done;
  };
  const auto call = std::make_shared<Call>();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto initiate = [](auto handler, std::shared_ptr<Call> shared, asio::any_io_executor on, Start begin) {
    shared->done = std::make_unique<asio::any_completion_handler<void()>>(std::move(handler));
    begin([shared, on](WriteOutcome outcome) {
      shared->outcome.emplace(std::move(outcome));
      asio::post(on, [shared] {
        const auto resume = std::move(shared->done);
        std::move (*resume)();
      });
    });
  };
  auto written = asio::async_initiate<const asio::use_awaitable_t<>, void()>(initiate, asio::use_awaitable, call,
                                                                             executor, std::move(start));
  co_await std::move(written);
  co_return *std::move(call->outcome);
}

}  // namespace sedna::apiserver
