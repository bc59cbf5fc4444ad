#include <mutex>

#include "sedna/algo/filters/builtin.hpp"
#include "sedna/algo/hard_example.hpp"
#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

struct FilterRegistry {
  std::mutex mutex;
  std::map<std::string, FilterFactory, std::less<>> factories;

  // Named here rather than by static constructors: those of a static library are dropped by the linker.
  FilterRegistry()
      : factories{{"Threshold", make_threshold},
                  {"CrossEntropy", make_cross_entropy},
                  {"IBT", make_ibt},
                  {"Random", make_random},
                  {"CloudOnly", make_cloud_only},
                  {"EdgeOnly", make_edge_only},
                  {"BertRouter", make_bert_router},
                  {"MSP", make_msp},
                  {"Margin", make_margin},
                  {"Entropy", make_entropy},
                  {"Energy", make_energy},
                  {"MaxLogit", make_max_logit},
                  {"TemperatureMSP", make_temperature_msp},
                  {"TemperatureEntropy", make_temperature_entropy},
                  {"BoxCount", make_box_count},
                  {"BoxMinScore", make_box_min_score}} {}
};

FilterRegistry& registry() {
  static FilterRegistry instance;
  return instance;
}

}  // namespace

std::string_view reason_name(Reason reason) {
  switch (reason) {
    case Reason::kEasy:
      return "easy";
    case Reason::kHard:
      return "hard";
    case Reason::kBudget:
      return "budget";
    case Reason::kDeadline:
      return "deadline";
    case Reason::kBreaker:
      return "breaker";
    case Reason::kQueue:
      return "queue";
    case Reason::kInvalid:
      return "invalid";
    case Reason::kTransport:
      return "transport";
    case Reason::kRefused:
      return "refused";
  }
  return "invalid";
}

std::optional<Parameter> HardExampleFilter::threshold_as_parameter(double) const {
  return std::nullopt;
}

void register_filter(std::string name, FilterFactory factory) {
  FilterRegistry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.factories.insert_or_assign(std::move(name), std::move(factory));
}

std::unique_ptr<HardExampleFilter> make_filter(std::string_view name, const Parameters& parameters) {
  FilterFactory factory;
  std::string known;
  {
    FilterRegistry& all = registry();
    const std::lock_guard lock(all.mutex);
    if (const auto it = all.factories.find(name); it != all.factories.end()) factory = it->second;
    for (const auto& [each, unused] : all.factories) known += (known.empty() ? "" : ", ") + each;
  }
  if (!factory) {
    throw Error(ErrorCode::kNotFound, "is not a hard-example filter; known are " + known, std::string(name));
  }
  // Outside the lock: a factory may itself ask the registry, or wait for Python.
  return factory(parameters);
}

std::vector<std::string> filter_names() {
  FilterRegistry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<std::string> names;
  for (const auto& [name, unused] : all.factories) names.push_back(name);
  return names;
}

}  // namespace sedna::algo
