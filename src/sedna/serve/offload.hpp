// Blocking work off the io thread: a handler awaits a function that runs on a bounded pool. Used by features whose
// handlers read disks, run models or call user code.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/clock.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::serve {

namespace asio = net::asio;

struct OffloadOptions {
  OffloadOptions() {}
  std::string name = "work";  ///< thread name and metric label
  std::size_t threads = 1;
  std::size_t max_queue = 256;  ///< jobs waiting; more are refused with kUnavailable (503)
  metrics::Registry* registry = nullptr;
};

/// Threads start with the first job. Thread-safe. The destructor drops jobs that have not begun (their callers get
/// kUnavailable) and waits for those under way.
class Offload {
 public:
  explicit Offload(OffloadOptions options);
  ~Offload();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  /// Runs `work` on the pool and yields its result on the caller's executor. `work` owns what it uses: when the caller
  /// is cancelled (its request is late) it still runs to its end. A job that has not begun by `deadline` is dropped
  /// with kDeadlineExceeded. Throws what `work` throws; kUnavailable when the queue is full.
  template <class F, class R = std::invoke_result_t<F>>
  Task<R> run(F work, Deadline deadline = Deadline::never());

 private:
  struct Job {
    virtual ~Job() = default;
    /// `dropped` is set when it must not run. Delivers the outcome.
    virtual void finish(std::exception_ptr dropped) = 0;
    Deadline deadline;
  };
  template <class F, class R>
  struct State;
  void submit(std::unique_ptr<Job> job);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Shared by the job and the coroutine that waits for it.
template <class F, class R>
struct Offload::State final : Offload::Job {
  using Value = std::conditional_t<std::is_void_v<R>, bool, R>;
  struct Outcome {
    std::optional<Value> value;
    std::exception_ptr error;
  };
  State(F f, std::shared_ptr<Outcome> o, asio::any_completion_handler<void()> h, asio::any_io_executor e)
      : work(std::move(f)), outcome(std::move(o)), done(std::move(h)), executor(std::move(e)) {}

  void finish(std::exception_ptr dropped) override {
    if (dropped) {
      outcome->error = std::move(dropped);
    } else {
      try {
        if constexpr (std::is_void_v<R>) {
          std::move (*work)();
          outcome->value = true;
        } else {
          outcome->value.emplace(std::move(*work)());
        }
      } catch (...) {
        outcome->error = std::current_exception();  // rethrown where it is awaited
      }
    }
    // The coroutine's alone from here on: an exception is not destroyed beside its handler, and what the work holds
    // does not outlive the server that the coroutine belongs to.
    outcome.reset();
    work.reset();
    asio::post(executor, std::move(done));
  }

  std::optional<F> work;
  std::shared_ptr<Outcome> outcome;
  asio::any_completion_handler<void()> done;
  asio::any_io_executor executor;
};

template <class F, class R>
Task<R> Offload::run(F work, Deadline deadline) {
  using Work = State<F, R>;
  auto outcome = std::make_shared<typename Work::Outcome>();
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [](auto handler, Offload* self, F f, std::shared_ptr<typename Work::Outcome> o, asio::any_io_executor e,
         Deadline d) {
        auto job = std::make_unique<Work>(std::move(f), std::move(o), std::move(handler), std::move(e));
        job->deadline = d;
        self->submit(std::move(job));
      },
      asio::use_awaitable, this, std::move(work), outcome, executor, deadline);
  if (outcome->error) std::rethrow_exception(outcome->error);
  if constexpr (!std::is_void_v<R>) co_return std::move(*outcome->value);
}

}  // namespace sedna::serve
