// Hard-example filters: which samples a small model at the edge should not decide alone.
// score and decision are separate, so that any score works with any policy (threshold, budget, target ratio).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sedna::algo {

/// Parameters as a resource carries them: text, parsed once by the filter's constructor. Errors name the key.
using Parameters = std::map<std::string, std::string, std::less<>>;

using Parameter = std::pair<std::string, std::string>;

/// Why a sample went where it went; a metric label, so a closed set.
enum class Reason : std::uint8_t { kEasy, kHard, kBudget, kDeadline, kBreaker, kQueue, kInvalid, kTransport, kRefused };
std::string_view reason_name(Reason reason);

/// What an edge model said about one sample: class probabilities, logits, or the scores of detected boxes.
struct EdgeResult {
  enum class Form { kProbabilities, kLogits, kBoxScores };
  Form form = Form::kProbabilities;
  std::span<const double> values;  ///< box scores: empty means that nothing was detected
  bool valid = true;               ///< false: the result could not be read as this form (→ not hard, reason kInvalid)
};

struct Verdict {
  bool hard = false;
  Reason reason = Reason::kEasy;
  double score = 0;  ///< higher = harder; 0 when invalid
};

/// Thread-safe: const calls only (Random draws from a generator of its own, under a lock). judge() neither allocates
/// nor throws; 10 classes take about 0.1 µs.
class HardExampleFilter {
 public:
  virtual ~HardExampleFilter() = default;
  virtual std::string_view name() const = 0;
  /// Which form this filter reads.
  virtual EdgeResult::Form form() const = 0;
  virtual Verdict judge(const EdgeResult& result) const = 0;
  /// The score above which this filter says hard (policies start from it); absent where no score decides.
  virtual std::optional<double> threshold() const { return std::nullopt; }
  /// The parameter that makes this filter say hard above `score_threshold`; absent where a score cannot be cut.
  virtual std::optional<Parameter> threshold_as_parameter(double score_threshold) const;
  /// Keys given that this filter does not know: ignored, as upstream does, but worth a warning.
  virtual std::span<const std::string> ignored_parameters() const { return {}; }
};

using FilterFactory = std::function<std::unique_ptr<HardExampleFilter>(const Parameters&)>;

/// Adds a filter by name (last registration wins, as upstream). Thread-safe.
void register_filter(std::string name, FilterFactory factory);
/// Makes a filter. Throws Error(kNotFound) listing the known names, or kInvalidArgument naming the parameter.
std::unique_ptr<HardExampleFilter> make_filter(std::string_view name, const Parameters& parameters);
std::vector<std::string> filter_names();

}  // namespace sedna::algo
