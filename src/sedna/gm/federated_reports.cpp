#include "sedna/gm/federated_reports.hpp"

#include <algorithm>
#include <cmath>

namespace sedna::gm {

namespace {

constexpr std::size_t kMostNames = 64;
/// Whose status.progress.metrics are: an aggregator that has metrics knows better than any one worker; one that
/// upstream's clients tell none leaves them to the workers' own reports.
constexpr std::string_view kAggregator = "aggregator", kWorkers = "workers";

std::int64_t count_at(const json::object& o, std::string_view name) {
  constexpr double kMost = 9e15;
  const json::value* v = o.if_contains(name);
  if (v == nullptr || !v->is_number()) return 0;
  const double number = v->to_number<double>();
  return number > 0 && number < kMost ? static_cast<std::int64_t>(std::llround(number)) : 0;
}

/// Numbers by name, those that are numbers; of a list (an epoch each) the last.
json::object numbers_of(const json::value* value) {
  json::object out;
  if (value == nullptr || !value->is_object()) return out;
  for (const auto& [name, member] : value->get_object()) {
    const json::value* number = &member;
    if (number->is_array() && !number->get_array().empty()) number = &number->get_array().back();
    if (out.size() < kMostNames && number->is_number() && std::isfinite(number->to_number<double>())) {
      out[name] = number->to_number<double>();
    }
  }
  return out;
}

/// Upstream's form: strings as they are, everything else as JSON, by key.
json::array key_values(const json::object& metrics) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& [name, value] : metrics) {
    if (rows.size() == kMostNames) break;
    rows.emplace_back(std::string(name), value.is_string() ? std::string(value.get_string()) : json::write(value));
  }
  std::sort(rows.begin(), rows.end());
  json::array out;
  for (const auto& [key, value] : rows) out.push_back(json::object{{"key", key}, {"value", value}});
  return out;
}

/// The first result of a report, ours or upstream's form.
const json::object* result_of(const json::object& body) {
  for (const auto* list : {api::array_at(body, {"results"}), api::array_at(body, {"output", "models"})}) {
    if (list != nullptr && !list->empty() && list->front().is_object()) return &list->front().get_object();
  }
  return nullptr;
}

const json::object* info_of(const json::object& body) {
  if (const auto* info = api::object_at(body, {"ownerInfo"})) return info;
  return api::object_at(body, {"output", "ownerInfo"});
}

json::object* worker_entry(json::object& status, std::string_view worker) {
  json::value* list = status.if_contains("workers");
  if (list == nullptr || !list->is_array()) return nullptr;
  for (auto& entry : list->get_array()) {
    if (entry.is_object() && api::string_at(entry.get_object(), {"worker"}) == worker) return &entry.get_object();
  }
  return nullptr;
}

/// The aggregator's own words: {round, rounds, arrived, selected, stragglers, bytesReceived, bytesSent, metrics,
/// epsilon, stopped, stalled}.
void take_progress(json::object& status, const json::object& told, std::string_view time) {
  auto& progress = api::make_object(status, {"progress"});
  for (const std::string_view name : {"round", "rounds", "arrived", "selected", "bytesReceived", "bytesSent"}) {
    if (told.contains(name)) progress[name] = count_at(told, name);
  }
  if (!progress.contains("round")) progress["round"] = std::int64_t{0};
  json::array stragglers;
  if (const auto* names = api::array_at(told, {"stragglers"})) {
    for (const auto& name : *names) {
      if (name.is_string() && stragglers.size() < kMostNames) stragglers.push_back(name);
    }
  }
  progress.erase("stragglers");
  if (!stragglers.empty()) progress["stragglers"] = std::move(stragglers);
  if (json::object metrics = numbers_of(told.if_contains("metrics")); !metrics.empty()) {
    progress["metrics"] = std::move(metrics);
    progress["metricsFrom"] = kAggregator;
  }
  if (const json::value* epsilon = told.if_contains("epsilon"); epsilon != nullptr && epsilon->is_number()) {
    progress["epsilon"] = epsilon->to_number<double>();
  }
  progress.erase("stalled");
  if (const auto why = api::string_at(told, {"stalled"}); !why.empty()) progress["stalled"] = why;
  progress.erase("stopped");
  if (const auto why = api::string_at(told, {"stopped"}); !why.empty()) progress["stopped"] = why;
  if (!time.empty()) progress["updateTime"] = time;
}

}  // namespace

std::string metrics_line(const json::object& metrics) {
  std::string out;
  for (const auto& [name, value] : metrics) {
    if (!value.is_number()) continue;
    char text[48];
    std::snprintf(text, sizeof text, " %.4g", value.to_number<double>());
    out += (out.empty() ? "" : ", ") + std::string(name) + text;
  }
  return out;
}

FederatedReports merge_federated_reports(json::object& status, const std::vector<Fact>& reports,
                                         const std::map<std::string, ReportingWorker>& by_uid) {
  FederatedReports out;
  bool aggregator_tells = api::find(status, {"progress", "selected"}) != nullptr;
  for (const auto& fact : reports) {
    if (api::object_at(fact.body, {"statistics", "federated"}) != nullptr) aggregator_tells = true;
  }
  for (const auto& fact : reports) {
    std::string time(api::string_at(fact.body, {"time"}));
    if (!api::parse_time(time)) time.clear();
    const auto known = by_uid.find(std::string(api::string_at(fact.body, {"podUid"})));
    const std::string worker =
        known != by_uid.end() ? known->second.worker : std::string(api::string_at(fact.body, {"worker"}, fact.worker));
    if (const auto* told = api::object_at(fact.body, {"statistics", "federated"})) {
      take_progress(status, *told, time);
      if (json::object* entry = worker_entry(status, worker)) {
        (*entry)["round"] = count_at(*told, "round");
        if (!time.empty()) (*entry)["updateTime"] = time;
      }
      continue;
    }
    const auto* info = info_of(fact.body);
    const std::int64_t round = info == nullptr ? 0 : count_at(*info, "currentRound");
    const auto* result = result_of(fact.body);
    if (round > 0) {
      const std::string at(api::string_at(*info, {"updateTime"}));
      const std::int64_t reached = api::int_at(status, {"progress", "round"});
      if (round >= reached || !aggregator_tells) {
        out.training = "Round " + std::to_string(round) + " reaches at " + (at.empty() ? time : at);
      }
      if (round >= reached) {
        auto& progress = api::make_object(status, {"progress"});
        if (!aggregator_tells) {
          progress["round"] = round;
          if (!time.empty()) progress["updateTime"] = time;
        }
        json::object metrics = numbers_of(result == nullptr ? nullptr : result->if_contains("metrics"));
        if (!metrics.empty() && api::string_at(progress, {"metricsFrom"}) != kAggregator) {
          progress["metrics"] = std::move(metrics);
          progress["metricsFrom"] = kWorkers;
        }
      }
      if (json::object* entry = worker_entry(status, worker)) {
        (*entry)["round"] = round;
        if (!time.empty()) (*entry)["updateTime"] = time;
      }
    }
    if (result == nullptr) continue;
    if (const auto* metrics = api::object_at(*result, {"metrics"}); metrics != nullptr && !metrics->empty()) {
      out.model_metrics = key_values(*metrics);
    }
    if (const auto url = api::string_at(*result, {"url"}); !url.empty()) out.model_url = url;
  }
  return out;
}

}  // namespace sedna::gm
