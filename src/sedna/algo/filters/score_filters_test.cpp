// The worked example z = [2, 1, 0.1] through every score of ours, and what each does with input it cannot use.
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "sedna/algo/hard_example.hpp"
#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<double> kLogits{2, 1, 0.1};
const std::vector<double> kProbabilities{0.6590011388859679, 0.24243297070471392, 0.09856589040931818};

Verdict judge(std::string_view name, const std::vector<double>& values, EdgeResult::Form form,
              const Parameters& parameters = {}) {
  return make_filter(name, parameters)->judge({form, values, true});
}
double of_logits(std::string_view name, const Parameters& parameters = {}) {
  return judge(name, kLogits, EdgeResult::Form::kLogits, parameters).score;
}
double of_probabilities(std::string_view name, const Parameters& parameters = {}) {
  return judge(name, kProbabilities, EdgeResult::Form::kProbabilities, parameters).score;
}

constexpr double kTolerance = 5e-11;

// JI-4.2
TEST(Msp, IsOneMinusTheLargestProbability) {
  EXPECT_NEAR(of_logits("MSP"), 0.3409988611, kTolerance);
  EXPECT_NEAR(of_probabilities("MSP"), 0.3409988611, kTolerance);
  EXPECT_FALSE(judge("MSP", {0.5, 0.5}, EdgeResult::Form::kProbabilities).hard);  // not above 0.5
  EXPECT_TRUE(judge("MSP", {0.4, 0.3, 0.3}, EdgeResult::Form::kProbabilities).hard);
}

// JI-4.2
TEST(Margin, MeasuresTheRunnerUp) {
  EXPECT_NEAR(of_logits("Margin"), 0.5834318318, kTolerance);
  EXPECT_NEAR(of_probabilities("Margin"), 0.5834318318, kTolerance);
  EXPECT_DOUBLE_EQ(judge("Margin", {0.5, 0.5}, EdgeResult::Form::kProbabilities).score, 1);
}

// JI-4.2
TEST(Entropy, IsAShareOfItsMaximum) {
  EXPECT_NEAR(of_logits("Entropy"), 0.7707343050, kTolerance);
  EXPECT_NEAR(of_probabilities("Entropy"), 0.7707343050, kTolerance);
  EXPECT_DOUBLE_EQ(judge("Entropy", {0, 1, 0}, EdgeResult::Form::kProbabilities).score, 0);
  EXPECT_DOUBLE_EQ(judge("Entropy", {0.25, 0.25, 0.25, 0.25}, EdgeResult::Form::kProbabilities).score, 1);
}

// JI-4.2
TEST(CrossEntropy, IsEntropyBelowOneMinusItsThreshold) {
  const Verdict verdict = judge("CrossEntropy", kProbabilities, EdgeResult::Form::kProbabilities);
  EXPECT_NEAR(1 - verdict.score, 0.2292656950, kTolerance);
  EXPECT_TRUE(verdict.hard);
  EXPECT_NEAR(of_logits("CrossEntropy"), verdict.score, kTolerance);
  const auto filter = make_filter("CrossEntropy", {{"threshold_cross_entropy", "0.3"}});
  EXPECT_DOUBLE_EQ(filter->threshold().value(), 0.7);
  EXPECT_EQ(filter->threshold_as_parameter(0.75).value(), (Parameter{"threshold_cross_entropy", "0.25"}));
}

// JI-4.2
TEST(Energy, IsTheNegativeLogSum) {
  EXPECT_NEAR(of_logits("Energy"), -2.4170300163, kTolerance);
  EXPECT_NEAR(of_logits("Energy", {{"temperature", "2"}}), -3.3795547013, kTolerance);
  EXPECT_EQ(judge("Energy", kProbabilities, EdgeResult::Form::kProbabilities).reason, Reason::kInvalid);
}

// JI-4.2
TEST(MaxLogit, IsTheLargestLogitNegated) {
  EXPECT_DOUBLE_EQ(of_logits("MaxLogit"), -2);
  EXPECT_FALSE(judge("MaxLogit", kLogits, EdgeResult::Form::kLogits, {{"threshold", "-2"}}).hard);
  EXPECT_TRUE(judge("MaxLogit", kLogits, EdgeResult::Form::kLogits, {{"threshold", "-2.1"}}).hard);
}

// JI-4.2
TEST(TemperatureMsp, DividesTheLogits) {
  EXPECT_NEAR(of_logits("TemperatureMSP", {{"temperature", "0.5"}}), 0.1362228818, kTolerance);
  EXPECT_NEAR(of_logits("TemperatureMSP", {{"temperature", "2"}}), 0.4983122429, kTolerance);
  EXPECT_NEAR(of_probabilities("TemperatureMSP", {{"temperature", "2"}, {"input", "probabilities"}}), 0.4983122429,
              kTolerance);
}

// JI-4.2
TEST(TemperatureEntropy, DividesTheLogits) {
  EXPECT_NEAR(of_logits("TemperatureEntropy", {{"temperature", "0.5"}}), 0.4129467022, kTolerance);
  EXPECT_NEAR(of_logits("TemperatureEntropy", {{"temperature", "2"}}), 0.9341274799, kTolerance);
  EXPECT_NEAR(of_probabilities("TemperatureEntropy", {{"temperature", "2"}}), 0.9341274799, kTolerance);
}

