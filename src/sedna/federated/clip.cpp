#include "sedna/federated/clip.hpp"

#include <algorithm>
#include <charconv>

#include "sedna/federated/elementwise.hpp"
#include "sedna/federated/settings.hpp"

namespace sedna::federated {

NormClip::NormClip(const std::string& text) {
  double bound = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), bound);
  if (bad == std::errc() && end == text.data() + text.size()) {
    if (!(bound > 0 && bound < 1e300)) throw Error(ErrorCode::kInvalidArgument, "must be above 0", "clip");
    fixed_ = bound;
    return;
  }
  Settings settings(text);
  if (settings.name() != "median") {
    throw Error(ErrorCode::kInvalidArgument, "is '" + text + "'; it must be a number or median", "clip");
  }
  factor_ = settings.number("factor", 1, 1e-6, 1e6);
  window_ = settings.count("window", 200, 1, 1'000'000);
  settings.finish();
}

std::optional<double> NormClip::bound() const {
  if (fixed_) return fixed_;
  if (history_.empty()) return std::nullopt;
  return bound_of({history_.begin(), history_.end()});
}

double NormClip::bound_of(std::vector<double> norms) const {
  if (fixed_) return *fixed_;
  const std::size_t low = (norms.size() - 1) / 2;
  const std::size_t high = norms.size() / 2;
  std::ranges::sort(norms);
  return factor_ * (0.5 * norms[low] + 0.5 * norms[high]);
}

void NormClip::remember(const std::vector<double>& norms) {
  if (fixed_) return;
  history_.insert(history_.end(), norms.begin(), norms.end());
  while (history_.size() > window_) history_.pop_front();
}

Weights NormClip::clipped(const Weights& weights, const Weights& base, double norm, double bound) {
  if (norm <= bound) return weights;
  const double scale = bound / norm;
  Weights out;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    out.push_back(map_tensors(base[i], weights[i],
                              [scale](std::size_t, double x, double value) { return x + scale * (value - x); }));
  }
  return out;
}

}  // namespace sedna::federated
