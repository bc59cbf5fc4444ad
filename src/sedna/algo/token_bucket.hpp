// Token bucket: an upper bound on what the edge sends, in requests or in bytes per second, whatever the filter wants.
//   tokens ← min(burst, tokens + rate · Δt); take iff tokens ≥ cost, then tokens ← tokens − cost
// (Turner, "New Directions in Communications", 1986.) Called by the inference client for each hard sample.
#pragma once

#include <mutex>

#include "sedna/base/clock.hpp"

namespace sedna::algo {

/// Thread-safe: one short lock (about 20 ns).
class TokenBucket {
 public:
  /// Starts full at `now` (left out: at the first call). rate ≥ 0 per second (0: the burst is all there ever is),
  /// burst > 0; throws Error(kInvalidArgument).
  TokenBucket(double rate, double burst, SteadyClock::time_point now = SteadyClock::time_point::min());
  /// Takes `cost` tokens, or none and says no. Requests: cost 1; bytes: the payload's size. A payload larger than the
  /// burst passes a full bucket and leaves it in debt: otherwise it could never be sent.
  bool try_take(SteadyClock::time_point now, double cost = 1);
  /// What try_take would say, without taking.
  bool can_take(SteadyClock::time_point now, double cost = 1) const;
  /// Gives back what was taken for a request that was never sent.
  void give_back(double cost = 1);
  double tokens(SteadyClock::time_point now) const;
  double rate() const { return rate_; }
  double burst() const { return burst_; }

 private:
  double refilled(SteadyClock::time_point now) const;
  bool enough(double tokens, double cost) const;

  const double rate_;
  const double burst_;
  mutable std::mutex mutex_;
  double tokens_;
  SteadyClock::time_point last_;  // min() until the first call
};

}  // namespace sedna::algo
