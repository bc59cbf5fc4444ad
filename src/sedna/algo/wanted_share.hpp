// Says when a budget holds back much more than it was meant to: the filter wants 1.5 times what the budget lets
// through, over the last 200 calls. That is how drift shows under a budget, which otherwise costs accuracy in silence.
// Called by the inference client once per sample; feeds `sedna_ji_wanted_ratio` and a condition.
#pragma once

#include <bitset>
#include <cstddef>
#include <mutex>

namespace sedna::algo {

/// Thread-safe: one short lock.
class WantedShare {
 public:
  static constexpr std::size_t kWindow = 200;

  explicit WantedShare(double factor = 1.5) : factor_(factor) {}
  /// `wanted`: the filter said hard; `allowed`: and the budget let it pass. Returns exceeded().
  bool record(bool wanted, bool allowed);
  /// The share of the last calls (at most 200) that the filter called hard; 0 before the first.
  double wanted_ratio() const;
  /// The share that the budget let pass.
  double allowed_ratio() const;
  /// The window is full, and wanted > factor · allowed.
  bool exceeded() const;

 private:
  bool exceeded_locked() const;

  const double factor_;
  mutable std::mutex mutex_;
  std::bitset<kWindow> wanted_;
  std::bitset<kWindow> allowed_;
  std::size_t next_ = 0;
  std::size_t seen_ = 0;
  std::size_t wanted_count_ = 0;
  std::size_t allowed_count_ = 0;
};

}  // namespace sedna::algo
