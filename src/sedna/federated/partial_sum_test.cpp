// Sums of sites: a tree of them is the flat job, bit for bit; what is wrong with one is said before it touches a sum.
#include "sedna/federated/partial_sum.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/rules.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using tensor::DType;
using test::fp32;
using test::fp64;
using test::update;
using testing::HasSubstr;

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

std::string bits(const Weights& weights) {
  std::string text;
  for (const auto& tensor : weights) text += tensor.data.text();
  return text;
}

Bytes joined(const std::vector<Bytes>& parts) {
  std::string text;
  for (const Bytes& part : parts) text += part.text();
  return Bytes::from_string(std::move(text));
}

SiteRules site_rules(bool strict) {
  SiteRules rules;
  rules.strict = strict;
  return rules;
}

/// What a site makes of its clients' updates, over the wire.
Update through_site(const std::string& name, std::vector<Update> updates, const SiteRules& options,
                    const std::shared_ptr<const Model>& base) {
  Rules rules = Rules::of_site(options);
  RoundSum sum(rules, base);
  for (Update& u : updates) {
    const auto checked = sum.check(u);
    EXPECT_TRUE(checked) << checked.error().what();
    sum.add(std::move(u));
  }
  RoundSum::End end;
  const PartialSum part = sum.take_sum(end);
  const Bytes file = joined(write_partial_sum({3, end.total_weight, 0, {}, {}}, part));
  auto back = read_partial_sum(file, name);
  EXPECT_TRUE(back) << back.error().what();
  const auto fits = check_partial_sum(*back, base ? Manifest::of(base->weights) : Manifest());
  EXPECT_TRUE(fits) << fits.error().what();
  return std::move(*back);
}

/// A tree of random shape: updates are dealt out among sites, and sites among sites.
Update random_tree(std::mt19937_64& random, std::vector<Update> updates, const SiteRules& options,
                   const std::shared_ptr<const Model>& base, int depth) {
  std::ranges::shuffle(updates, random);
  if (depth > 0 && updates.size() > 1) {
    std::vector<std::vector<Update>> children(1 + random() % std::min<std::size_t>(updates.size(), 4));
    for (Update& u : updates) children[random() % children.size()].push_back(std::move(u));
    updates.clear();
    for (auto& child : children) {
      if (child.empty()) continue;
      // Some clients stand beside the sites.
      if (random() % 4 == 0) {
        updates.push_back(std::move(child.back()));
        child.pop_back();
      }
      if (!child.empty()) updates.push_back(random_tree(random, std::move(child), options, base, depth - 1));
    }
  }
  return through_site("site" + std::to_string(random()), std::move(updates), options, base);
}

RoundSum::End finished(RuleOptions options, std::vector<Update> updates, const std::shared_ptr<const Model>& base) {
  Rules rules = Rules::make(options);
  RoundSum sum(rules, base);
  for (Update& u : updates) {
    const auto checked = sum.check(u);
    EXPECT_TRUE(checked) << checked.error().what();
    sum.add(std::move(u));
  }
  return sum.finish(updates.size());
}

class Trees : public testing::TestWithParam<bool> {};

// FL-15.1, FL-16.8
TEST_P(Trees, OfAnyShapeAndOrderAreTheFlatJobBitForBit) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 40; ++round) {
    auto updates = random_updates(random, 1 + random() % 14, 40);
    std::shared_ptr<Model> base;
    if (round % 2 == 0) {
      base = std::make_shared<Model>();
      base->weights = random_updates(random, 1, 40)[0].weights;
    }
    RuleOptions options;
    options.strict = GetParam();
    const auto flat = finished(options, updates, base);
    std::vector<Update> tops;
    const std::size_t half = random() % (updates.size() + 1);
    const std::vector<Update> left(updates.begin(), updates.begin() + static_cast<std::ptrdiff_t>(half));
    const std::vector<Update> right(updates.begin() + static_cast<std::ptrdiff_t>(half), updates.end());
    if (!right.empty()) tops.push_back(random_tree(random, right, site_rules(GetParam()), base, 3));
    if (!left.empty()) tops.push_back(random_tree(random, left, site_rules(GetParam()), base, 2));
    const auto tree = finished(options, tops, base);
    EXPECT_EQ(bits(tree.model.weights), bits(flat.model.weights)) << round;
    EXPECT_EQ(tree.total_weight, flat.total_weight);
    std::size_t clients = 0;
    for (const auto& [name, count] : tree.sites) clients += count;
    EXPECT_EQ(clients, updates.size());
  }
}
INSTANTIATE_TEST_SUITE_P(Modes, Trees, testing::Bool(),
                         [](const auto& mode) { return mode.param ? "Strict" : "Mean"; });

