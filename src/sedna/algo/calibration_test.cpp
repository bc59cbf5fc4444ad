#include "sedna/algo/calibration.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/algo/threshold_choice.hpp"
#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Right = std::vector<std::uint8_t>;

const std::vector<double> kLogits{2, 0, 0, 3, 1, 0, 1, 2, 0, 4, 0, 1};
const std::vector<std::int64_t> kLabels{0, 0, 0, 2};

// JI-4.6
TEST(Temperature, MinimisesTheLikelihood) {
  const LabelledRows rows{kLogits, 3, kLabels};
  EXPECT_NEAR(negative_log_likelihood(rows, 1), 1.2207201635, 5e-11);
  const TemperatureFit fit = fit_temperature(rows);
  EXPECT_NEAR(fit.temperature, 2.665606806, 5e-10);
  EXPECT_NEAR(fit.nll_before, 1.2207201635, 5e-11);
  EXPECT_NEAR(fit.nll_after, 0.9895065222, 5e-11);
}

// JI-4.6
TEST(Temperature, FitsProbabilitiesAsLogits) {
  std::vector<double> probabilities(kLogits.size());
  for (std::size_t i = 0; i < 4; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) sum += std::exp(kLogits[3 * i + k]);
    for (std::size_t k = 0; k < 3; ++k) probabilities[3 * i + k] = std::exp(kLogits[3 * i + k]) / sum;
  }
  EXPECT_NEAR(fit_temperature({probabilities, 3, kLabels, EdgeResult::Form::kProbabilities}).temperature, 2.665606806,
              1e-8);
}

TEST(Temperature, StaysWithinItsBounds) {
  const std::vector<std::int64_t> right{0, 0, 1, 0};
  EXPECT_DOUBLE_EQ(fit_temperature({kLogits, 3, right}).temperature, 0.05);  // never wrong: as sharp as may be
  const std::vector<std::int64_t> wrong{1, 2, 2, 1};
  EXPECT_DOUBLE_EQ(fit_temperature({kLogits, 3, wrong}).temperature, 20);
  const std::vector<double> masked{5, -std::numeric_limits<double>::infinity(), 1, 2};
  const std::vector<std::int64_t> labels{1, 1};
  EXPECT_TRUE(std::isfinite(fit_temperature({masked, 2, labels}).nll_after));
}

// JI-4.6
TEST(CalibrationError, ComparesConfidenceWithAccuracy) {
  const std::vector<double> confidence{.95, .9, .8, .7, .6, .55};
  const Right right{1, 1, 0, 1, 0, 1};
  EXPECT_NEAR(expected_calibration_error(confidence, right, 5), 0.1333333333, 5e-11);
  EXPECT_EQ(expected_calibration_error({}, {}, 5), 0);
}

TEST(Quantile, IsTypeSeven) {
  const std::vector<double> sorted{1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile(sorted, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.9), 6.8);  // numpy.quantile([1, 2, 4, 8], 0.9)
  EXPECT_DOUBLE_EQ(quantile(sorted, 1), 8);
}

// JI-4.6
TEST(ThresholdForRatio, SendsThatShare) {
  std::vector<double> scores(100);
  std::iota(scores.begin(), scores.end(), 0);
  for (const double ratio : {0.0, 0.1, 0.25, 1.0}) {
    const double threshold = threshold_for_ratio(scores, ratio);
    EXPECT_EQ(std::count_if(scores.begin(), scores.end(), [&](double s) { return s > threshold; }), 100 * ratio);
  }
  EXPECT_THROW(threshold_for_ratio(scores, 1.1), Error);
  EXPECT_THROW(threshold_for_ratio({}, 0.1), Error);
}

