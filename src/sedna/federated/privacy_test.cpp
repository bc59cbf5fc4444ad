// The noise is Gaussian, and the accountant's ε is that of the literature.
#include "sedna/federated/privacy.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/rules.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using test::doubles;
using test::fp64;
using test::update;

// FL-8.1
TEST(Privacy, TheNoiseIsGaussian) {
  auto draws = gaussian_draws(200'000);
  const auto n = static_cast<double>(draws.size());
  const double mean = std::accumulate(draws.begin(), draws.end(), 0.0) / n;
  double variance = 0;
  for (const double v : draws) variance += (v - mean) * (v - mean) / n;
  EXPECT_NEAR(mean, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(variance, 1, 5 * std::sqrt(2 / n));
  // Kolmogorov–Smirnov against the normal distribution: 1.95 / sqrt(n) is passed once in a thousand.
  std::ranges::sort(draws);
  double worst = 0;
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const double cdf = 0.5 * std::erfc(-draws[i] / std::sqrt(2.0));
    worst = std::max(worst, std::abs(cdf - (static_cast<double>(i) + 0.5) / n));
  }
  EXPECT_LT(worst, 2.3 / std::sqrt(n));
  EXPECT_NE(gaussian_draws(4), gaussian_draws(4));
}

// FL-8.2
TEST(Privacy, TheAccountantAgreesWithTheClosedForm) {
  // The classic conversion (Mironov, proposition 3) at the best order: ε <= T/(2z²) + sqrt(2 T log(1/δ)) / z. Ours is
  // tighter, and not by much; and no mechanism can be below the exact ε of one Gaussian (Balle and Wang 2018: z = 1,
  // δ = 1e-5 gives 4.377).
  for (const double z : {0.7, 1.0, 4.0, 20.0}) {
    for (const std::size_t rounds : {1u, 10u, 1000u}) {
      const auto t = static_cast<double>(rounds);
      const double classic = t / (2 * z * z) + std::sqrt(2 * t * std::log(1e5)) / z;
      const double ours = gaussian_epsilon(z, rounds, 1e-5);
      EXPECT_LT(ours, classic) << z << " " << rounds;
      EXPECT_GT(ours, 0.55 * classic) << z << " " << rounds;
    }
  }
  EXPECT_GT(gaussian_epsilon(1, 1, 1e-5), 4.377);
  EXPECT_LT(gaussian_epsilon(1, 1, 1e-5), 4.9);
  EXPECT_TRUE(std::isinf(gaussian_epsilon(0, 1, 1e-5)));
  EXPECT_EQ(gaussian_epsilon(1, 0, 1e-5), 0);
  EXPECT_LT(gaussian_epsilon(2, 10, 1e-5), gaussian_epsilon(2, 11, 1e-5));
}

RuleOptions private_rules(const std::string& noise, const std::string& clip) {
  RuleOptions options;
  options.clip = clip;
  options.privacy = noise;
  return options;
}

// FL-8.1
TEST(Privacy, ARoundIsThePlainMeanOfCutUpdatesPlusNoise) {
  constexpr std::size_t kSize = 20'000;
  Rules rules = Rules::make(private_rules("0.5", "2"));
  const auto base = std::make_shared<const Model>(Model{0, {fp64({kSize}, std::vector<double>(kSize, 0.0))}, {}});
  RoundSum sum(rules, base);
  // Both are far too long; samples do not count. The mean of the cut ones is (1 + -1)/2 · 2/sqrt(n) = 0.
  sum.add(update("a", 1, {fp64({kSize}, std::vector<double>(kSize, 10.0))}));
  sum.add(update("b", 1000, {fp64({kSize}, std::vector<double>(kSize, -10.0))}));
  const auto end = sum.finish(2);
  double squares = 0;
  for (const double v : doubles(end.model.weights.front())) squares += v * v;
  // Standard deviation 0.5 · 2 / 2 = 0.5.
  EXPECT_NEAR(std::sqrt(squares / kSize), 0.5, 0.02);
  EXPECT_EQ(end.clipped, 2u);
}

// FL-8.1
TEST(Privacy, NeedsABoundThatDoesNotDependOnTheData) {
  EXPECT_THROW(Rules::make(private_rules("1", "")), Error);
  EXPECT_THROW(Rules::make(private_rules("1", "median")), Error);
  EXPECT_THROW(Rules::make(private_rules("0", "1")), Error);
  auto options = private_rules("1", "1");
  options.robust = "Median";
  EXPECT_THROW(Rules::make(options), Error);
  options = private_rules("1", "1");
  options.algorithm = "SCAFFOLD";
  EXPECT_THROW(Rules::make(options), Error) << "the variates would go out without noise";
  Rules rules = Rules::make(private_rules("1.5,delta=1e-6", "1"));
  EXPECT_TRUE(rules.needs_base());
  EXPECT_DOUBLE_EQ(rules.epsilon(3), gaussian_epsilon(1.5, 3, 1e-6));
  // A round that does not know what it began with has nothing to cut: it must not go out in the clear.
  RoundSum sum(rules, nullptr);
  EXPECT_FALSE(sum.check(update("a", 1, {fp64({1}, {1})})));
}

}  // namespace
}  // namespace sedna::federated
