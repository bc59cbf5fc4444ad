#include "sedna/federated/selection.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sedna::federated {

namespace {

using Factory = std::unique_ptr<Selector> (*)(Settings&);

constexpr std::array<std::pair<std::string_view, Factory>, 3> kSelectors = {
    {{"oort", make_oort_selector}, {"random", make_random_selector}, {"weighted", make_weighted_selector}}};

/// SplitMix64's finaliser: neighbouring seeds give unrelated ones.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

Draw::Draw(std::uint64_t seed, std::int64_t round, std::uint64_t attempt)
    : random_(mixed(mixed(mixed(seed) ^ static_cast<std::uint64_t>(round)) ^ attempt)) {}

double Draw::uniform() {
  return (static_cast<double>(random_() >> 11) + 0.5) * 0x1p-53;
}

std::size_t Draw::below(std::size_t n) {
  const std::uint64_t limit = std::mt19937_64::max() - std::mt19937_64::max() % n;
  while (true) {
    if (const std::uint64_t value = random_(); value < limit) return static_cast<std::size_t>(value % n);
  }
}

std::vector<std::string> draw_by_weight(const std::vector<Candidate>& candidates, const std::vector<double>& weights,
                                        std::size_t count, Draw& draw) {
  std::vector<std::pair<double, std::size_t>> keys;
  keys.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double u = draw.uniform();
    keys.emplace_back(weights[i] > 0 ? std::log(u) / weights[i] : -std::numeric_limits<double>::infinity(), i);
  }
  std::ranges::sort(keys, [](const auto& a, const auto& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  });
  keys.resize(std::min(count, keys.size()));
  std::vector<std::string> out;
  out.reserve(keys.size());
  for (const auto& [key, index] : keys) out.push_back(candidates[index].client);
  return out;
}

std::vector<std::string> selector_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : kSelectors) names.emplace_back(name);
  return names;
}

std::unique_ptr<Selector> make_selector(std::string_view text) {
  Settings settings(text);
  for (const auto& [name, factory] : kSelectors) {
    if (name != settings.name()) continue;
    auto made = factory(settings);
    settings.finish();
    return made;
  }
  std::string known;
  for (const std::string& name : selector_names()) known += (known.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::kNotFound, "no such way to choose clients; there are " + known, settings.name());
}

}  // namespace sedna::federated
