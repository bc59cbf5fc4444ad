#include "sedna/algo/token_bucket.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/base/error.hpp"

namespace sedna::algo {

TokenBucket::TokenBucket(double rate, double burst, SteadyClock::time_point now)
    : rate_(rate), burst_(burst), tokens_(burst), last_(now) {
  if (!(rate >= 0) || std::isinf(rate)) {
    throw Error(ErrorCode::kInvalidArgument, "must be a finite number of 0 or more per second", "rate");
  }
  if (!(burst > 0) || std::isinf(burst)) {
    throw Error(ErrorCode::kInvalidArgument, "must be a finite number above 0", "burst");
  }
}

double TokenBucket::refilled(SteadyClock::time_point now) const {
  // A reader that took its time before another thread's refill may not wind the clock back.
  if (last_ == SteadyClock::time_point::min() || now <= last_) return tokens_;
  return std::min(burst_, tokens_ + rate_ * std::chrono::duration<double>(now - last_).count());
}

bool TokenBucket::try_take(SteadyClock::time_point now, double cost) {
  const std::lock_guard lock(mutex_);
  tokens_ = refilled(now);
  last_ = std::max(last_, now);
  if (!enough(tokens_, cost)) return false;
  tokens_ -= cost;
  return true;
}

bool TokenBucket::can_take(SteadyClock::time_point now, double cost) const {
  const std::lock_guard lock(mutex_);
  return enough(refilled(now), cost);
}

bool TokenBucket::enough(double tokens, double cost) const {
  // Sums of tenths of a second must reach the whole tokens they are worth.
  constexpr double kRounding = 1e-9;
  return tokens + kRounding * burst_ >= std::min(cost, burst_);
}

void TokenBucket::give_back(double cost) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::min(burst_, tokens_ + cost);
}

double TokenBucket::tokens(SteadyClock::time_point now) const {
  const std::lock_guard lock(mutex_);
  return refilled(now);
}

}  // namespace sedna::algo
