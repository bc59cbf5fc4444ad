#include "sedna/federated/local_privacy.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using tensor::DType;
using test::fp32;

constexpr std::size_t kDraws = 200'000;

tensor::Tensor constant(float value, std::size_t samples, std::size_t values) {
  return fp32({static_cast<std::int64_t>(samples), static_cast<std::int64_t>(values)},
              std::vector<float>(samples * values, value));
}

double mean_of(const tensor::Tensor& tensor) {
  double sum = 0;
  for (const float v : tensor.as<float>()) sum += static_cast<double>(v);
  return sum / static_cast<double>(tensor.as<float>().size());
}

double ones_of(const tensor::Tensor& bits) {
  std::size_t ones = 0;
  for (const std::uint8_t byte : bits.as<std::uint8_t>()) ones += static_cast<std::size_t>(__builtin_popcount(byte));
  return static_cast<double>(ones);
}

// FL-12.1
TEST(LocalPrivacy, ProbabilitiesAreThePapers) {
  // By hand: ε = 2 ln 3 gives e^(ε/2) = 3, so p = 3/4; ε = ln 3 gives q = 1/4 beside p = 1/2.
  const FeatureLayout symmetric{Mechanism::kSymmetric, 2 * std::log(3.0), 1, {10}};
  EXPECT_NEAR(symmetric.p(), 0.75, 1e-12);
  EXPECT_NEAR(symmetric.q(), 0.25, 1e-12);
  EXPECT_NEAR(symmetric.epsilon_of_value(), std::log(3.0), 1e-12);
  EXPECT_NEAR(symmetric.epsilon_of_sample(), 10 * std::log(3.0), 1e-12);
  const FeatureLayout optimised{Mechanism::kOptimised, std::log(3.0), 1, {2, 2}};
  EXPECT_NEAR(optimised.p(), 0.5, 1e-12);
  EXPECT_NEAR(optimised.q(), 0.25, 1e-12);
  EXPECT_NEAR(optimised.epsilon_of_value(), std::log(2.0), 1e-12);  // p / q
  EXPECT_NEAR(optimised.epsilon_of_sample(), 4 * std::log(2.0), 1e-12);
  EXPECT_EQ((FeatureLayout{Mechanism::kNone, 0, 1, {3}}).epsilon_of_sample(), std::numeric_limits<double>::infinity());
}

// FL-12.1
TEST(LocalPrivacy, EpsilonIsTheLargestRatioOfWhatIsSent) {
  for (const auto mechanism : {Mechanism::kSymmetric, Mechanism::kOptimised}) {
    for (const double epsilon : {0.01, 0.5, 1.0, 3.0, 10.0}) {
      const FeatureLayout layout{mechanism, epsilon, 1, {1}};
      const double p = layout.p();
      const double q = layout.q();
      EXPECT_NEAR(layout.epsilon_of_value(), std::log(std::max(p / q, (1 - q) / (1 - p))), 1e-9)
          << mechanism_name(mechanism) << " " << epsilon;
      // The papers' ε, of a one-hot vector: one bit falls while another rises.
      EXPECT_NEAR(std::log(p * (1 - q) / ((1 - p) * q)), epsilon, 1e-9);
    }
  }
}

// FL-12.1
TEST(LocalPrivacy, ABudgetForASampleIsKept) {
  for (const auto mechanism : {Mechanism::kSymmetric, Mechanism::kOptimised, Mechanism::kLaplace}) {
    for (const double budget : {0.1, 1.0, 8.0, 100.0}) {
      const auto layout = FeatureLayout::for_sample(mechanism, budget, 2, {4, 16});
      EXPECT_NEAR(layout.epsilon_of_sample() / budget, 1, 1e-9) << mechanism_name(mechanism) << " " << budget;
    }
  }
}

// FL-12.2
TEST(LocalPrivacy, BitsAreSentWithThoseProbabilities) {
  for (const auto mechanism : {Mechanism::kSymmetric, Mechanism::kOptimised}) {
    const FeatureLayout layout{mechanism, 1.5, 1, {20}};
    const std::size_t samples = kDraws / 20;
    for (const float value : {1.0F, -1.0F}) {
      const double probability = value > 0 ? layout.p() : layout.q();
      const auto sent = randomize(constant(value, samples, 20), layout);
      EXPECT_EQ(sent.dtype, DType::kUint8);
      EXPECT_EQ(sent.shape, (tensor::Shape{static_cast<std::int64_t>(samples), 3}));  // 20 bits in 3 bytes
      const double deviation = std::sqrt(static_cast<double>(kDraws) * probability * (1 - probability));
      EXPECT_NEAR(ones_of(sent), static_cast<double>(kDraws) * probability, 6 * deviation);
    }
  }
}

