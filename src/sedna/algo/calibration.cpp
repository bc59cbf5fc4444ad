#include "sedna/algo/calibration.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "sedna/algo/filters/softmax.hpp"
#include "sedna/algo/parameters.hpp"
#include "sedna/algo/threshold_choice.hpp"
#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

constexpr std::array<std::string_view, 4> kPolicies{"ratio", "accuracy", "conformal", "chow"};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void require(bool good, const std::string& right, const char* what) {
  if (!good) throw Error(ErrorCode::kInvalidArgument, right, what);
}

std::optional<double> share_of(std::span<const std::uint8_t> right) {
  if (right.empty()) return std::nullopt;
  std::size_t count = 0;
  for (const std::uint8_t each : right) count += each != 0 ? 1 : 0;
  return static_cast<double>(count) / static_cast<double>(right.size());
}

std::vector<double> scores_of(const HardExampleFilter& filter, std::span<const EdgeResult> results) {
  std::vector<double> scores;
  scores.reserve(results.size());
  for (const EdgeResult& result : results) {
    const Verdict verdict = filter.judge(result);
    if (verdict.reason == Reason::kInvalid) {
      throw Error(ErrorCode::kInvalidArgument,
                  "cannot be judged by the filter " + std::string(filter.name()) +
                      " (empty, not numbers, or not of the form it reads)",
                  "samples[" + std::to_string(scores.size()) + "]");
    }
    scores.push_back(verdict.score);
  }
  return scores;
}

struct Choice {
  double threshold = 0;
  bool reached = true;
};

Choice choose(const CalibrationOptions& options, std::span<const double> scores,
              std::span<const std::uint8_t> edge_right, std::span<const std::uint8_t> cloud_right) {
  switch (options.policy) {
    case CalibrationPolicy::kRatio:
      return {threshold_for_ratio(scores, options.target)};
    case CalibrationPolicy::kAccuracy: {
      require(options.target >= 0 && options.target <= 1, "must be an accuracy from 0 to 1", "target");
      require(!edge_right.empty(), "is needed for an accuracy: which answers of the edge were right", "edge_right");
      require(!cloud_right.empty(), "is needed for an accuracy: which answers of the cloud were right", "cloud_right");
      const AccuracyChoice choice = threshold_for_accuracy(scores, edge_right, cloud_right, options.target);
      return {choice.threshold, choice.reached};
    }
    case CalibrationPolicy::kConformal: {
      require(!edge_right.empty(), "is needed to bound the risk: which answers of the edge were right", "edge_right");
      std::vector<double> confidence(scores.begin(), scores.end());
      for (double& c : confidence) c = -c;
      const auto lambda = conformal_confidence(confidence, edge_right, options.target);
      return lambda ? Choice{-*lambda} : Choice{-kInfinity, false};
    }
    case CalibrationPolicy::kChow:
      require(options.filter == "MSP" || options.filter == "TemperatureMSP",
              "is " + options.filter + "; Chow's rule needs a probability of being right: MSP or TemperatureMSP",
              "filter");
      require(options.target >= 0 && options.target <= 1, "must be a cost from 0 to 1", "target");
      return {options.target};
  }
  return {};
}

}  // namespace

std::string_view calibration_policy_name(CalibrationPolicy policy) {
  return kPolicies[static_cast<std::size_t>(policy)];
}

CalibrationPolicy parse_calibration_policy(std::string_view name) {
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    if (kPolicies[i] == name) return static_cast<CalibrationPolicy>(i);
  }
  throw Error(ErrorCode::kInvalidArgument,
              "is \"" + std::string(name) + "\"; it must be ratio, accuracy, conformal or chow", "policy");
}

void Calibration::verify(std::string_view checksum) const {
  if (model_checksum == checksum) return;
  throw Error(ErrorCode::kConflict,
              "the calibration was made for the model " + model_checksum + ", but the model in use is " +
                  std::string(checksum) + ": a threshold is worth nothing for another model, calibrate again",
              "model_checksum");
}

Calibration calibrate(std::span<const EdgeResult> results, std::span<const std::uint8_t> edge_right,
                      std::span<const std::uint8_t> cloud_right, const CalibrationOptions& options) {
  require(!results.empty(), "has no samples; a few hundred are needed", "samples");
  const auto fits = [&](std::span<const std::uint8_t> right) {
    return right.empty() || right.size() == results.size();
  };
  require(fits(edge_right), "must have one entry for each sample", "edge_right");
  require(fits(cloud_right), "must have one entry for each sample", "cloud_right");

  const auto draft = make_filter(options.filter, options.parameters);
  if (!draft->threshold_as_parameter(0)) {
    throw Error(ErrorCode::kInvalidArgument, "has no threshold to calibrate", "filter " + options.filter);
  }
  const std::vector<double> scores = scores_of(*draft, results);
  const Choice choice = choose(options, scores, edge_right, cloud_right);

  Calibration out;
  out.model_checksum = options.model_checksum;
  out.filter = options.filter;
  out.parameters = options.parameters;
  const auto [key, text] = draft->threshold_as_parameter(choice.threshold).value();
  out.parameters.insert_or_assign(key, text);
  out.threshold = choice.threshold;
  out.policy = calibration_policy_name(options.policy);
  out.asked = options.target;
  out.reached = choice.reached;
  out.samples = results.size();
  out.date = options.date;

  // What the filter made of these very parameters does, not what the formula promised: ties and text may differ.
  const auto filter = make_filter(out.filter, out.parameters);
  std::size_t sent = 0;
  std::size_t joint = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool hard = filter->judge(results[i]).hard;
    sent += hard ? 1 : 0;
    const auto right = hard ? cloud_right : edge_right;
    if (!right.empty()) joint += right[i] != 0 ? 1 : 0;
  }
  const auto n = static_cast<double>(results.size());
  out.ratio = static_cast<double>(sent) / n;
  out.accuracy_edge = share_of(edge_right);
  out.accuracy_cloud = share_of(cloud_right);
  if (out.accuracy_edge && out.accuracy_cloud) out.accuracy_joint = static_cast<double>(joint) / n;
  return out;
}

Calibration calibrate(const LabelledRows& rows, std::span<const std::uint8_t> cloud_right,
                      const CalibrationOptions& options) {
  rows.check();
  std::vector<EdgeResult> results(rows.size());
  std::vector<std::uint8_t> edge_right(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    results[i] = {rows.form, rows.row(i), true};
    edge_right[i] = rows.predicted(i) == static_cast<std::size_t>(rows.labels[i]) ? 1 : 0;
  }
  const TemperatureFit fit = fit_temperature(rows);
  CalibrationOptions with = options;
  const bool takes_temperature = options.filter == "TemperatureMSP" || options.filter == "TemperatureEntropy";
  if (takes_temperature) with.parameters.try_emplace("temperature", number_text(fit.temperature));
  if (rows.form == EdgeResult::Form::kProbabilities) with.parameters.try_emplace("input", "probabilities");
  if (rows.form == EdgeResult::Form::kLogits) with.parameters.try_emplace("input", "logits");

  Calibration out = calibrate(results, edge_right, cloud_right, with);
  out.temperature = fit.temperature;
  std::vector<double> before(rows.size());
  std::vector<double> after(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    before[i] = softmax_top(results[i], 1).first;
    after[i] = softmax_top(results[i], fit.temperature).first;
  }
  out.ece_before = expected_calibration_error(before, edge_right);
  out.ece_after = expected_calibration_error(after, edge_right);
  return out;
}

}  // namespace sedna::algo
