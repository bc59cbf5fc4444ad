#include "sedna/federated/robust/collected.hpp"

#include <algorithm>

namespace sedna::federated {

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

std::vector<Stretch> stretches_of(const Weights& like, std::size_t columns) {
  std::vector<Stretch> out;
  for (std::size_t t = 0; t < like.size(); ++t) {
    const std::size_t elements = elements_of(like[t]);
    for (std::size_t first = 0; first < elements; first += columns) {
      out.push_back({t, first, std::min(columns, elements - first)});
    }
  }
  return out;
}

kernels::Network sorting_network(std::size_t n, std::size_t first, std::size_t last) {
  kernels::Network pairs;
  std::size_t top = 1;
  while (top < n) top *= 2;
  for (std::size_t p = top / 2; p > 0; p /= 2) {
    std::size_t q = top / 2;
    std::size_t r = 0;
    std::size_t d = p;
    while (true) {
      for (std::size_t i = 0; i + d < n; ++i) {
        if ((i & p) == r) pairs.emplace_back(static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + d));
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
  kernels::Network kept;
  for (auto it = pairs.rbegin(); it != pairs.rend(); ++it) {
    if (!matters[it->first] && !matters[it->second]) continue;
    matters[it->first] = matters[it->second] = true;
    kept.push_back(*it);
  }
  std::ranges::reverse(kept);
  return kept;
}

}  // namespace sedna::federated
