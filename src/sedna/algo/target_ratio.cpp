#include "sedna/algo/target_ratio.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/base/error.hpp"

namespace sedna::algo {

TargetRatio::TargetRatio(const TargetRatioOptions& options) : options_(options), threshold_(options.threshold) {
  if (!(options.ratio >= 0 && options.ratio <= 1)) {
    throw Error(ErrorCode::kInvalidArgument, "must be from 0 to 1", "ratio");
  }
  if (!(options.step > 0) || std::isinf(options.step)) {
    throw Error(ErrorCode::kInvalidArgument, "must be a finite number above 0", "step");
  }
  if (!(options.low <= options.threshold && options.threshold <= options.high)) {
    throw Error(ErrorCode::kInvalidArgument, "must be a number between low and high", "threshold");
  }
}

bool TargetRatio::judge(double score) {
  if (std::isnan(score)) return false;
  double before = threshold_.load(std::memory_order_relaxed);
  for (;;) {
    const bool hard = score > before;
    const double after =
        std::clamp(before + options_.step * ((hard ? 1 : 0) - options_.ratio), options_.low, options_.high);
    if (threshold_.compare_exchange_weak(before, after, std::memory_order_relaxed)) return hard;
  }
}

}  // namespace sedna::algo
