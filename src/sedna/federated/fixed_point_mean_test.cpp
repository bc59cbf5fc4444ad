// Strict sums: bit-identical for any order, any sharding and any tree.
#include "sedna/federated/fixed_point_mean.hpp"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/mean.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using test::doubles;
using test::fp32;
using test::fp64;
using test::update;

std::vector<Update> random_updates(std::mt19937_64& random, std::size_t clients, std::size_t size) {
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int> samples(1, 1000);
  std::vector<Update> out;
  for (std::size_t i = 0; i < clients; ++i) {
    std::vector<double> wide(size);
    std::vector<float> narrow(size);
    for (double& v : wide) v = normal(random);
    for (float& v : narrow) v = static_cast<float>(normal(random));
    const auto n = static_cast<std::int64_t>(size);
    out.push_back(update("c" + std::to_string(i), samples(random), {fp64({n}, wide), fp32({n}, narrow)}));
  }
  return out;
}

std::string bits(const Aggregate& a) {
  std::string text;
  for (const auto& tensor : a.weights) text += tensor.data.text();
  return text;
}

// FL-1.7, FL-16.8, FL-16.10
TEST(FixedPointMean, IsTheSameForAnyOrderShardsAndTree) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 30; ++round) {
    auto updates = random_updates(random, 12, 60);
    const Weights base = random_updates(random, 1, 60)[0].weights;
    FixedPointMean flat(&base, {});
    for (const Update& u : updates) {
      ASSERT_TRUE(flat.check(u));
      flat.accumulate(u);
    }
    const std::string want = bits(flat.report());
    std::ranges::shuffle(updates, random);
    // A tree of random shape over shards in random order.
    std::vector<FixedPointMean> shards;
    for (int s = 0; s < 4; ++s) shards.emplace_back(&base, FixedPointOptions());
    for (const Update& u : updates) shards[random() % 4].accumulate(u);
    while (shards.size() > 1) {
      const std::size_t into = random() % (shards.size() - 1);
      shards[into].merge_with(std::move(shards.back()));
      shards.pop_back();
    }
    EXPECT_EQ(shards.front().count(), 12u);
    EXPECT_EQ(bits(shards.front().report()), want);
  }
}

// FL-1.7
TEST(FixedPointMean, IsAsPreciseAsTheWeightedMeanInFloat32) {
  std::mt19937_64 random(2);
  const auto updates = random_updates(random, 100, 500);
  FixedPointMean strict(nullptr, {});
  WeightedMean wide;
  for (const Update& u : updates) {
    strict.accumulate(u);
    wide.accumulate(u);
  }
  const Aggregate a = strict.report(), b = wide.report();
  for (std::size_t k = 0; k < 500; ++k) {
    EXPECT_NEAR(a.weights[0].as<double>()[k], b.weights[0].as<double>()[k], 1e-9);
    EXPECT_NEAR(a.weights[1].as<float>()[k], b.weights[1].as<float>()[k], 2e-8);
  }
  EXPECT_EQ(a.total_weight, b.total_weight);
}

// FL-1.7, FL-16.7
TEST(FixedPointMean, OfIdenticalUpdatesIsThatUpdate) {
  FixedPointMean mean(nullptr, {});
  const std::vector<double> values = {0.5, -3.25, 0.0, 15.0};
  for (int i = 1; i < 9; ++i) mean.accumulate(update("c" + std::to_string(i), i * i, {fp64({4}, values)}));
  EXPECT_EQ(doubles(mean.report().weights.front()), values);
}

// FL-1.7
TEST(FixedPointMean, RefusesWhatWouldNotFit) {
  const Weights base = {fp64({1}, {2})};
  const FixedPointMean mean(&base, {});
  EXPECT_TRUE(mean.check(update("a", 1, {fp64({1}, {32})})));
  EXPECT_THAT(mean.check(update("a", 1, {fp64({1}, {33})})).error().what(), testing::HasSubstr("beyond ±32"));
  EXPECT_THAT(mean.check(update("a", 1.5, {fp64({1}, {1})})).error().what(), testing::HasSubstr("whole number"));
  EXPECT_THAT(mean.check(update("a", 16777217, {fp64({1}, {1})})).error().what(), testing::HasSubstr("planned for"));
  FixedPointMean other(nullptr, {}), one(&base, {});
  other.accumulate(update("a", 1, {fp64({1}, {1})}));
  one.accumulate(update("a", 1, {fp64({1}, {1})}));
  EXPECT_THROW(one.merge_with(std::move(other)), Error);
}

}  // namespace
}  // namespace sedna::federated