// FL-15.1
TEST(PartialSums, ServerOptimisersSeeTheSameMean) {
  std::mt19937_64 random(9);
  auto updates = random_updates(random, 6, 30);
  auto base = std::make_shared<Model>();
  base->weights = random_updates(random, 1, 30)[0].weights;
  for (const char* name : {"FedAvg", "FedProx,mu=0.2", "FedAvgM", "FedAdam", "FedYogi", "FedAdagrad"}) {
    RuleOptions options;
    options.algorithm = name;
    const auto flat = finished(options, updates, base);
    std::vector<Update> sites;
    sites.push_back(through_site("b", {updates[5], updates[1]}, site_rules(false), base));
    sites.push_back(through_site("a", {updates[0], updates[2], updates[4]}, site_rules(false), base));
    sites.push_back(updates[3]);
    EXPECT_EQ(bits(finished(options, sites, base).model.weights), bits(flat.model.weights)) << name;
  }
}

// FL-15.2
TEST(PartialSums, ClientsAreClippedAtTheirSites) {
  std::mt19937_64 random(11);
  auto updates = random_updates(random, 4, 30);
  auto base = std::make_shared<Model>();
  base->weights = random_updates(random, 1, 30)[0].weights;
  RuleOptions options;
  options.clip = "1.5";
  SiteRules site;
  site.clip = "1.5";
  const auto flat = finished(options, updates, base);
  EXPECT_EQ(flat.clipped, 4u);
  std::vector<Update> sites;
  sites.push_back(through_site("a", {updates[0], updates[3]}, site, base));
  sites.push_back(through_site("b", {updates[2], updates[1]}, site, base));
  const auto tree = finished(options, sites, base);
  // Clipped values are no whole numbers of anything: the products round, in whichever order.
  const auto want = flat.model.weights[0].as<double>();
  const auto got = tree.model.weights[0].as<double>();
  for (std::size_t k = 0; k < want.size(); ++k) EXPECT_NEAR(got[k], want[k], 1e-14);
}

// FL-15.2
TEST(PartialSums, WhatDoesNotComposeIsRefusedByName) {
  const auto why = [](RuleOptions options) {
    const auto may = Rules::make(options).composes();
    return may ? std::string("composes") : std::string(may.error().what());
  };
  const auto algorithm = [&](const char* name) {
    RuleOptions o;
    o.algorithm = name;
    return why(o);
  };
  for (const char* name : {"SCAFFOLD", "FedNova", "FedDyn", "FedBuff", "FedAsync"}) {
    EXPECT_THAT(algorithm(name), testing::AllOf(HasSubstr("algorithm"), HasSubstr(name)));
  }
  for (const char* name : {"Median", "TrimmedMean", "Krum", "GeometricMedian", "FLTrust,root=a"}) {
    RuleOptions o;
    o.robust = name;
    EXPECT_THAT(why(o), HasSubstr("robust"));
  }
  RuleOptions clip;
  clip.clip = "median";
  EXPECT_THAT(why(clip), HasSubstr("clip"));
  EXPECT_EQ(algorithm("FedAdam"), "composes");
  EXPECT_FALSE(Rules::around([] { return std::unique_ptr<Aggregation>(); }).composes());
  // And a sum that comes all the same is refused there.
  RuleOptions robust;
  robust.robust = "Median";
  Rules rules = Rules::make(robust);
  const RoundSum sum(rules, nullptr);
  const Update part = through_site("s", {update("a", 1, {fp64({1}, {1})})}, site_rules(false), nullptr);
  EXPECT_THAT(sum.check(part).error().what(), HasSubstr("robust"));
}

struct Wrong {
  const char* what;
  const char* says;
  std::function<void(PartialSum&, double& samples)> change;
};

void set_first(tensor::Tensor& tensor, double value) {
  std::vector<double> values(tensor.as<double>().begin(), tensor.as<double>().end());
  values[0] = value;
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(values)));
}
void set_first(tensor::Tensor& tensor, std::int64_t value) {
  std::vector<std::int64_t> values(tensor.as<std::int64_t>().begin(), tensor.as<std::int64_t>().end());
  values[0] = value;
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(values)));
}

/// Why a server that begins with `base` refuses the part once `change` was made to it; empty when it takes it.
std::string refusal(bool strict, const std::function<void(PartialSum&, double&)>& change) {
  auto base = std::make_shared<Model>();
  base->weights = {fp64({2}, {1, 2}), fp32({2}, {1, 2})};
  Rules site = Rules::of_site(site_rules(strict));
  RoundSum of_site(site, base);
  of_site.add(update("a", 2, {fp64({2}, {1, 3}), fp32({2}, {4, 5})}));
  of_site.add(update("b", 3, {fp64({2}, {2, 1}), fp32({2}, {1, 1})}));
  RoundSum::End end;
  PartialSum part = of_site.take_sum(end);
  double samples = end.total_weight;
  change(part, samples);
  const Bytes file = joined(write_partial_sum({1, samples, 0, {}, {}}, part));
  const Manifest model = Manifest::of(base->weights);
  const auto header = tensor::parse_safetensors_header(
      file.text().substr(8, static_cast<std::size_t>(*tensor::safetensors_header_size(file.span().first(8)))));
  EXPECT_TRUE(header);
  if (const auto fits = check_partial_sum_header(*header, model); !fits) return fits.error().what();
  const auto back = read_partial_sum(file, "s");
  if (!back) return back.error().what();
  if (const auto fits = check_partial_sum(*back, model); !fits) return fits.error().what();
  RuleOptions options;
  options.strict = strict;
  Rules rules = Rules::make(options);
  const RoundSum root(rules, base);
  const auto fits = root.check(*back);
  return fits ? std::string() : fits.error().what();
}

