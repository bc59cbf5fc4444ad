// The weighted mean against numbers worked out by hand, and against what must hold for any numbers.
#include "sedna/federated/mean.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using tensor::DType;
using test::doubles;
using test::fp32;
using test::fp64;
using test::update;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// FL-1.1
TEST(WeightedMean, OfTwoClientsWorkedOutByHand) {
  // (10·1 + 20·3) / 30 = 70/30, (10·2 + 20·4) / 30 = 100/30; (10·3 + 20·5) / 30 = 130/30
  WeightedMean mean;
  mean.accumulate(update("a", 10, {fp64({2}, {1, 2}), fp64({1, 1}, {3})}));
  mean.accumulate(update("b", 20, {fp64({2}, {3, 4}), fp64({1, 1}, {5})}));
  EXPECT_EQ(mean.count(), 2u);
  const Aggregate out = mean.report();
  EXPECT_EQ(out.total_weight, 30);
  ASSERT_EQ(out.weights.size(), 2u);
  EXPECT_THAT(doubles(out.weights[0]), testing::ElementsAre(70.0 / 30, 100.0 / 30));
  EXPECT_THAT(doubles(out.weights[1]), testing::ElementsAre(130.0 / 30));
  EXPECT_EQ(out.weights[1].shape, (tensor::Shape{1, 1}));
}

// FL-1.1
TEST(WeightedMean, KeepsTheDtypeAndScalars) {
  WeightedMean mean;
  mean.accumulate(update("a", 1, {fp32({2}, {1.5F, -2.F}), fp64({}, {7})}));
  mean.accumulate(update("b", 3, {fp32({2}, {2.5F, 2.F}), fp64({}, {9})}));
  const Aggregate out = mean.report();
  EXPECT_EQ(out.weights[0].dtype, DType::kFp32);
  EXPECT_THAT(out.weights[0].as<float>(), testing::ElementsAre(2.25F, 1.F));  // (1.5 + 7.5) / 4, (-2 + 6) / 4
  EXPECT_TRUE(out.weights[1].shape.empty());
  EXPECT_THAT(doubles(out.weights[1]), testing::ElementsAre(8.5));
}

std::vector<double> random_values(std::mt19937_64& random, std::size_t count) {
  std::normal_distribution<double> normal(0, 1);
  std::vector<double> values(count);
  for (double& v : values) v = normal(random);
  return values;
}

struct Case {
  std::vector<Update> updates;
};

Case random_case(std::mt19937_64& random, std::size_t clients, std::size_t size) {
  Case out;
  std::uniform_int_distribution<int> samples(1, 1000);
  for (std::size_t i = 0; i < clients; ++i) {
    const auto values = random_values(random, size);
    const std::vector<float> narrow(values.begin(), values.end());
    const auto n = static_cast<std::int64_t>(size);
    out.updates.push_back(update("c" + std::to_string(i), samples(random), {fp64({n}, values), fp32({n}, narrow)}));
  }
  return out;
}

Aggregate mean_of(const std::vector<Update>& updates) {
  WeightedMean mean;
  for (const Update& u : updates) mean.accumulate(u);
  return mean.report();
}

void expect_bitwise(const Aggregate& a, const Aggregate& b) {
  ASSERT_EQ(a.weights.size(), b.weights.size());
  EXPECT_EQ(a.total_weight, b.total_weight);
  for (std::size_t i = 0; i < a.weights.size(); ++i) {
    EXPECT_EQ(a.weights[i].data.text(), b.weights[i].data.text()) << "tensor " << i;
  }
}

// FL-1.2, FL-16.7
TEST(WeightedMean, OfIdenticalUpdatesIsThatUpdateBitForBit) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20; ++round) {
    Case c = random_case(random, 1, 200);
    const Update one = c.updates.front();
    std::vector<Update> same;
    std::uniform_int_distribution<int> samples(1, 100000);
    for (int i = 0; i < 17; ++i) {
      same.push_back(one);
      same.back().weight = samples(random);
    }
    const Aggregate out = mean_of(same);
    EXPECT_EQ(out.weights[0].data.text(), one.weights[0].data.text());
    EXPECT_EQ(out.weights[1].data.text(), one.weights[1].data.text());
  }
}

// FL-1.3
TEST(WeightedMean, DoesNotDependOnTheOrderOfArrival) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 20; ++round) {
    Case c = random_case(random, 25, 100);
    const Aggregate straight = mean_of(c.updates);
    std::ranges::shuffle(c.updates, random);
    expect_bitwise(straight, mean_of(c.updates));
  }
}

// FL-1.3, FL-16.10
TEST(WeightedMean, OfTwoMergedSumsIsThatOfAllUpdates) {
  std::mt19937_64 random(3);
  for (std::size_t cut = 0; cut <= 10; ++cut) {
    const Case c = random_case(random, 10, 100);
    WeightedMean a, b;
    for (std::size_t i = 0; i < c.updates.size(); ++i) (i < cut ? a : b).accumulate(c.updates[i]);
    a.merge_with(std::move(b));
    EXPECT_EQ(a.count(), 10u);
    expect_bitwise(mean_of(c.updates), a.report());
  }
}

