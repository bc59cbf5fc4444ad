// The policies around a hard-example filter: what a budget, a target share and a deadline allow of what the filter
// wants, and the watch that says when a budget silently costs accuracy. JointInference's own; one object per
// JointInference.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "sedna/algo/hard_example.hpp"
#include "sedna/algo/target_ratio.hpp"
#include "sedna/algo/token_bucket.hpp"
#include "sedna/algo/wanted_share.hpp"
#include "sedna/inference/joint_inference.hpp"

namespace sedna::inference {

/// Thread-safe; two short locks for a sample that the filter wants to send, one for the others.
class OffloadPolicy {
 public:
  /// `filter_threshold`: where a target ratio starts from. Throws Error naming the option.
  OffloadPolicy(const JointOptions& options, std::optional<double> filter_threshold);

  /// What the cloud's side says, asked only for samples that may go.
  struct Outlook {
    bool available = false;     ///< there is a client and its breaker is not open
    bool fits_deadline = true;  ///< as measured, the answer comes in time
  };
  /// Whether this sample goes, and why or why not.
  template <class AskOutlook>
  Decision decide(const algo::Verdict& verdict, std::uint64_t upload_bytes, AskOutlook&& ask) {
    Decision decision{false, verdict.hard, verdict.reason, verdict.score};
    if (target_ && verdict.reason != algo::Reason::kInvalid) {
      decision.is_hard = target_->judge(verdict.score);
      decision.reason = decision.is_hard ? algo::Reason::kHard : algo::Reason::kEasy;
    }
    bool held_back = verdict.hard && !decision.is_hard;
    if (decision.is_hard) {
      decision.reason = restrain(upload_bytes, ask());
      decision.offload = decision.reason == algo::Reason::kHard;
      held_back = decision.reason == algo::Reason::kBudget;
    }
    watch(verdict.hard || decision.is_hard, held_back);
    return decision;
  }

  double wanted_ratio() const { return share_.wanted_ratio(); }
  bool holds_back() const { return holds_back_.load(std::memory_order_relaxed); }

 private:
  algo::Reason restrain(std::uint64_t upload_bytes, Outlook outlook);
  bool within_budget(std::uint64_t upload_bytes);
  void watch(bool wanted, bool held_back) {
    const bool exceeded = share_.record(wanted, wanted && !held_back);
    if (exceeded != holds_back_.load(std::memory_order_relaxed)) tell(exceeded);
  }
  void tell(bool exceeded);

  const JointOptions& options_;
  std::optional<algo::TargetRatio> target_;
  std::optional<algo::TokenBucket> requests_;
  std::optional<algo::TokenBucket> bytes_;
  algo::WantedShare share_;
  std::atomic<std::uint32_t> kept_for_time_{0};
  std::atomic<bool> holds_back_{false};
};

}  // namespace sedna::inference