// JI-4.6
TEST(ThresholdForAccuracy, SendsAsLittleAsWillDo) {
  //                               hardest …                       easiest
  const std::vector<double> scores{.9, .8, .7, .6, .5, .4, .3, .2, .1, .0};
  const Right edge{0, 1, 0, 1, 1, 0, 1, 1, 1, 1};
  const Right cloud{1, 1, 1, 1, 0, 1, 1, 1, 1, 1};
  const AccuracyChoice none = threshold_for_accuracy(scores, edge, cloud, .7);
  EXPECT_TRUE(none.reached);
  EXPECT_EQ(none.ratio, 0);
  EXPECT_EQ(none.threshold, .9);
  const AccuracyChoice nine = threshold_for_accuracy(scores, edge, cloud, .9);
  EXPECT_TRUE(nine.reached);
  EXPECT_DOUBLE_EQ(nine.ratio, .3);
  EXPECT_DOUBLE_EQ(nine.threshold, .65);
  EXPECT_DOUBLE_EQ(nine.joint, .9);
  const AccuracyChoice all = threshold_for_accuracy(scores, edge, cloud, 1);
  EXPECT_FALSE(all.reached);  // the best is 0.9, and three samples reach it
  EXPECT_DOUBLE_EQ(all.joint, .9);
  EXPECT_DOUBLE_EQ(all.ratio, .3);
}

// JI-4.6
TEST(ThresholdForAccuracy, NeverPartsEqualScores) {
  const std::vector<double> scores{.5, .5, .5, .1};
  const AccuracyChoice choice = threshold_for_accuracy(scores, Right{0, 1, 1, 1}, Right{1, 1, 1, 1}, 1);
  EXPECT_TRUE(choice.reached);
  EXPECT_DOUBLE_EQ(choice.ratio, .75);
  const AccuracyChoice whole = threshold_for_accuracy(std::vector<double>{.5, .5}, Right{0, 1}, Right{1, 1}, 1);
  EXPECT_EQ(whole.ratio, 1);
  EXPECT_EQ(whole.threshold, -std::numeric_limits<double>::infinity());
}

