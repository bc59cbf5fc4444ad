#include "sedna/link/report_figures.hpp"

#include <algorithm>
#include <cmath>

namespace sedna::link {

namespace {

/// Percentiles or counts by name: only what is a number, and not without end.
json::object numbers_of(const json::value& value) {
  constexpr std::size_t kMost = 32;
  json::object out;
  if (!value.is_object()) return out;
  for (const auto& [name, number] : value.get_object()) {
    if (number.is_number() && out.size() < kMost) out[name] = number;
  }
  return out;
}

}  // namespace

double number_at(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  if (v == nullptr) return 0;
  if (v->is_int64()) return static_cast<double>(v->get_int64());
  if (v->is_uint64()) return static_cast<double>(v->get_uint64());
  return v->is_double() ? v->get_double() : 0;
}

std::int64_t count_at(const json::object& o, std::string_view name) {
  constexpr double kMost = 1e15;  // sums of many stay whole numbers
  const double v = number_at(o, name);
  return v > 0 && v < kMost ? static_cast<std::int64_t>(std::llround(v)) : 0;
}

double ratio_of(std::int64_t part, std::int64_t whole) {
  constexpr double kDigits = 1e4;
  return whole <= 0 ? 0 : std::round(static_cast<double>(part) / static_cast<double>(whole) * kDigits) / kDigits;
}

json::object report_figures(const json::object& fact) {
  static const json::object kNone;
  const auto* info = api::object_at(fact, {"ownerInfo"});
  const auto* statistics = api::object_at(fact, {"statistics"});
  if (info == nullptr) info = &kNone;
  if (statistics == nullptr) statistics = &kNone;
  json::object figures;
  const std::int64_t inferences = count_at(*info, "inferenceNumber");
  figures["inferences"] = inferences;
  figures["hardExamples"] = count_at(*info, "hardExampleNumber");
  const double share = number_at(*info, "uploadCloudRatio");
  std::int64_t uploads = std::llround(std::clamp(share, 0.0, 1.0) * static_cast<double>(inferences));
  if (statistics->contains("uploads")) uploads = count_at(*statistics, "uploads");
  figures["uploads"] = uploads;
  figures["uploadRatio"] = ratio_of(uploads, inferences);
  for (const std::string_view name : {"uploadBytes", "fallbacks"}) {
    if (statistics->contains(name)) figures[name] = count_at(*statistics, name);
  }
  for (const std::string_view name : {"latencyMilliseconds", "errors"}) {
    if (const json::value* v = statistics->if_contains(name)) figures[name] = numbers_of(*v);
  }
  return figures;
}

}  // namespace sedna::link
