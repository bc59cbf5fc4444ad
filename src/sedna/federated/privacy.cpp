#include "sedna/federated/privacy.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "sedna/federated/elementwise.hpp"
#include "sedna/federated/secure_words.hpp"
#include "sedna/federated/settings.hpp"

namespace sedna::federated {

namespace {

/// Box–Muller over 53-bit uniforms.
class Gaussian {
 public:
  double next() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double u = (static_cast<double>(words_.next() >> 11) + 1) * 0x1p-53;  // in (0, 1]
    const double v = static_cast<double>(words_.next() >> 11) * 0x1p-53;
    const double radius = std::sqrt(-2 * std::log(u));
    const double angle = 2 * std::numbers::pi * v;
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  SecureWords words_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace

PrivacyOptions::PrivacyOptions(const std::string& text) {
  Settings settings("noise=" + text == "noise=" ? std::string("privacy") : "privacy,noise=" + text);
  noise = settings.number("noise", 0, 1e-6, 1e6);
  delta = settings.number("delta", 1e-5, 1e-300, 0.5);
  settings.finish();
}

double gaussian_epsilon(double noise, std::size_t rounds, double delta) {
  if (rounds == 0) return 0;
  if (!(noise > 0)) return std::numeric_limits<double>::infinity();
  const double rate = static_cast<double>(rounds) / (2 * noise * noise);
  double best = std::numeric_limits<double>::infinity();
  // Orders on a geometric grid: the minimum is flat, and any order gives a valid bound.
  for (double above = 1e-3; above < 1e7; above *= 1.01) {
    const double alpha = 1 + above;
    best = std::min(best, rate * alpha + std::log1p(-1 / alpha) - (std::log(delta) + std::log(alpha)) / above);
  }
  return std::max(best, 0.0);
}

void add_gaussian_noise(Weights& weights, double sigma) {
  Gaussian gaussian;
  for (auto& tensor : weights) {
    tensor = map_tensor(tensor, [&](std::size_t, double value) { return value + sigma * gaussian.next(); });
  }
}

std::vector<double> gaussian_draws(std::size_t count) {
  Gaussian gaussian;
  std::vector<double> out(count);
  for (double& v : out) v = gaussian.next();
  return out;
}

}  // namespace sedna::federated