// JI-4.6
TEST(Conformal, BoundsWhatIsKeptAndWrong) {
  const std::vector<double> confidence{.55, .62, .71, .74, .80, .86, .91, .95, .97, .99};
  const Right right{0, 1, 0, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_EQ(conformal_confidence(confidence, right, .2), .62);
  EXPECT_EQ(conformal_confidence(confidence, right, .1), .74);
  EXPECT_EQ(conformal_confidence(confidence, right, .09), std::nullopt);
  EXPECT_EQ(conformal_confidence(confidence, right, 1), .55);
}

// JI-4.6
TEST(Chow, WeighsTheCostOfAsking) {
  EXPECT_TRUE(chow_offloads(.6, .3));
  EXPECT_FALSE(chow_offloads(.75, .3));
  EXPECT_TRUE(chow_offloads(.6, .95, .3));
  EXPECT_FALSE(chow_offloads(.7, .95, .3));
}

/// 200 samples of two classes; sample i has confidence 0.5 + i/400, and the 40 least confident are wrong.
struct Samples {
  std::vector<double> values;
  std::vector<std::int64_t> labels;
  Right cloud;
  Samples() {
    for (int i = 0; i < 200; ++i) {
      const double p = 0.5 + (i + 1) / 402.0;
      values.insert(values.end(), {p, 1 - p});
      labels.push_back(i < 40 ? 1 : 0);
      cloud.push_back(i % 50 == 0 ? 0 : 1);
    }
  }
  LabelledRows rows() const { return {values, 2, labels, EdgeResult::Form::kProbabilities}; }
};

CalibrationOptions options_for(CalibrationPolicy policy, double target, std::string filter = "MSP") {
  CalibrationOptions options;
  options.filter = std::move(filter);
  options.policy = policy;
  options.target = target;
  options.model_checksum = "abc";
  options.date = "2026-01-02T03:04:05.000Z";
  return options;
}

// JI-4.6
TEST(Calibrate, ForARatio) {
  const Samples samples;
  const Calibration c = calibrate(samples.rows(), samples.cloud, options_for(CalibrationPolicy::kRatio, .15));
  EXPECT_EQ(c.filter, "MSP");
  EXPECT_EQ(c.policy, "ratio");
  EXPECT_NEAR(c.ratio, .15, .005);
  EXPECT_EQ(c.samples, 200u);
  EXPECT_DOUBLE_EQ(c.accuracy_edge.value(), .8);
  EXPECT_DOUBLE_EQ(c.accuracy_cloud.value(), .98);
  EXPECT_DOUBLE_EQ(c.accuracy_joint.value(), (160 + 29) / 200.0);  // 30 sent, the cloud misses one of them
  EXPECT_LT(*c.ece_after, *c.ece_before + 1e-9);
  EXPECT_EQ(c.parameters.at("input"), "probabilities");
  const auto filter = make_filter(c.filter, c.parameters);
  EXPECT_DOUBLE_EQ(filter->threshold().value(), c.threshold);
}

// JI-4.6
TEST(Calibrate, ForAnAccuracyWithAFittedTemperature) {
  const Samples samples;
  for (const char* name : {"MSP", "Margin", "Entropy", "TemperatureMSP", "TemperatureEntropy", "CrossEntropy"}) {
    const Calibration c =
        calibrate(samples.rows(), samples.cloud, options_for(CalibrationPolicy::kAccuracy, .95, name));
    EXPECT_TRUE(c.reached) << name;
    EXPECT_NEAR(c.ratio, 31 / 200.0, .001) << name;  // two classes: every score ranks alike
    EXPECT_GE(*c.accuracy_joint, .95) << name;
  }
  const Calibration c =
      calibrate(samples.rows(), samples.cloud, options_for(CalibrationPolicy::kAccuracy, .95, "TemperatureMSP"));
  EXPECT_NEAR(std::stod(c.parameters.at("temperature")), c.temperature, 1e-12);
}

// JI-4.6
TEST(Calibrate, ForARiskAndForACost) {
  const Samples samples;
  const Calibration risk = calibrate(samples.rows(), {}, options_for(CalibrationPolicy::kConformal, .1));
  EXPECT_TRUE(risk.reached);
  EXPECT_NEAR(risk.ratio, (40 - 19) / 200.0, .001);  // (19 + 1) / 201 ≤ 0.1
  EXPECT_FALSE(risk.accuracy_joint.has_value());
  const Calibration everything = calibrate(samples.rows(), {}, options_for(CalibrationPolicy::kConformal, .001));
  EXPECT_FALSE(everything.reached);
  EXPECT_EQ(everything.ratio, 1);
  const Calibration cost = calibrate(samples.rows(), {}, options_for(CalibrationPolicy::kChow, .3));
  EXPECT_DOUBLE_EQ(cost.threshold, .3);
  EXPECT_THROW(calibrate(samples.rows(), {}, options_for(CalibrationPolicy::kChow, .3, "Margin")), Error);
}

// JI-4.6
TEST(Calibrate, ForDetectors) {
  std::vector<std::vector<double>> boxes;
  for (int i = 0; i < 100; ++i) boxes.push_back({i / 100.0, 1});
  std::vector<EdgeResult> results;
  for (const auto& each : boxes) results.push_back({EdgeResult::Form::kBoxScores, each, true});
  for (const char* name : {"Threshold", "BoxMinScore"}) {
    const Calibration c = calibrate(results, {}, {}, options_for(CalibrationPolicy::kRatio, .2, name));
    EXPECT_NEAR(c.ratio, .2, .011) << name;
    EXPECT_FALSE(c.accuracy_edge.has_value());
  }
}

// JI-4.6
TEST(Calibrate, SaysWhatIsWrong) {
  Samples samples;
  const auto message = [&](std::span<const std::uint8_t> cloud, const CalibrationOptions& options) -> std::string {
    try {
      calibrate(samples.rows(), cloud, options);
    } catch (const Error& e) {
      return e.what();
    }
    return "nothing";
  };
  EXPECT_THAT(message({}, options_for(CalibrationPolicy::kAccuracy, .9)), StartsWith("cloud_right: is needed"));
  EXPECT_THAT(message(Right{1}, options_for(CalibrationPolicy::kRatio, .1)), StartsWith("cloud_right: must have one"));
  EXPECT_THAT(message({}, options_for(CalibrationPolicy::kRatio, .1, "CloudOnly")), HasSubstr("no threshold"));
  EXPECT_THAT(message({}, options_for(CalibrationPolicy::kRatio, .1, "IBT")), HasSubstr("samples[0]"));
  EXPECT_THAT(message({}, options_for(CalibrationPolicy::kRatio, 2)), StartsWith("ratio: must be"));
  samples.labels[3] = 2;
  EXPECT_THAT(message({}, options_for(CalibrationPolicy::kRatio, .1)), StartsWith("labels[3]: is 2"));
  samples.labels[3] = 0;
  samples.values[10] = .9;
  EXPECT_THAT(message({}, options_for(CalibrationPolicy::kRatio, .1)), StartsWith("values[5]: are not probabilities"));
  EXPECT_THROW(parse_calibration_policy("share"), Error);
  EXPECT_EQ(parse_calibration_policy("chow"), CalibrationPolicy::kChow);
}

// JI-4.7
TEST(CalibrationFile, ReadsWhatWasWrittenAndKnowsItsModel) {
  const Samples samples;
  Calibration c = calibrate(samples.rows(), samples.cloud, options_for(CalibrationPolicy::kRatio, .15));
  c.threshold = -std::numeric_limits<double>::infinity();
  c.accuracy_cloud.reset();
  const auto file = std::filesystem::path(::testing::TempDir()) / "calibration_test.json";
  std::ofstream(file) << "an older one";
  write_calibration(file, c);
  const Calibration read = read_calibration(file);
  EXPECT_EQ(calibration_text(read), calibration_text(c));
  EXPECT_EQ(read.threshold, c.threshold);
  EXPECT_EQ(read.parameters, c.parameters);
  EXPECT_FALSE(read.accuracy_cloud.has_value());
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);

  EXPECT_NO_THROW(read.verify("abc"));
  try {
    read.verify("def");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kConflict);
    EXPECT_THAT(e.what(), HasSubstr("model abc"));
    EXPECT_THAT(e.what(), HasSubstr("in use is def"));
  }
  std::filesystem::remove(file);
  EXPECT_THROW(read_calibration(file), Error);
}

