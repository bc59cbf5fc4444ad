// Work that is done now and then and whenever somebody asks: lease renewals, expiry scans, status refreshes.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "sedna/base/clock.hpp"

namespace sedna::control {

/// One thread that runs `work` at once, then each `period` and after each trigger(). Thread-safe. What `work` throws is
/// logged and does not end it.
class PeriodicTask {
 public:
  PeriodicTask(std::string name, SteadyClock::duration period, std::function<void()> work);
  /// Waits for a run under way.
  ~PeriodicTask();
  PeriodicTask(const PeriodicTask&) = delete;
  PeriodicTask& operator=(const PeriodicTask&) = delete;

  void start();
  /// Idempotent.
  void stop();
  /// Run soon; several before it begins are one.
  void trigger();

 private:
  void run();
  const std::string name_;
  const SteadyClock::duration period_;
  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool triggered_ = true, stopping_ = false;
  std::thread thread_;
};

}  // namespace sedna::control
