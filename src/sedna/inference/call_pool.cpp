#include "sedna/inference/call_pool.hpp"

#include <exception>
#include <system_error>
#include <utility>

#include "sedna/base/log.hpp"

namespace sedna::inference {

CallPool::~CallPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool CallPool::submit(Job& job) {
  const std::lock_guard lock(mutex_);
  if (jobs_.size() >= idle_ && threads_.size() < max_threads_) {
    try {
      threads_.emplace_back([this] { run(); });
    } catch (const std::system_error& failure) {
      if (threads_.empty()) {
        log::warning("No thread could be started for cloud calls", {{"error", failure.what()}});
        return false;
      }
    }
  } else if (jobs_.size() >= idle_ + max_queued_) {
    return false;
  }
  jobs_.push_back(std::move(job));
  wake_.notify_one();
  return true;
}

void CallPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    try {
      job();
    } catch (const std::exception& failure) {  // a callback of the user's threw: its sample is lost, not the others
      log::error("A cloud call's callback threw", {{"error", failure.what()}});
    }
    job = nullptr;
    lock.lock();
  }
}

}  // namespace sedna::inference
