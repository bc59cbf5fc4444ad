// Random selection: every set of clients of the wanted size is as likely as any other.
// McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017, algorithm
// 1
// ("S_t: random set of m clients").
#include <algorithm>
#include <utility>

#include "sedna/federated/selection.hpp"

namespace sedna::federated {

namespace {

class RandomSelector final : public Selector {
 public:
  std::vector<std::string> choose(const std::vector<Candidate>& candidates, std::size_t count, std::int64_t /*round*/,
                                  Draw& draw) const override {
    std::vector<std::string> names;
    names.reserve(candidates.size());
    for (const Candidate& candidate : candidates) names.push_back(candidate.client);
    count = std::min(count, names.size());
    // Fisher and Yates, as far as it is needed.
    for (std::size_t i = 0; i < count; ++i) std::swap(names[i], names[i + draw.below(names.size() - i)]);
    names.resize(count);
    return names;
  }
};

}  // namespace

std::unique_ptr<Selector> make_random_selector(Settings& /*settings*/) {
  return std::make_unique<RandomSelector>();
}

}  // namespace sedna::federated
