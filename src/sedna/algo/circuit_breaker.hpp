// Circuit breaker: stops asking a cloud that does not answer, and finds out cheaply when it is back.
//   closed     every request goes; opens on ≥ 5 failures in a row, or on ≥ 50 % of ≥ 20 requests within 10 s
//   open       nothing goes for base · 2^(k−1), at most the cap; half of it fixed, half random ("equal jitter")
//   half-open  one probe (a readiness request), then one real request at a time; 2 successes close, a failure opens
//   again
// Nygard, "Release It!", 2007; figures from Envoy and Finagle. Called by the inference client around each request. What
// a failure is the caller decides: a cloud that answers "no" (4xx) works.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include "sedna/base/clock.hpp"

namespace sedna::algo {

struct CircuitBreakerOptions {
  CircuitBreakerOptions() {}
  std::uint32_t consecutive_failures = 5;
  std::uint32_t window_requests = 20;  ///< at least so many within the window before the share counts
  double failure_share = 0.5;
  SteadyClock::duration open_base = std::chrono::seconds(5);
  SteadyClock::duration open_cap = std::chrono::seconds(300);
  std::uint32_t successes_to_close = 2;  ///< the probe's is the first
  /// A probe or trial of which nothing was heard for so long no longer blocks the next one.
  SteadyClock::duration trial_timeout = std::chrono::seconds(30);
  /// Numbers in [0, 1) for the jitter; called under the breaker's lock. Absent: a generator of its own.
  std::function<double()> random;
};

/// Thread-safe. While closed, admit() and succeeded() take no lock (together about 20 ns); everything else takes one.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };
  enum class Admission : std::uint8_t {
    kProceed,  ///< send
    kProbe,    ///< ask for readiness first, report that with this permit, then ask admit() again
    kTrial,    ///< send; it decides whether the breaker closes
    kReject,   ///< do not send
  };
  /// What admit() gave; its outcome goes back with it, exactly once.
  struct Permit {
    Admission admission = Admission::kReject;
    std::uint32_t generation = 0;
    explicit operator bool() const { return admission != Admission::kReject; }
  };

  explicit CircuitBreaker(CircuitBreakerOptions options = {});

  Permit admit(SteadyClock::time_point now);
  void succeeded(Permit permit, SteadyClock::time_point now);
  void failed(Permit permit, SteadyClock::time_point now);
  /// The request ended without saying anything about the cloud (cancelled, never sent).
  void abandoned(Permit permit);

  /// Whether a request would be let through or would start a probe, without starting it.
  bool would_admit(SteadyClock::time_point now) const;
  State state() const { return state_.load(std::memory_order_acquire); }
  /// When an open breaker lets the next probe through; meaningless otherwise.
  SteadyClock::time_point open_until() const;
  /// How often it has opened since the start.
  std::uint64_t times_opened() const { return times_opened_.load(std::memory_order_relaxed); }

 private:
  /// One second's outcomes: second (32 bits) | requests (16) | failures (16), so that one exchange updates all three.
  static constexpr std::size_t kSeconds = 10;
  void count(SteadyClock::time_point now, bool failure);
  bool share_exceeded(SteadyClock::time_point now) const;
  void open(SteadyClock::time_point now);
  void close();
  bool trial_running(SteadyClock::time_point now) const;

  const CircuitBreakerOptions options_;
  std::atomic<State> state_{State::kClosed};
  std::atomic<std::uint32_t> generation_{0};  // of the state: outcomes of an earlier one are out of date
  std::atomic<std::uint32_t> consecutive_{0};
  std::array<std::atomic<std::uint64_t>, kSeconds> window_{};
  std::atomic<std::uint64_t> times_opened_{0};

  mutable std::mutex mutex_;  // everything below, and every change of state_
  std::uint32_t opened_in_a_row_ = 0;
  std::uint32_t successes_ = 0;
  bool trial_ = false;
  SteadyClock::time_point trial_since_;
  SteadyClock::time_point open_until_;
};

}  // namespace sedna::algo
