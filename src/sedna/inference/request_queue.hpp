// The bounded queue in front of a model: requests with absolute deadlines go in from connections, whoever runs the
// model takes them out (worker threads for C++ estimators, a Python thread for Python ones), and each is answered
// exactly once: by the model, by its deadline, or by the queue's end. Used by ServedModel and QueueEstimator.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/base/result.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::inference {

/// What a model said: tensors, the JSON text of a result, or an error.
struct Answer {
  std::vector<tensor::Tensor> outputs;
  Bytes json;
  std::optional<Error> error;
};

/// One request. Fields are set before push() and not changed after it; the answer is read after `on_answer` was called.
class Work {
 public:
  std::vector<tensor::Tensor> inputs;  ///< what the model gets; is_json: the data as one tensor where it has that form
  bool is_json = false;
  Bytes json;                           ///< the JSON text of upstream's "data" list
  std::optional<std::string> callback;  ///< name of a registered post-process function
  std::string request_id;
  Deadline deadline;
  std::function<void()> on_answer;  ///< called once, on the answering thread; must not throw or block

  // Set by the queue and by whoever runs the model.
  SteadyClock::time_point queued{}, started{}, ended{};
  std::uint32_t batch_rows = 1;  ///< rows of the batch that this request ran in

  /// Gives the answer; false when there was one already (the deadline passed, the server stopped). Thread-safe.
  bool answer(Answer answer);
  bool answered() const { return state_.load(std::memory_order_acquire) == kAnswered; }
  /// After on_answer.
  const Answer& result() const { return answer_; }
  Answer& result() { return answer_; }

 private:
  friend class RequestQueue;
  enum State : int { kQueued, kRunning, kAnswering, kAnswered };
  std::atomic<int> state_{kQueued};
  std::size_t slot_ = 0;  ///< where the queue keeps it; guarded by the queue's lock
  Answer answer_;
};
using WorkPtr = std::shared_ptr<Work>;

/// Wakes at the earliest deadline that was announced. One thread, started by the first announcement.
class DeadlineWatch {
 public:
  /// `expire` answers what is over now and returns the next deadline (time_point::max() for none).
  explicit DeadlineWatch(std::function<SteadyClock::time_point(SteadyClock::time_point now)> expire);
  ~DeadlineWatch();
  DeadlineWatch(const DeadlineWatch&) = delete;
  DeadlineWatch& operator=(const DeadlineWatch&) = delete;
  void announce(SteadyClock::time_point at);

 private:
  void run();
  std::function<SteadyClock::time_point(SteadyClock::time_point)> expire_;
  std::mutex mutex_;
  std::condition_variable changed_;
  SteadyClock::time_point next_ = SteadyClock::time_point::max();
  bool stopping_ = false;
  std::thread thread_;
};

/// Thread-safe.
class RequestQueue {
 public:
  /// `runners`: how many take out at once (for the estimate of the wait).
  RequestQueue(std::size_t capacity, int runners);
  ~RequestQueue();

  /// Refuses with kUnavailable when full or closed, when the deadline passed, or when the median run time says that it
  /// cannot be met (retry_after() says how long a client should stay away).
  Result<void> push(WorkPtr work);
  /// The oldest request whose deadline is not over; null at the timeout or once closed and empty.
  WorkPtr pop(SteadyClock::time_point until);
  /// The oldest, and those behind it that `joins` accepts, at once (what is there, no waiting for more). Stops at the
  /// first that does not join, so that order is kept. Empty once closed and empty.
  std::vector<WorkPtr> pop_batch(const std::function<bool(const Work& first, const Work& next)>& joins);
  /// After the run: forgets the request and notes how long it took.
  void done(const WorkPtr& work);

  /// No more pushes; what waits is answered kUnavailable; pop() returns null.
  void close();
  /// Answers kUnavailable to everything that is still under way.
  void abandon();
  bool closed() const;
  std::size_t waiting() const;
  /// Seconds that a refused client should wait, at least 1.
  int retry_after() const;
  /// Median of the latest runs; zero before the first.
  SteadyClock::duration median_run() const;
  void set_runners(int runners);

 private:
  SteadyClock::time_point expire(SteadyClock::time_point now);
  WorkPtr take_front_locked();
  void forget_locked(Work& work);

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<WorkPtr> waiting_;
  std::vector<WorkPtr> live_;  ///< waiting and running
  std::array<SteadyClock::duration, 32> recent_{};
  std::uint64_t runs_ = 0;
  std::atomic<SteadyClock::rep> median_{0};
  int runners_;
  int idle_ = 0;  ///< threads inside pop
  bool closed_ = false;
  DeadlineWatch watch_;  ///< last member: its thread uses the others
};

}  // namespace sedna::inference
