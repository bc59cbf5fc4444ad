#include "sedna/control/periodic.hpp"

#include <pthread.h>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"

namespace sedna::control {

PeriodicTask::PeriodicTask(std::string name, SteadyClock::duration period, std::function<void()> work)
    : name_(std::move(name)), period_(period), work_(std::move(work)) {}

PeriodicTask::~PeriodicTask() {
  stop();
}

void PeriodicTask::start() {
  SEDNA_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void PeriodicTask::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void PeriodicTask::trigger() {
  const std::lock_guard lock(mutex_);
  triggered_ = true;
  wake_.notify_all();
}

void PeriodicTask::run() {
  constexpr std::size_t kLongestName = 15;  // what the kernel keeps
  pthread_setname_np(pthread_self(), name_.substr(0, kLongestName).c_str());
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    triggered_ = false;
    lock.unlock();
    try {
      work_();
    } catch (const std::exception& e) {
      log::warning("periodic work failed", {{"task", name_}, {"reason", e.what()}});
    }
    lock.lock();
    wake_.wait_for(lock, period_, [this] { return triggered_ || stopping_; });
  }
}

}  // namespace sedna::control
