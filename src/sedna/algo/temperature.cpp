#include "sedna/algo/temperature.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "sedna/algo/filters/softmax.hpp"
#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

constexpr double kLowest = 0.05;
constexpr double kHighest = 20;
// A masked class, or a probability that underflowed: far away, but not at infinity, or one sample would decide the fit.
constexpr double kFloor = -100;

/// z − max z for logits, ln (p / max p) for probabilities, not below kFloor.
void relative_logits(const LabelledRows& rows, std::size_t i, std::vector<double>& z) {
  const auto row = rows.row(i);
  const double max = *std::max_element(row.begin(), row.end());
  z.resize(row.size());
  for (std::size_t k = 0; k < row.size(); ++k) {
    z[k] = std::max(kFloor, rows.form == EdgeResult::Form::kLogits ? row[k] - max : std::log(row[k] / max));
  }
}

struct Likelihood {
  double nll = 0;
  double slope = 0;  // with respect to 1/T
};

Likelihood likelihood(const LabelledRows& rows, double inverse_temperature) {
  Likelihood total;
  std::vector<double> z;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    relative_logits(rows, i, z);
    double sum = 0;
    double weighted = 0;
    for (const double v : z) {
      const double w = std::exp(v * inverse_temperature);
      sum += w;
      weighted += w * v;
    }
    const double of_label = z[static_cast<std::size_t>(rows.labels[i])];
    total.nll += std::log(sum) - of_label * inverse_temperature;
    total.slope += weighted / sum - of_label;
  }
  const auto n = static_cast<double>(rows.size());
  return {total.nll / n, total.slope / n};
}

}  // namespace

std::size_t LabelledRows::predicted(std::size_t i) const {
  const auto one = row(i);
  return static_cast<std::size_t>(std::max_element(one.begin(), one.end()) - one.begin());
}

void LabelledRows::check() const {
  if (labels.empty()) throw Error(ErrorCode::kInvalidArgument, "has no samples; a few hundred are needed", "labels");
  if (classes == 0 || values.size() / classes != labels.size() || values.size() % classes != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "has " + std::to_string(values.size()) + " numbers; " + std::to_string(labels.size()) + " samples of " +
                    std::to_string(classes) + " classes have " + std::to_string(labels.size() * classes),
                "values");
  }
  for (std::size_t i = 0; i < size(); ++i) {
    if (labels[i] < 0 || static_cast<std::uint64_t>(labels[i]) >= classes) {
      throw Error(
          ErrorCode::kInvalidArgument,
          "is " + std::to_string(labels[i]) + "; it must be a class index from 0 to " + std::to_string(classes - 1),
          "labels[" + std::to_string(i) + "]");
    }
    if (!softmax_top({form, row(i), true}, 1).valid) {
      throw Error(ErrorCode::kInvalidArgument,
                  form == EdgeResult::Form::kLogits ? "are not logits: they must be numbers, one of them finite"
                                                    : "are not probabilities: they must be in [0, 1] and sum to 1",
                  "values[" + std::to_string(i) + "]");
    }
  }
}

double negative_log_likelihood(const LabelledRows& rows, double temperature) {
  return likelihood(rows, 1 / temperature).nll;
}

TemperatureFit fit_temperature(const LabelledRows& rows) {
  double low = std::log(1 / kHighest);  // of 1/T
  double high = std::log(1 / kLowest);
  // Slope never below 0: flatter is always better, and the other way round.
  if (likelihood(rows, std::exp(low)).slope >= 0) {
    high = low;
  } else if (likelihood(rows, std::exp(high)).slope <= 0) {
    low = high;
  }
  for (int i = 0; i < 50 && high - low > 1e-13; ++i) {
    const double middle = (low + high) / 2;
    (likelihood(rows, std::exp(middle)).slope > 0 ? high : low) = middle;
  }
  const double inverse = std::exp((low + high) / 2);
  return {1 / inverse, likelihood(rows, 1).nll, likelihood(rows, inverse).nll};
}

double expected_calibration_error(std::span<const double> confidence, std::span<const std::uint8_t> right,
                                  std::size_t bins) {
  if (confidence.size() != right.size() || bins == 0) {
    throw Error(ErrorCode::kInvalidArgument, "must have one entry for each confidence, and bins be 1 or more", "right");
  }
  if (confidence.empty()) return 0;
  std::vector<double> gap(bins, 0);
  const auto last = static_cast<double>(bins - 1);
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const double bin = std::clamp(std::ceil(confidence[i] * static_cast<double>(bins)) - 1, 0.0, last);
    gap[static_cast<std::size_t>(bin)] += (right[i] != 0 ? 1 : 0) - confidence[i];
  }
  double error = 0;
  for (const double g : gap) error += std::fabs(g);  // |bin| · |accuracy − confidence|
  return error / static_cast<double>(confidence.size());
}

}  // namespace sedna::algo
