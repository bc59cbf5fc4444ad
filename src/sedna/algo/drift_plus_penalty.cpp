#include "sedna/algo/drift_plus_penalty.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/base/error.hpp"

namespace sedna::algo {

DriftPlusPenalty::DriftPlusPenalty(double v, double budget) : v_(v), budget_(budget) {
  if (!(v > 0) || std::isinf(v)) throw Error(ErrorCode::kInvalidArgument, "must be a finite number above 0", "v");
  if (!(budget >= 0) || std::isinf(budget)) {
    throw Error(ErrorCode::kInvalidArgument, "must be a finite number of 0 or more", "budget");
  }
}

bool DriftPlusPenalty::judge(double gain, double cost) {
  const std::lock_guard lock(mutex_);
  const bool offload = v_ * gain > queue_ * cost;
  queue_ = std::max(0.0, queue_ + (offload ? cost : 0) - budget_);
  return offload;
}

double DriftPlusPenalty::queue() const {
  const std::lock_guard lock(mutex_);
  return queue_;
}

}  // namespace sedna::algo
