// Oort: clients whose data teach the model most, and soon enough. Of K to be chosen in round R, epsilon·K are clients
// that were never heard of (exploration; epsilon = max(minimum, explore · decay^(R−1))). The others (exploitation) are
// drawn by utility from all whose utility is at least `cutoff` times that of the last one that would make it by rank:
//   U_i = (min(n_i · |loss_i|, its `clip` quantile) + bonus_i) · (T / t_i)^alpha  where t_i > T, else without,
//   bonus_i = range · sqrt(0.1 · ln R / L_i),  L_i the last round that it trained in, range that of the first term.
// loss_i stands for sqrt(mean of squared sample losses): clients report "loss_rms", or else "loss"; with neither it
// counts as 1. T is the `duration` quantile of the times seen (0: time does not matter). Without the paper's pacer,
// which lets T grow when rounds teach less and less. Lai et al., "Oort: Efficient Federated Learning via Guided
// Participant Selection", OSDI 2021, algorithm 1.
#include <algorithm>
#include <set>

#include "sedna/federated/selection.hpp"

namespace sedna::federated {

namespace {

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(std::floor(share * last))];
}

struct OortParameters {
  double explore, decay, minimum, cutoff, clip, alpha, duration;
};

class OortSelector final : public Selector {
 public:
  explicit OortSelector(const OortParameters& parameters) : p_(parameters) {}

  std::vector<std::string> choose(const std::vector<Candidate>& candidates, std::size_t count, std::int64_t round,
                                  Draw& draw) const override {
    std::vector<Candidate> known;
    std::vector<Candidate> fresh;
    for (const Candidate& candidate : candidates) (candidate.history.updates > 0 ? known : fresh).push_back(candidate);
    count = std::min(count, candidates.size());
    const double epsilon = std::max(p_.minimum, p_.explore * std::pow(p_.decay, static_cast<double>(round - 1)));
    auto explored = std::min(static_cast<std::size_t>(std::lround(epsilon * static_cast<double>(count))), fresh.size());
    // Where one kind runs out, the other fills up.
    if (count - explored > known.size()) explored = count - known.size();
    std::vector<std::string> out = exploit(known, count - explored, round, draw);
    const std::vector<double> alike(fresh.size(), 1.0);
    for (std::string& client : draw_by_weight(fresh, alike, explored, draw)) out.push_back(std::move(client));
    return out;
  }

 private:
  std::vector<double> utilities(const std::vector<Candidate>& known, std::int64_t round) const {
    std::vector<double> learned;
    std::vector<double> times;
    for (const Candidate& c : known) {
      const double loss = std::isfinite(c.history.loss) ? std::abs(c.history.loss) : 1;
      learned.push_back(c.history.samples * loss);
      times.push_back(c.history.seconds);
    }
    // One client with outliers must not be chosen for ever.
    const double ceiling = quantile(learned, p_.clip);
    for (double& value : learned) value = std::min(value, ceiling);
    const double least = *std::ranges::min_element(learned);
    const double range = std::max(ceiling - least, 1e-4 * std::max(ceiling, 1e-300));
    const double preferred = p_.duration > 0 ? quantile(times, p_.duration) : 0;
    std::vector<double> out;
    for (std::size_t i = 0; i < known.size(); ++i) {
      const auto last = static_cast<double>(std::max<std::int64_t>(known[i].history.last_round, 1));
      double utility = learned[i] + range * std::sqrt(0.1 * std::log(static_cast<double>(round)) / last);
      if (preferred > 0 && times[i] > preferred) utility *= std::pow(preferred / times[i], p_.alpha);
      out.push_back(utility);
    }
    return out;
  }

  std::vector<std::string> exploit(const std::vector<Candidate>& known, std::size_t count, std::int64_t round,
                                   Draw& draw) const {
    if (count == 0 || known.empty()) return {};
    std::vector<double> utility = utilities(known, round);
    std::vector<double> ranked = utility;
    std::ranges::sort(ranked, std::greater<>());
    const double bar = p_.cutoff * ranked[std::min(count, ranked.size()) - 1];
    std::vector<Candidate> good;
    std::vector<double> weights;
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (utility[i] < bar) continue;
      good.push_back(known[i]);
      weights.push_back(utility[i]);
    }
    return draw_by_weight(good, weights, count, draw);
  }

  OortParameters p_;
};

}  // namespace

std::unique_ptr<Selector> make_oort_selector(Settings& settings) {
  OortParameters p{};
  p.explore = settings.number("explore", 0.9, 0, 1);
  p.decay = settings.number("decay", 0.98, 0, 1);
  p.minimum = settings.number("minimum", 0.2, 0, 1);
  p.cutoff = settings.number("cutoff", 0.95, 0, 1);
  p.clip = settings.number("clip", 0.95, 0, 1);
  p.alpha = settings.number("alpha", 2, 0, 100);
  p.duration = settings.number("duration", 0.5, 0, 1);
  return std::make_unique<OortSelector>(p);
}

}  // namespace sedna::federated
