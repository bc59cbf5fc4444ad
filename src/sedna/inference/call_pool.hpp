// A few threads that wait for the cloud so that the edge need not. CloudClient's own: grown one by one as calls come,
// none before the first, bounded; a forked child starts with an empty one.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sedna::inference {

/// Thread-safe. The destructor runs what is queued to its end (each job is bounded by its deadline) and joins; when a
/// job itself destroys the pool, its own thread helps with what is queued and is let go instead of joined.
class CallPool {
 public:
  using Job = std::function<void()>;
  CallPool(std::size_t max_threads, std::size_t max_queued);
  ~CallPool();
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;

  /// False when every thread is busy and the queue is full; the job is then untouched.
  bool submit(Job& job);

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Job> jobs;
    std::size_t idle = 0;  ///< threads that wait for a job, and those about to
    bool stop = false;
  };
  static void run(const std::shared_ptr<State>& state);
  /// Runs the front job without the lock.
  static void run_front(State& state, std::unique_lock<std::mutex>& lock);

  const std::size_t max_threads_;
  const std::size_t max_queued_;
  std::shared_ptr<State> state_;
  std::vector<std::thread> threads_;
};

}  // namespace sedna::inference
