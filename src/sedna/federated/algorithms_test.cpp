// Each algorithm against numbers worked out by hand and against what must hold for it.
#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/rules.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using test::doubles;
using test::fp64;
using test::update;

std::shared_ptr<const Model> model_of(const std::vector<double>& values, const std::vector<double>& extra = {}) {
  Model model;
  model.weights = {fp64({static_cast<std::int64_t>(values.size())}, values)};
  if (!extra.empty()) model.extra = {fp64({static_cast<std::int64_t>(extra.size())}, extra)};
  return std::make_shared<const Model>(std::move(model));
}

Update sent(const std::string& client, double samples, const std::vector<double>& values, double steps = 0,
            const std::vector<double>& extra = {}) {
  const auto n = static_cast<std::int64_t>(values.size());
  Update u = update(client, samples, {fp64({n}, values)});
  u.steps = steps;
  if (!extra.empty()) u.extra = {fp64({n}, extra)};
  return u;
}

RoundSum::End run_round(Rules& rules, const std::shared_ptr<const Model>& base, std::vector<Update> updates,
                        std::size_t clients = 0) {
  RoundSum sum(rules, base);
  for (Update& u : updates) {
    const auto checked = sum.check(u);
    EXPECT_TRUE(checked) << checked.error().what();
    sum.add(std::move(u));
  }
  return sum.finish(std::max(clients, sum.count()));
}

Rules rules_for(const std::string& algorithm) {
  RuleOptions options;
  options.algorithm = algorithm;
  return Rules::make(options);
}

std::vector<double> values_of(const RoundSum::End& end) {
  return doubles(end.model.weights.front());
}

// FL-5.1
TEST(FedAvgM, KeepsMomentumAsWorkedOutByHand) {
  // x = 10, mean 8: d = 2, v = 2, x' = 10 − 0.5·2 = 9. Then mean 8: d = 1, v = 0.5·2 + 1 = 2, x' = 9 − 1 = 8.
  Rules rules = rules_for("FedAvgM,learningRate=0.5,momentum=0.5");
  EXPECT_TRUE(rules.needs_base());
  const auto first = run_round(rules, model_of({10}), {sent("a", 1, {8})});
  EXPECT_THAT(values_of(first), testing::ElementsAre(9));
  const auto second = run_round(rules, model_of(values_of(first)), {sent("a", 1, {8})});
  EXPECT_THAT(values_of(second), testing::ElementsAre(8));
}

// FL-5.1
TEST(FedAvgM, WithoutMomentumAndAtRateOneIsFedAvg) {
  Rules rules = rules_for("FedAvgM,learningRate=1,momentum=0");
  const auto end = run_round(rules, model_of({10, -3}), {sent("a", 1, {8, 1}), sent("b", 3, {4, 5})});
  EXPECT_THAT(values_of(end), testing::ElementsAre(5, 4));
}

// FL-5.2
TEST(AdaptiveOptimisers, StepAsWorkedOutByHand) {
  // d = 3 − 1 = 2; m = 0.5·2 = 1; tau = 1, v0 = 1.
  //   Adam:    v = 0.75·1 + 0.25·4 = 1.75         x = 1 + 0.1·1 / (sqrt(1.75) + 1)
  //   Yogi:    v = 1 − 0.25·4·sign(1 − 4) = 2     x = 1 + 0.1·1 / (sqrt(2) + 1)
  //   Adagrad: v = 1 + 4 = 5                      x = 1 + 0.1·1 / (sqrt(5) + 1)
  const auto step = [](const std::string& name) {
    Rules rules = rules_for(name + ",learningRate=0.1,beta1=0.5,tau=1" + (name == "FedAdagrad" ? "" : ",beta2=0.75"));
    return values_of(run_round(rules, model_of({1}), {sent("a", 2, {3})})).front();
  };
  EXPECT_DOUBLE_EQ(step("FedAdam"), 1 + 0.1 / (std::sqrt(1.75) + 1));
  EXPECT_DOUBLE_EQ(step("FedYogi"), 1 + 0.1 / (std::sqrt(2.0) + 1));
  EXPECT_DOUBLE_EQ(step("FedAdagrad"), 1 + 0.1 / (std::sqrt(5.0) + 1));
}