// FL-15.3
TEST(PartialSums, WhatIsWrongIsSaidBeforeItTouchesTheSum) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto nothing = [](PartialSum&, double&) {};
  EXPECT_EQ(refusal(false, nothing), "");
  EXPECT_EQ(refusal(true, nothing), "");
  const std::vector<Wrong> any = {
      {"no clients", "sum.clients", [](PartialSum& p, double&) { p.clients = 0; }},
      {"clients beyond number", "sum.clients", [](PartialSum& p, double&) { p.clients = SIZE_MAX; }},
      {"no weight", "sum.weight", [](PartialSum& p, double&) { p.total = 0; }},
      {"negative weight", "sum.weight", [](PartialSum& p, double&) { p.total = -5; }},
      {"NaN weight", "sum.weight", [](PartialSum& p, double&) { p.total = kNan; }},
      {"too large a weight", "sum.weight", [](PartialSum& p, double& s) { p.total = s = 1e19; }},
      {"more samples than weight", "num_samples", [](PartialSum&, double& s) { s = 6; }},
      {"no samples", "num_samples", [](PartialSum&, double& s) { s = 0; }},
      {"another shape", "shape", [](PartialSum& p, double&) { p.sums[1].shape = {2, 1}; }},
      {"another dtype", "sum of FP64",
       [](PartialSum& p, double&) {
         p.manifest.tensors[1].dtype = DType::kFp64;
         if (p.kind == PartialSum::Kind::kMean) p.lows.push_back(p.lows.front());
       }},
      {"a tensor less", "tensors",
       [](PartialSum& p, double&) {
         p.sums.pop_back();
         p.manifest.tensors.pop_back();
         if (!p.scales.empty()) p.scales.pop_back();
       }},
      {"another name", "called so", [](PartialSum& p, double&) { p.manifest.tensors[0].name = "x"; }},
  };
  for (const bool strict : {false, true}) {
    for (const Wrong& wrong : any) {
      EXPECT_THAT(refusal(strict, wrong.change), HasSubstr(wrong.says)) << wrong.what << (strict ? " strict" : "");
    }
  }
  EXPECT_THAT(refusal(false, [](PartialSum& p, double&) { set_first(p.sums[0], kNan); }),
              HasSubstr("element 0 is NaN"));
  EXPECT_THAT(refusal(false, [](PartialSum& p, double&) { set_first(p.sums[1], 1e40); }), HasSubstr("too large"));
  EXPECT_THAT(refusal(false, [](PartialSum& p, double&) { set_first(p.lows[0], HUGE_VAL); }), HasSubstr("infinite"));
  EXPECT_THAT(refusal(false, [](PartialSum& p, double&) { p.lows.clear(); }), HasSubstr("sum.low."));
  EXPECT_THAT(refusal(true, [](PartialSum& p, double& s) { s = p.total = 5.5; }), HasSubstr("whole number"));
  EXPECT_THAT(refusal(true, [](PartialSum& p, double& s) { s = p.total = 16777217; }), HasSubstr("planned for"));
  EXPECT_THAT(refusal(true, [](PartialSum& p, double&) { p.clients = 6; }), HasSubstr("whole number"));
  EXPECT_THAT(refusal(true, [](PartialSum& p, double&) { ++p.scales[0]; }), HasSubstr("another model"));
  EXPECT_THAT(refusal(true, [](PartialSum& p, double&) { p.scales.pop_back(); }), HasSubstr("sum.scales"));
  EXPECT_THAT(refusal(true, [](PartialSum& p, double&) { set_first(p.sums[0], std::int64_t{1} << 62); }),
              HasSubstr("beyond"));
  EXPECT_THAT(
      refusal(true, [](PartialSum& p, double&) { set_first(p.sums[0], std::numeric_limits<std::int64_t>::min()); }),
      HasSubstr("beyond"));
}

// FL-15.3
TEST(PartialSums, OfAnotherModeAreRefused) {
  const Update mean = through_site("s", {update("a", 1, {fp64({1}, {1})})}, site_rules(false), nullptr);
  const Update strict = through_site("s", {update("a", 1, {fp64({1}, {1})})}, site_rules(true), nullptr);
  RuleOptions options;
  Rules of_means = Rules::make(options);
  EXPECT_THAT(RoundSum(of_means, nullptr).check(strict).error().what(), HasSubstr("is strict"));
  options.strict = true;
  Rules of_strict = Rules::make(options);
  EXPECT_THAT(RoundSum(of_strict, nullptr).check(mean).error().what(), HasSubstr("is mean"));
}

}  // namespace
}  // namespace sedna::federated