// JI-4.7
TEST(CalibrationFile, FailsWhereItCannotWriteAndLeavesNothing) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "calibration_folder";
  std::filesystem::create_directories(folder / "taken");
  EXPECT_THROW(write_calibration(folder / "absent" / "c.json", Calibration{}), Error);
  EXPECT_THROW(write_calibration(folder / "taken", Calibration{}), Error);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  std::filesystem::remove_all(folder);
}

// JI-4.7
TEST(CalibrationFile, NamesTheFieldThatIsWrong) {
  const std::string good = calibration_text(Calibration{});
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const std::size_t place = text.find(from);
    EXPECT_NE(place, std::string::npos) << from;
    text.replace(place, from.size(), to);
    const auto parsed = parse_calibration(text);
    return parsed ? std::string("nothing") : std::string(parsed.error().what());
  };
  EXPECT_EQ(with("true", "true"), "nothing");
  EXPECT_THAT(with("sedna.calibration", "other"), StartsWith("kind: "));
  EXPECT_THAT(with("\"format\": 1", "\"format\": 2"), StartsWith("format: is 2"));
  EXPECT_THAT(with("\"samples\": 0", "\"samples\": -1"), StartsWith("samples: "));
  EXPECT_THAT(with("\"parameters\": {}", "\"parameters\": {\"threshold\": 0.5}"), StartsWith("parameters.threshold: "));
  EXPECT_THAT(with("\"threshold\": 0.0", "\"threshold\": \"high\""), StartsWith("threshold: is text"));
  EXPECT_THAT(with("\"temperature\": 1.0", "\"temperature\": 0"), StartsWith("temperature: "));
  EXPECT_THAT(with("\"reached\": true", "\"reached\": 1"), StartsWith("reached: "));
  EXPECT_FALSE(parse_calibration("[]"));
  EXPECT_FALSE(parse_calibration(""));
}

}  // namespace
}  // namespace sedna::algo