// FL-5.2, FL-16.6
TEST(AdaptiveOptimisers, BecomeFedAvgWhenTauIsLarge) {
  for (const std::string name : {"FedAdam,beta2=0.999999999", "FedYogi,beta2=0.999999999", "FedAdagrad"}) {
    // v stays at tau², so the step is lr·d / (2 tau): lr = 2 tau gives d.
    Rules rules = rules_for(name + ",beta1=0,tau=1e6,learningRate=2e6");
    const auto end = run_round(rules, model_of({1, 2}), {sent("a", 1, {1.5, 1}), sent("b", 1, {2.5, 0})});
    EXPECT_NEAR(values_of(end)[0], 2, 1e-5) << name;
    EXPECT_NEAR(values_of(end)[1], 0.5, 1e-5) << name;
  }
}

// FL-5.2
TEST(ServerOptimisers, GoOnFromTheirStateAfterARestart) {
  for (const std::string name : {"FedAvgM", "FedAdam", "FedYogi", "FedAdagrad", "FedDyn"}) {
    Rules once = rules_for(name);
    auto end = run_round(once, model_of({1, 2}), {sent("a", 1, {3, 1})});
    Rules again = rules_for(name);
    again.algorithm->restore(once.algorithm->state());
    const auto base = model_of(values_of(end));
    const auto straight = run_round(once, base, {sent("a", 1, {5, 7})});
    const auto restored = run_round(again, base, {sent("a", 1, {5, 7})});
    EXPECT_EQ(values_of(straight), values_of(restored)) << name;
    if (!once.algorithm->state().empty()) {
      Weights broken = once.algorithm->state();
      broken.front().name = broken.front().name + "7";
      EXPECT_THROW(again.algorithm->restore(broken), Error) << name;
    }
  }
}

// FL-5.3, FL-16.3
TEST(Scaffold, TheFirstRoundIsFedAvgBitForBit) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  Rules fedavg = rules_for("FedAvg");
  Rules scaffold = rules_for("SCAFFOLD");
  std::vector<Update> updates;
  for (int i = 0; i < 7; ++i) {
    updates.push_back(
        sent("c" + std::to_string(i), 1 + i, {normal(random), normal(random)}, 3, {normal(random), normal(random)}));
  }
  const auto base = model_of({0.5, -0.5});
  EXPECT_EQ(values_of(run_round(fedavg, base, updates)), values_of(run_round(scaffold, base, updates)));
}

// FL-5.3, FL-16.3
TEST(Scaffold, TheServersVariateIsTheMeanOfTheClients) {
  // c_i start at 0; with everybody there c is the mean of all c_i, with half of them half of their mean change.
  Rules rules = rules_for("SCAFFOLD");
  auto end = run_round(rules, model_of({0}), {sent("a", 1, {1}, 1, {2}), sent("b", 9, {1}, 1, {4})});
  EXPECT_THAT(doubles(end.model.extra.front()), testing::ElementsAre(3));
  const auto base = std::make_shared<const Model>(std::move(end.model));
  end = run_round(rules, base, {sent("a", 1, {1}, 1, {-1})}, 2);
  EXPECT_THAT(doubles(end.model.extra.front()), testing::ElementsAre(2.5));
}

// FL-5.3
TEST(Scaffold, RefusesUpdatesWithoutAVariate) {
  Rules rules = rules_for("SCAFFOLD");
  const RoundSum sum(rules, model_of({0}));
  const auto checked = sum.check(sent("a", 1, {1}));
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().what(), testing::HasSubstr("control variate"));
}

/// Two quadratics whose minima pull apart: f1 = 0.5·1·x², f2 = 0.5·10·(x − 1)²; together they are least at 10/11.
struct Drift {
  const double curve[2] = {1, 10};
  const double target[2] = {0, 1};
  double c[2] = {0, 0};

  double run(const std::string& name, int rounds) {
    constexpr int kSteps = 10;
    constexpr double kRate = 0.05;
    Rules rules = rules_for(name);
    auto base = model_of({5}, name == "SCAFFOLD" ? std::vector<double>{0} : std::vector<double>{});
    for (int r = 0; r < rounds; ++r) {
      const double x = doubles(base->weights.front()).front();
      const double server = base->extra.empty() ? 0 : doubles(base->extra.front()).front();
      std::vector<Update> updates;
      for (int i = 0; i < 2; ++i) {
        double y = x;
        for (int k = 0; k < kSteps; ++k) {
          double g = curve[i] * (y - target[i]);
          if (name == "SCAFFOLD") g += server - c[i];
          if (name.starts_with("FedDyn")) g += 1.0 * (y - x) - c[i];
          y -= kRate * g;
        }
        double change = 0;
        if (name == "SCAFFOLD") change = -server + (x - y) / (kSteps * kRate);
        if (name.starts_with("FedDyn")) change = -1.0 * (y - x);
        c[i] += change;
        updates.push_back(sent(i == 0 ? "a" : "b", 1, {y}, kSteps, {change}));
      }
      base = std::make_shared<const Model>(run_round(rules, base, std::move(updates)).model);
    }
    return doubles(base->weights.front()).front();
  }
};

