// A few threads that wait for the cloud so that the edge need not. CloudClient's own: grown one by one as calls come, none
// before the first, bounded; a forked child starts with an empty one.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sedna::inference {

/// Thread-safe. The destructor runs what is queued to its end (each job is bounded by its deadline) and joins.
class CallPool {
 public:
  using Job = std::function<void()>;
  CallPool(std::size_t max_threads, std::size_t max_queued) : max_threads_(max_threads), max_queued_(max_queued) {}
  ~CallPool();
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;

  /// False when every thread is busy and the queue is full; the job is then untouched.
  bool submit(Job& job);

 private:
  void run();

  const std::size_t max_threads_;
  const std::size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace sedna::inference