// FL-1.3
TEST(WeightedMean, RefusesToMergeSumsOfDifferentModels) {
  WeightedMean a, b;
  a.accumulate(update("a", 1, {fp64({2}, {1, 2})}));
  b.accumulate(update("b", 1, {fp64({3}, {1, 2, 3})}));
  EXPECT_THROW(a.merge_with(std::move(b)), Error);
}

// FL-1.1, FL-16.1
TEST(WeightedMean, IsFedAvgOfGradientDescent) {
  // One full-batch step at each client, averaged by samples, is one step of gradient descent on all data:
  // f(w) = sum over clients of n_k/n · (w - t_k)²/2, w' = w - lr (w - mean t).
  const std::vector<double> targets = {1, 4, -2};
  const std::vector<double> samples = {5, 10, 25};
  double central = 3;
  double averaged = 3;
  for (int step = 0; step < 20; ++step) {
    double gradient = 0;
    WeightedMean mean;
    for (std::size_t k = 0; k < targets.size(); ++k) {
      gradient += samples[k] / 40 * (central - targets[k]);
      mean.accumulate(update("c", samples[k], {fp64({1}, {averaged - 0.1 * (averaged - targets[k])})}));
    }
    central -= 0.1 * gradient;
    averaged = doubles(mean.report().weights[0]).front();
    EXPECT_NEAR(averaged, central, 1e-15);
  }
}

struct Refusal {
  Update bad;
  std::string subject;
  std::string reason;
};

// FL-1.4
TEST(CheckUpdate, NamesTheTensorAndTheReason) {
  const Manifest manifest = Manifest::of(update("a", 1, {fp64({2}, {1, 2}), fp32({1}, {3})}).weights);
  EXPECT_TRUE(check_update(update("b", 1, {fp64({2}, {1, 2}), fp32({1}, {3})}), manifest));
  tensor::Tensor integers = fp64({2}, {1, 2});
  integers.dtype = DType::kInt64;
  tensor::Tensor cut = fp64({2}, {1, 2});
  cut.data = cut.data.slice(0, 8);
  const auto infinite = std::numeric_limits<float>::infinity();
  const std::vector<Refusal> refusals = {
      {update("b", 0, {}), "num_samples", "above 0"},
      {update("b", -1, {}), "num_samples", "above 0"},
      {update("b", kNan, {}), "num_samples", "above 0"},
      {update("b", kInfinity, {}), "num_samples", "above 0"},
      {update("b", 1, {}), "weights", "has 0 tensors, the model has 2"},
      {update("b", 1, {fp64({3}, {1, 2, 3}), fp32({1}, {3})}), "weights[0]", "shape [3], the model's has [2]"},
      {update("b", 1, {fp64({2, 1}, {1, 2}), fp32({1}, {3})}), "weights[0]", "shape [2,1]"},
      {update("b", 1, {fp64({2}, {1, 2}), fp64({1}, {3})}), "weights[1]", "is FP64, the model's is FP32"},
      {update("b", 1, {integers, fp32({1}, {3})}), "weights[0]", "only FP32 and FP64"},
      {update("b", 1, {cut, fp32({1}, {3})}), "weights[0]", "8"},
      {update("b", 1, {fp64({2}, {1, kNan}), fp32({1}, {3})}), "weights[0]", "element 1 is NaN"},
      {update("b", 1, {fp64({2}, {-kInfinity, 0}), fp32({1}, {3})}), "weights[0]", "element 0 is -Infinity"},
      {update("b", 1, {fp64({2}, {1, 2}), fp32({1}, {infinite})}), "weights[1]", "element 0 is Infinity"},
      {update("b", 1e6, {fp64({2}, {1, 1e295}), fp32({1}, {3})}), "weights[0]", "element 1 is too large"},
  };
  for (const Refusal& refusal : refusals) {
    const auto checked = check_update(refusal.bad, manifest);
    ASSERT_FALSE(checked) << refusal.reason;
    EXPECT_THAT(checked.error().subject(), testing::StartsWith(refusal.subject));
    EXPECT_THAT(checked.error().message(), testing::HasSubstr(refusal.reason));
  }
}

// FL-1.4
TEST(CheckUpdate, WithoutAModelYetTakesAnyShape) {
  EXPECT_TRUE(check_update(update("a", 0.5, {fp64({0}, {}), fp64({}, {1})}), Manifest()));
  EXPECT_TRUE(check_update(update("a", 1, {}), Manifest()));
  EXPECT_FALSE(check_update(update("a", 1, {fp64({1}, {kNan})}), Manifest()));
}

// FL-1.5
TEST(CollectedUpdates, HandsUserCodeTheRoundInOrderOfArrival) {
  std::string seen;
  CollectedUpdates rule([&](const std::vector<Update>& updates) {
    for (const Update& u : updates) seen += u.client;
    Aggregate out;
    out.weights = updates.front().weights;
    out.total_weight = 7;
    return out;
  });
  rule.accumulate(update("a", 1, {fp64({1}, {1})}));
  rule.accumulate(update("b", 2, {fp64({1}, {2})}));
  EXPECT_EQ(rule.count(), 2u);
  EXPECT_EQ(rule.total_weight(), 3);
  EXPECT_EQ(rule.report().total_weight, 7);
  EXPECT_EQ(seen, "ab");
}

}  // namespace
}  // namespace sedna::federated