// FL-12.2
TEST(LocalPrivacy, EstimatesAreUnbiased) {
  for (const auto mechanism : {Mechanism::kSymmetric, Mechanism::kOptimised}) {
    const FeatureLayout layout{mechanism, 1, 1, {25}};
    const double p = layout.p();
    const double q = layout.q();
    for (const float value : {0.3F, -0.3F, 0.0F}) {
      const double bit = value > 0 ? 1 : 0;
      const double chance = value > 0 ? p : q;
      const double deviation = std::sqrt(chance * (1 - chance) / static_cast<double>(kDraws)) / (p - q);
      EXPECT_NEAR(mean_of(estimate(randomize(constant(value, kDraws / 25, 25), layout), layout)), bit, 6 * deviation);
    }
  }
  // Laplace: unbiased for the cut value, with the variance of its scale b = 2 clip / ε.
  const FeatureLayout layout{Mechanism::kLaplace, 2, 1.5, {8}};
  const double deviation = std::sqrt(2.0) * (2 * 1.5 / 2) / std::sqrt(static_cast<double>(kDraws));
  for (const float value : {0.7311F, -1.4F, 9.0F}) {
    const double cut = std::clamp(static_cast<double>(value), -1.5, 1.5);
    const auto sent = randomize(constant(value, kDraws / 8, 8), layout);
    EXPECT_EQ(sent.dtype, DType::kFp32);
    EXPECT_NEAR(mean_of(estimate(sent, layout)), cut, 6 * deviation);
    double squares = 0;
    for (const float v : sent.as<float>()) squares += (static_cast<double>(v) - cut) * (static_cast<double>(v) - cut);
    EXPECT_NEAR(squares / static_cast<double>(kDraws), 2 * 1.5 * 1.5, 0.25);
  }
}

// FL-12.2
TEST(LocalPrivacy, LaplaceIsInWholeStepsOfItsGrid) {
  const FeatureLayout layout{Mechanism::kLaplace, 1, 1, {4}};
  const auto sent = randomize(constant(0.123456F, 500, 4), layout);
  for (const float value : sent.as<float>()) {
    EXPECT_EQ(value * 1024, std::floor(value * 1024));
  }
}

// FL-12.2
TEST(LocalPrivacy, AMilderEpsilonLeavesTheBitsAsTheyAre) {
  const FeatureLayout layout{Mechanism::kSymmetric, 100, 1, {3}};  // upstream's: flips once in 10^21
  const auto sent = randomize(fp32({2, 3}, {1, -1, 2, -3, 0.5F, 0}), layout);
  EXPECT_EQ(sent.as<std::uint8_t>()[0], 0b101);
  EXPECT_EQ(sent.as<std::uint8_t>()[1], 0b010);
  const auto back = estimate(sent, layout);
  EXPECT_EQ(back.shape, (tensor::Shape{2, 3}));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(back.as<float>()[i], i % 2 == 0 ? 1 : 0, 1e-20);
}

// FL-12.1
TEST(LocalPrivacy, LayoutsTravelAndNonsenseIsRefused) {
  const FeatureLayout layout{Mechanism::kLaplace, 0.25, 3, {4, 5}};
  const auto back = FeatureLayout::from_tensor(layout.to_tensor());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->mechanism, Mechanism::kLaplace);
  EXPECT_EQ(back->epsilon, 0.25);
  EXPECT_EQ(back->clip, 3);
  EXPECT_EQ(back->shape, (tensor::Shape{4, 5}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::vector<double>& bad : {std::vector<double>{1, 1},
                                         {4, 1, 1, 2},
                                         {nan, 1, 1, 2},
                                         {1, 0, 1, 2},
                                         {1, nan, 1, 2},
                                         {1, 1, 1, 0},
                                         {1, 1, 1, 1.5},
                                         {1, 1, 1, -3},
                                         {1, 1, 1, 4e9, 4e9},
                                         {3, 1, 0, 2},
                                         {3, 1, nan, 2}}) {
    EXPECT_FALSE(FeatureLayout::from_tensor(test::fp64({static_cast<std::int64_t>(bad.size())}, bad))) << bad.size();
  }
  EXPECT_THROW(mechanism_from("gauss"), Error);
  EXPECT_THROW(FeatureLayout::for_sample(Mechanism::kSymmetric, 0, 1, {4}), Error);
}

// FL-12.2
TEST(LocalPrivacy, WhatIsNoFeatureIsRefused) {
  const FeatureLayout layout{Mechanism::kSymmetric, 1, 1, {3}};
  EXPECT_THROW(randomize(fp32({2, 4}, std::vector<float>(8)), layout), Error);
  EXPECT_THROW(randomize(fp32({1, 3}, {1, std::nanf(""), 1}), layout), Error);
  EXPECT_FALSE(check_sent(fp32({1, 3}, {1, 1, 1}), layout));  // not packed
  EXPECT_FALSE(check_sent(randomize(fp32({1, 3}, {1, 1, 1}), layout), {Mechanism::kSymmetric, 1, 1, {9}}));
  EXPECT_FALSE(check_sent(fp32({1, 3}, {1, std::nanf(""), 1}), {Mechanism::kNone, 0, 1, {3}}));
}

}  // namespace
}  // namespace sedna::federated
