#include "sedna/algo/deadline_estimator.hpp"

#include <cmath>

namespace sedna::algo {

void DeadlineEstimator::observe(Seconds latency, Seconds queue) {
  const double m = latency.count();
  if (!(m >= 0) || !(queue.count() >= 0)) return;  // a clock that went backwards teaches nothing
  const std::lock_guard lock(mutex_);
  if (!known_) {
    known_ = true;
    srtt_ = m;
    var_ = m / 2;
    queue_ = queue.count();
    return;
  }
  var_ += (std::fabs(m - srtt_) - var_) / 4;  // first, with the old average
  srtt_ += (m - srtt_) / 8;
  queue_ += (queue.count() - queue_) / 8;
}

void DeadlineEstimator::observe_transfer(std::uint64_t bytes, Seconds duration) {
  if (bytes == 0 || !(duration.count() > 0)) return;
  const double rate = static_cast<double>(bytes) / duration.count();
  const std::lock_guard lock(mutex_);
  bandwidth_ = bandwidth_ == 0 ? rate : bandwidth_ + (rate - bandwidth_) / 8;
}

double DeadlineEstimator::expected_locked(std::uint64_t bytes) const {
  return srtt_ + queue_ + (bandwidth_ > 0 ? static_cast<double>(bytes) / bandwidth_ : 0);
}

DeadlineEstimator::Seconds DeadlineEstimator::expected(std::uint64_t bytes) const {
  const std::lock_guard lock(mutex_);
  return Seconds(expected_locked(bytes));
}

DeadlineEstimator::Seconds DeadlineEstimator::margin() const {
  const std::lock_guard lock(mutex_);
  return Seconds(4 * var_);
}

DeadlineEstimator::Seconds DeadlineEstimator::smoothed() const {
  const std::lock_guard lock(mutex_);
  return Seconds(srtt_);
}

DeadlineEstimator::Seconds DeadlineEstimator::deviation() const {
  const std::lock_guard lock(mutex_);
  return Seconds(var_);
}

bool DeadlineEstimator::fits(std::uint64_t bytes, Seconds left) const {
  const std::lock_guard lock(mutex_);
  return !known_ || expected_locked(bytes) + 4 * var_ <= left.count();
}

}  // namespace sedna::algo
