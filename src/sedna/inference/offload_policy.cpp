#include "sedna/inference/offload_policy.hpp"

#include <algorithm>

#include "sedna/base/log.hpp"

namespace sedna::inference {
namespace {

/// Of the samples kept because the cloud is too slow, one in so many goes, or its recovery would never be noticed.
constexpr std::uint32_t kTryEvery = 16;

}  // namespace

OffloadPolicy::OffloadPolicy(const JointOptions& options, std::optional<double> filter_threshold) : options_(options) {
  if (options.target_ratio > 0) {
    algo::TargetRatioOptions target;
    target.ratio = options.target_ratio;
    target.step = options.target_step;
    target.threshold = options.target_start.value_or(filter_threshold.value_or(0.5));
    if (target.threshold >= 0 &&
        target.threshold <= 1) {  // scores in [0, 1]: a threshold outside would take long to return
      target.low = 0;
      target.high = 1;
    }
    target_.emplace(target);
  }
  if (options.requests_per_second > 0)
    requests_.emplace(options.requests_per_second, std::max(1.0, options.requests_burst));
  if (options.bytes_per_second > 0) {
    bytes_.emplace(options.bytes_per_second, options.bytes_burst > 0 ? options.bytes_burst : options.bytes_per_second);
  }
}

algo::Reason OffloadPolicy::restrain(std::uint64_t upload_bytes, Outlook outlook) {
  if (!outlook.available) return algo::Reason::kBreaker;
  if (!outlook.fits_deadline && kept_for_time_.fetch_add(1, std::memory_order_relaxed) % kTryEvery != kTryEvery - 1) {
    return algo::Reason::kDeadline;
  }
  return within_budget(upload_bytes) ? algo::Reason::kHard : algo::Reason::kBudget;
}

bool OffloadPolicy::within_budget(std::uint64_t upload_bytes) {
  if (!requests_ && !bytes_) return true;
  const auto now = options_.clock->now();
  if (requests_ && !requests_->try_take(now, 1)) return false;
  if (!bytes_ || bytes_->try_take(now, static_cast<double>(upload_bytes))) return true;
  if (requests_) requests_->give_back(1);  // a sample that one budget refuses must not cost the other
  return false;
}

void OffloadPolicy::tell(bool exceeded) {
  if (holds_back_.exchange(exceeded, std::memory_order_relaxed) == exceeded) return;
  if (exceeded) {
    log::warning(
        "A budget or a target share holds back hard samples, which costs accuracy in silence: have the inputs drifted?",
        {{"wanted_ratio", share_.wanted_ratio()}, {"allowed_ratio", share_.allowed_ratio()}});
  } else {
    log::info("What the filter calls hard is let through again", {{"wanted_ratio", share_.wanted_ratio()}});
  }
}

}  // namespace sedna::inference
