// Deadlines and the clock they are measured by. One absolute deadline travels through a request and all its retries.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sedna {

using SteadyClock = std::chrono::steady_clock;
using SystemClock = std::chrono::system_clock;

/// An absolute point on the steady clock by which something must be over. Copyable, trivially cheap.
class Deadline {
 public:
  Deadline() = default;  ///< never
  explicit Deadline(SteadyClock::time_point at) : at_(at) {}
  static Deadline never() { return Deadline(); }
  static Deadline after(SteadyClock::duration d) { return Deadline(SteadyClock::now() + d); }
  bool is_never() const { return at_ == SteadyClock::time_point::max(); }
  bool expired() const { return !is_never() && SteadyClock::now() >= at_; }
  SteadyClock::time_point at() const { return at_; }
  /// Time left, not below zero; duration::max() when there is no deadline.
  SteadyClock::duration remaining() const {
    if (is_never()) return SteadyClock::duration::max();
    const auto left = at_ - SteadyClock::now();
    return left.count() > 0 ? left : SteadyClock::duration::zero();
  }
  Deadline earlier(Deadline other) const { return at_ < other.at_ ? *this : other; }

 private:
  SteadyClock::time_point at_ = SteadyClock::time_point::max();
};

/// Injected where a test needs to hold time still. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyClock::time_point now() const = 0;
  virtual SystemClock::time_point wall() const = 0;
  /// The real clock, for the life of the process.
  static const Clock& real();
};

/// "2026-01-31 13:05:59" in local time, upstream's form in reports.
std::string format_local_time(SystemClock::time_point t);
/// RFC 3339 in UTC with milliseconds, as in log lines.
std::string format_utc_time(SystemClock::time_point t);

}  // namespace sedna