// FL-5.3, FL-16.5
TEST(Scaffold, ReachesTheOptimumThatFedAvgMisses) {
  EXPECT_NEAR(Drift().run("FedAvg", 500), 0.713442, 1e-6);
  EXPECT_NEAR(Drift().run("SCAFFOLD", 500), 10.0 / 11, 1e-14);
}

// FL-5.5
TEST(FedDyn, ReachesTheOptimumThatFedAvgMisses) {
  EXPECT_NEAR(Drift().run("FedDyn,alpha=1", 2000), 10.0 / 11, 1e-9);
}

// FL-5.5
TEST(FedDyn, IsAsWorkedOutByHand) {
  // alpha = 2, x = 1, both of N = 2: mean 3, h = 0 − 2·(3 − 1) = −4, x' = 3 + 4/2 = 5. Samples do not count.
  Rules rules = rules_for("FedDyn,alpha=2");
  auto end = run_round(rules, model_of({1}), {sent("a", 1, {2}), sent("b", 100, {4})});
  EXPECT_THAT(values_of(end), testing::ElementsAre(5));
  // One of two: h = −4 − 2·(1/2)·(6 − 5) = −5, x' = 6 + 5/2.
  end = run_round(rules, model_of({5}), {sent("a", 1, {6})}, 2);
  EXPECT_THAT(values_of(end), testing::ElementsAre(8.5));
}

// FL-5.4
TEST(FedNova, IsAsWorkedOutByHand) {
  // x = 0; a: n 1, 2 steps, x_a = 2 (d = −1); b: n 3, 6 steps, x_b = 12 (d = −2).
  // sum p d = −1/4 − 6/4 = −7/4; t_eff = 2/4 + 18/4 = 5; x' = 5·7/4 = 8.75.
  Rules rules = rules_for("FedNova");
  const auto end = run_round(rules, model_of({0}), {sent("a", 1, {2}, 2), sent("b", 3, {12}, 6)});
  EXPECT_NEAR(values_of(end).front(), 8.75, 1e-14);
  EXPECT_EQ(end.total_weight, 4);
  const RoundSum sum(rules, model_of({0}));
  EXPECT_FALSE(sum.check(sent("a", 1, {1})));
}

// FL-5.4, FL-16.4
TEST(FedNova, WithEqualStepsIsFedAvg) {
  Rules nova = rules_for("FedNova");
  Rules fedavg = rules_for("FedAvg");
  const std::vector<Update> updates = {sent("a", 8, {0.25, 3}, 4), sent("b", 4, {-1, 9}, 4), sent("c", 4, {7, 1}, 4)};
  EXPECT_EQ(values_of(run_round(nova, model_of({1, 1}), updates)),
            values_of(run_round(fedavg, model_of({1, 1}), updates)));
}

// FL-5.6, FL-16.2
TEST(FedProx, IsFedAvgAtTheServerAndTellsTheClientsMu) {
  Rules prox = rules_for("FedProx,mu=0.25");
  Rules fedavg = rules_for("FedAvg");
  const std::vector<Update> updates = {sent("a", 3, {0.1}), sent("b", 7, {0.7})};
  EXPECT_EQ(values_of(run_round(prox, model_of({1}), updates)), values_of(run_round(fedavg, model_of({1}), updates)));
  const auto told = prox.algorithm->for_clients();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].name, "mu");
  EXPECT_EQ(told[0].value, 0.25);
}