// JI-4.2
TEST(BoxCount, IsForCrowdedImages) {
  const auto boxes = EdgeResult::Form::kBoxScores;
  EXPECT_TRUE(judge("BoxCount", {0.9, 0.8, 0.7}, boxes, {{"threshold", "2"}}).hard);
  EXPECT_FALSE(judge("BoxCount", {0.9, 0.8, 0.2}, boxes, {{"threshold", "2"}, {"threshold_box", "0.5"}}).hard);
  EXPECT_FALSE(judge("BoxCount", {}, boxes).hard);
  EXPECT_TRUE(judge("BoxCount", {}, boxes, {{"empty_is_hard", "true"}}).hard);
  EXPECT_DOUBLE_EQ(judge("BoxCount", {0.9, 0.8, 0.7}, boxes).score, 3);
}

// JI-4.2
TEST(BoxMinScore, IsDecidedByTheMostDoubtfulBox) {
  const auto boxes = EdgeResult::Form::kBoxScores;
  EXPECT_DOUBLE_EQ(judge("BoxMinScore", {0.9, 0.25, 0.7}, boxes).score, 0.75);
  EXPECT_TRUE(judge("BoxMinScore", {0.9, 0.25, 0.7}, boxes).hard);
  EXPECT_FALSE(judge("BoxMinScore", {0.9, 0.6}, boxes).hard);
  EXPECT_EQ(judge("BoxMinScore", {}, boxes).reason, Reason::kEasy);
  EXPECT_TRUE(judge("BoxMinScore", {}, boxes, {{"empty_is_hard", "True"}}).hard);
}

// JI-4.2
TEST(Threshold, ComparesTheMean) {
  const auto boxes = EdgeResult::Form::kBoxScores;
  EXPECT_DOUBLE_EQ(judge("Threshold", {0.2, 0.9}, boxes).score, 0.45);  // mean 0.55: easy
  EXPECT_FALSE(judge("Threshold", {0.2, 0.9}, boxes).hard);
  EXPECT_TRUE(judge("Threshold", {0.2, 0.9}, boxes, {{"threshold", "0.6"}}).hard);
}

// JI-4.2
TEST(Ibt, ComparesTheShareOfDoubtfulBoxes) {
  const auto boxes = EdgeResult::Form::kBoxScores;
  EXPECT_DOUBLE_EQ(judge("IBT", {0.2, 0.9, 0.9, 0.9}, boxes).score, 0.25);
  EXPECT_FALSE(judge("IBT", {0.2, 0.9, 0.9, 0.9}, boxes).hard);
  EXPECT_TRUE(judge("IBT", {0.2, 0.9, 0.9, 0.9}, boxes, {{"threshold_img", "0.75"}}).hard);
}

TEST(Random, ReadsTextAndKeepsItsRatio) {
  const auto filter = make_filter("Random", {{"random_ratio", " 0.3 "}, {"seed", "7"}});
  int hard = 0;
  for (int i = 0; i < 20000; ++i) hard += filter->judge({}).hard ? 1 : 0;
  EXPECT_NEAR(hard / 20000.0, 0.3, 0.01);
  EXPECT_THROW(make_filter("Random", {{"seed", "-1"}}), Error);
}

// JI-4.3
TEST(Filters, RefuseWhatCannotBeJudgedWithoutRaising) {
  for (const char* name : {"MSP", "Margin", "Entropy", "Energy", "MaxLogit", "TemperatureMSP", "TemperatureEntropy"}) {
    const auto logits = EdgeResult::Form::kLogits;
    for (const std::vector<double>& values :
         std::vector<std::vector<double>>{{}, {kNan, 1}, {kInf, 1}, {-kInf, -kInf}}) {
      const Verdict verdict = judge(name, values, logits);
      EXPECT_FALSE(verdict.hard) << name;
      EXPECT_EQ(verdict.reason, Reason::kInvalid) << name;
    }
    EXPECT_EQ(judge(name, {0.9, 0.3}, EdgeResult::Form::kProbabilities).reason, Reason::kInvalid) << name;
    EXPECT_EQ(judge(name, {1.2, -0.2}, EdgeResult::Form::kProbabilities).reason, Reason::kInvalid) << name;
    EXPECT_EQ(judge(name, {0.9}, EdgeResult::Form::kBoxScores).reason, Reason::kInvalid) << name;
    EXPECT_NE(judge(name, {3, -kInf, 1}, logits).reason, Reason::kInvalid) << name << ": a masked class";
    EXPECT_TRUE(std::isfinite(judge(name, {1e300, -1e300}, logits).score)) << name;
    EXPECT_NE(judge(name, {4}, logits).reason, Reason::kInvalid) << name << ": one class";
  }
  for (const std::string& name : filter_names()) {
    if (name == "CloudOnly" || name == "Random") continue;
    const Verdict verdict = make_filter(name, {})->judge({EdgeResult::Form::kProbabilities, {}, false});
    EXPECT_FALSE(verdict.hard) << name;
  }
}

}  // namespace
}  // namespace sedna::algo
