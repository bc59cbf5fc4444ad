#include "sedna/federated/robust/collected.hpp"

#include <algorithm>

namespace sedna::federated {

namespace {

template <class T>
void exchange(T* low, T* high) {
  for (std::size_t k = 0; k < kColumns; ++k) {
    const T a = low[k];
    const T b = high[k];
    low[k] = a < b ? a : b;
    high[k] = a < b ? b : a;
  }
}

SEDNA_MULTIVERSION void exchange_rows(float* low, float* high) {
  exchange(low, high);
}
SEDNA_MULTIVERSION void exchange_rows(double* low, double* high) {
  exchange(low, high);
}

}  // namespace

double Collected::total_weight() const {
  double total = 0;
  for (const Update& update : updates_) total += update.weight;
  return total;
}

Aggregate Collected::report() {
  if (updates_.size() < fewest_) {
    throw Error(ErrorCode::kInvalidArgument,
                "needs " + std::to_string(fewest_) + " updates and has " + std::to_string(updates_.size()),
                std::string(rule_));
  }
  std::ranges::sort(updates_, {}, &Update::client);
  Aggregate out;
  out.total_weight = total_weight();
  out.weights = combine(updates_);
  updates_.clear();
  return out;
}

std::vector<std::pair<std::size_t, std::size_t>> sorting_network(std::size_t n, std::size_t first, std::size_t last) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  std::size_t top = 1;
  while (top < n) top *= 2;
  for (std::size_t p = top / 2; p > 0; p /= 2) {
    std::size_t q = top / 2;
    std::size_t r = 0;
    std::size_t d = p;
    while (true) {
      for (std::size_t i = 0; i + d < n; ++i) {
        if ((i & p) == r) pairs.emplace_back(i, i + d);
      }
      if (q == p) break;
      d = q - p;
      q /= 2;
      r = p;
    }
  }
  // Backwards: a pair matters when one of its outputs does, and then both of its inputs do.
  std::vector<bool> matters(n, false);
  for (std::size_t i = first; i < std::min(last, n); ++i) matters[i] = true;
  std::vector<std::pair<std::size_t, std::size_t>> kept;
  for (auto it = pairs.rbegin(); it != pairs.rend(); ++it) {
    if (!matters[it->first] && !matters[it->second]) continue;
    matters[it->first] = matters[it->second] = true;
    kept.push_back(*it);
  }
  std::ranges::reverse(kept);
  return kept;
}

void sort_columns(float* rows, const std::vector<std::pair<std::size_t, std::size_t>>& network) {
  for (const auto& [low, high] : network) exchange_rows(rows + low * kColumns, rows + high * kColumns);
}
void sort_columns(double* rows, const std::vector<std::pair<std::size_t, std::size_t>>& network) {
  for (const auto& [low, high] : network) exchange_rows(rows + low * kColumns, rows + high * kColumns);
}

}  // namespace sedna::federated