// FL-5.7
TEST(Rules, NameWhatIsWrong) {
  const auto reason = [](const std::string& algorithm, const std::string& robust = {}, const std::string& clip = {},
                         std::size_t bucket = 1, bool strict = false) {
    RuleOptions o;
    o.algorithm = algorithm;
    o.robust = robust;
    o.clip = clip;
    o.bucket = bucket;
    o.strict = strict;
    try {
      Rules::make(o);
      return std::string("accepted");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  using testing::HasSubstr;
  EXPECT_EQ(reason("FedAdam , learningRate = 0.1"), "accepted");
  EXPECT_EQ(reason("FedAdam", "TrimmedMean,b=2", "median,factor=2", 2), "accepted");
  EXPECT_EQ(reason("MultiKrum,f=2"), "accepted");
  EXPECT_THAT(reason("FedSomething"), HasSubstr("FedAvg, FedAvgM, FedBuff, FedDyn"));
  EXPECT_THAT(reason("FedAdam,learningrate=1"), HasSubstr("FedAdam.learningrate: is unknown; there are beta1"));
  EXPECT_THAT(reason("FedAvg,x=1"), HasSubstr("there are no parameters"));
  EXPECT_THAT(reason("FedAdam,tau"), HasSubstr("key=value"));
  EXPECT_THAT(reason("FedAdam,tau=no"), HasSubstr("must be a number from"));
  EXPECT_THAT(reason("FedAdam,tau=1,tau=2"), HasSubstr("given twice"));
  EXPECT_THAT(reason(""), HasSubstr("must be a name"));
  EXPECT_THAT(reason("FedAvg", "Medium"), HasSubstr("no such robust rule"));
  EXPECT_THAT(reason("Krum", "Median"), HasSubstr("and so is"));
  EXPECT_THAT(reason("Krum,f=0.5"), HasSubstr("whole number"));
  EXPECT_THAT(reason("FLTrust"), HasSubstr("FLTrust.root"));
  EXPECT_THAT(reason("FedAvg", "", "-1"), HasSubstr("above 0"));
  EXPECT_THAT(reason("FedAvg", "", "mean"), HasSubstr("a number or median"));
  EXPECT_THAT(reason("FedAvg", "", "", 3), HasSubstr("robust rules"));
  EXPECT_THAT(reason("FedAvg", "Median", "", 1, true), HasSubstr("strict"));
}

// FL-5.7
TEST(Rules, AnAlgorithmOfOnesOwnIsFoundByName) {
  class Frozen final : public Algorithm {
   public:
    std::string_view name() const override { return "Frozen"; }
    Model next(RoundEnd end) override { return end.base != nullptr ? *end.base : Algorithm::next(std::move(end)); }
  };
  register_algorithm("Frozen", [](Settings&) { return std::make_unique<Frozen>(); });
  Rules rules = rules_for("Frozen");
  EXPECT_THAT(values_of(run_round(rules, model_of({7}), {sent("a", 1, {1})})), testing::ElementsAre(7));
  EXPECT_THAT(algorithm_names(), testing::Contains("Frozen"));
}

// FL-5.8
TEST(NormClip, BoundsWhatOneClientCanDo) {
  // base 0; a moves by 3, b by 4: the bound 2 makes both 2 long. (2 + 2·4/4... = mean of (2, 0) and (0, 2).)
  RuleOptions options;
  options.clip = "2";
  Rules rules = Rules::make(options);
  const auto end = run_round(rules, model_of({0, 0}), {sent("a", 1, {3, 0}), sent("b", 1, {0, 4})});
  EXPECT_THAT(values_of(end), testing::ElementsAre(1, 1));
  EXPECT_EQ(end.clipped, 2u);
  EXPECT_EQ(end.largest_norm, 4);
}

// FL-5.8
TEST(NormClip, AtTheMedianNeedsNoNumber) {
  RuleOptions options;
  options.clip = "median";
  Rules rules = Rules::make(options);
  // Lengths 1, 2, 100: the round's own median, 2, is the bound; the same in any order.
  auto end = run_round(rules, model_of({0}), {sent("x", 1, {100}), sent("a", 1, {1}), sent("b", 1, {2})});
  EXPECT_DOUBLE_EQ(values_of(end).front(), (1 + 2 + 2) / 3.0);
  EXPECT_EQ(end.clipped, 1u);
  // From then on the past's median, streaming.
  end = run_round(rules, model_of({0}), {sent("x", 1, {100}), sent("a", 1, {1})});
  EXPECT_DOUBLE_EQ(values_of(end).front(), (2 + 1) / 2.0);
  // Without a base there is no change to measure.
  Rules fresh = Rules::make(options);
  EXPECT_THAT(values_of(run_round(fresh, nullptr, {sent("x", 1, {100})})), testing::ElementsAre(100));
}

// FL-5.7
TEST(RoundSum, AModelThatIsNotFiniteIsNoModel) {
  Rules rules = rules_for("FedAvgM,learningRate=1e6");
  Model zero;
  zero.weights = {test::fp32({1}, {0})};
  const auto base = std::make_shared<const Model>(std::move(zero));
  EXPECT_THROW(run_round(rules, base, {update("a", 1, {test::fp32({1}, {1e35F})})}), Error);
}

}  // namespace
}  // namespace sedna::federated
