// Will the cloud answer in time? Offload only when the expected latency and a margin for its spread fit into what is
// left of the deadline.
//   L̂ = RTT̂ + bytes / B̂ + queuê;  offload iff L̂ + margin ≤ time left
//   var ← var + (|m − srtt| − var) / 4;  srtt ← srtt + (m − srtt) / 8;  margin = 4 · var   (first m: srtt = m, var = m
//   / 2)
// Jacobson, "Congestion Avoidance and Control", SIGCOMM 1988. Called by the inference client around each request.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

namespace sedna::algo {

/// Thread-safe: one short lock.
class DeadlineEstimator {
 public:
  using Seconds = std::chrono::duration<double>;

  /// `latency` without the transfer (what a small request takes); `queue` as the server reported it, if it did.
  void observe(Seconds latency, Seconds queue = Seconds(0));
  /// What a transfer showed about the link: an average that follows 1/8 of each observation.
  void observe_transfer(std::uint64_t bytes, Seconds duration);

  /// L̂ for a payload; the margin is not in it. Zero before the first observation.
  Seconds expected(std::uint64_t bytes) const;
  Seconds margin() const;
  Seconds smoothed() const;
  Seconds deviation() const;
  /// Before the first observation: yes, or nothing would ever be learnt.
  bool fits(std::uint64_t bytes, Seconds left) const;

 private:
  double expected_locked(std::uint64_t bytes) const;

  mutable std::mutex mutex_;
  bool known_ = false;
  double srtt_ = 0;
  double var_ = 0;
  double queue_ = 0;
  double bandwidth_ = 0;  // bytes per second; 0: not known, so not counted
};

}  // namespace sedna::algo
