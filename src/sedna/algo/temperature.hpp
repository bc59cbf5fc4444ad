// How far a model's confidence can be trusted, and the temperature that mends it. Called by calibration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sedna/algo/hard_example.hpp"

namespace sedna::algo {

/// Held-out samples as rows of one array: `values` has labels.size() × classes numbers, labels are class indices.
struct LabelledRows {
  std::span<const double> values;
  std::size_t classes = 0;
  std::span<const std::int64_t> labels;
  EdgeResult::Form form = EdgeResult::Form::kLogits;  ///< logits, or probabilities (then z = ln p)

  std::size_t size() const { return labels.size(); }
  std::span<const double> row(std::size_t i) const { return values.subspan(i * classes, classes); }
  /// The class with the largest value; the first of equals.
  std::size_t predicted(std::size_t i) const;
  /// Throws Error(kInvalidArgument) naming the row: sizes, labels out of range, rows that cannot be normalised.
  void check() const;
};

/// NLL(T) = −mean ln softmax(z / T)[y].
double negative_log_likelihood(const LabelledRows& rows, double temperature);

struct TemperatureFit {
  double temperature = 1;
  double nll_before = 0;  ///< at T = 1
  double nll_after = 0;
};
/// The T in [0.05, 20] with the least NLL (Guo and others, "On Calibration of Modern Neural Networks", ICML 2017). The
/// NLL is convex in 1/T, so its derivative is bisected. At least one row.
TemperatureFit fit_temperature(const LabelledRows& rows);

/// Expected calibration error with `bins` equal bins (lo, hi]: Σ |bin| / N · |accuracy − confidence|; 0 for no samples.
double expected_calibration_error(std::span<const double> confidence, std::span<const std::uint8_t> right,
                                  std::size_t bins = 15);

}  // namespace sedna::algo
