// Calibration: from held-out samples to a filter's parameters, kept together with the checksum of the model they belong
// to. Called by `sedna-worker calibrate` and `sedna.calibrate()`; the file is read by edge workers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/algo/hard_example.hpp"
#include "sedna/algo/temperature.hpp"
#include "sedna/base/result.hpp"

namespace sedna::algo {

enum class CalibrationPolicy : std::uint8_t {
  kRatio,      ///< target = share to send
  kAccuracy,   ///< target = joint accuracy wanted; needs what the cloud answered
  kConformal,  ///< target = α, the share of all samples that may stay and be wrong
  kChow,       ///< target = cost of asking, against 1 for a wrong answer; MSP and TemperatureMSP only
};
/// "ratio", "accuracy", "conformal", "chow".
std::string_view calibration_policy_name(CalibrationPolicy policy);
/// Throws Error(kInvalidArgument) listing the names.
CalibrationPolicy parse_calibration_policy(std::string_view name);

struct CalibrationOptions {
  CalibrationOptions() {}
  std::string filter = "MSP";
  Parameters parameters;  ///< besides what calibration finds; a `temperature` given here is kept
  CalibrationPolicy policy = CalibrationPolicy::kRatio;
  double target = 0.1;
  std::string model_checksum;  ///< SHA-256 of the edge model's file, hex
  std::string date;            ///< RFC 3339; the caller has the clock
};

/// What calibration found. Absent accuracies were not known (no labels, or no answers of the cloud).
struct Calibration {
  std::string model_checksum;
  std::string filter;
  Parameters parameters;  ///< for make_filter: the threshold is in them
  double threshold = 0;   ///< of the score: hard iff score > threshold; ±∞ possible
  double temperature = 1;
  std::string policy;
  double asked = 0;
  bool reached = true;  ///< false: no threshold gives the accuracy or the risk asked for; this is the nearest
  double ratio = 0;     ///< share of the calibration samples that the filter sends
  std::optional<double> accuracy_edge;
  std::optional<double> accuracy_joint;
  std::optional<double> accuracy_cloud;
  std::uint64_t samples = 0;
  std::optional<double> ece_before;  ///< expected calibration error of the edge model, at T = 1
  std::optional<double> ece_after;   ///< at the fitted temperature
  std::string date;

  /// Throws Error(kConflict) when this was made for another model.
  void verify(std::string_view checksum) const;
};

/// From class scores. `cloud_right` has one entry a sample (1: the cloud's answer was right), or none when it is not
/// known. Throws Error(kInvalidArgument) naming the sample or option.
Calibration calibrate(const LabelledRows& rows, std::span<const std::uint8_t> cloud_right,
                      const CalibrationOptions& options);
/// From results of any form (detectors): whether the edge was right is given too, or left empty.
Calibration calibrate(std::span<const EdgeResult> results, std::span<const std::uint8_t> edge_right,
                      std::span<const std::uint8_t> cloud_right, const CalibrationOptions& options);

/// One JSON object, indented, with a newline at the end.
std::string calibration_text(const Calibration& calibration);
/// Outside bytes: every field is checked; the error's subject is the field.
Result<Calibration> parse_calibration(std::string_view text);
/// Atomic: a temporary file beside it, fsync, rename. Throws Error with the path as its subject.
void write_calibration(const std::filesystem::path& file, const Calibration& calibration);
/// Throws Error(kNotFound, kUnavailable, kInvalidArgument) with the path in its subject.
Calibration read_calibration(const std::filesystem::path& file);

}  // namespace sedna::algo
