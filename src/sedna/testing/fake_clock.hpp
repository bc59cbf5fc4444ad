// A clock that stands still until a test moves it. Given to everything that takes a `const Clock&`.
#pragma once

#include <atomic>
#include <chrono>

#include "sedna/base/clock.hpp"

namespace sedna::testing {

/// Thread-safe. Wakes nobody: whoever waits in real time looks again by himself, or the test calls its step().
class FakeClock final : public Clock {
 public:
  /// Begins at 2026-01-31 13:05:59 UTC.
  FakeClock() = default;
  SteadyClock::time_point now() const override {
    return SteadyClock::time_point(std::chrono::hours(1000) + std::chrono::nanoseconds(passed_.load()));
  }
  SystemClock::time_point wall() const override {
    constexpr std::chrono::seconds kBegin(1769864759);
    return SystemClock::time_point(
        std::chrono::duration_cast<SystemClock::duration>(kBegin) +
        std::chrono::duration_cast<SystemClock::duration>(std::chrono::nanoseconds(passed_.load())));
  }
  void advance(std::chrono::nanoseconds by) { passed_ += by.count(); }

 private:
  std::atomic<std::int64_t> passed_{0};
};

}  // namespace sedna::testing
