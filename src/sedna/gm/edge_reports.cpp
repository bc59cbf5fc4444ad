#include "sedna/gm/edge_reports.hpp"

#include <algorithm>
#include <map>

#include "sedna/link/report_figures.hpp"

namespace sedna::gm {

namespace {

using link::count_at;
using link::number_at;
using link::ratio_of;

/// The list of that name, made when it is not there, without entries that are no objects.
json::array& list_of(json::object& o, std::string_view name) {
  json::value& v = o[name];
  if (!v.is_array()) v = json::array();
  auto& list = v.get_array();
  for (auto it = list.begin(); it != list.end();) it = it->is_object() ? it + 1 : list.erase(it);
  return list;
}

constexpr std::string_view kCounts[] = {"inferences", "hardExamples", "uploads", "uploadBytes", "fallbacks"};

/// Adds the figures of one worker to others', the errors by their cause.
void add_figures(json::object& sum, const json::object& figures) {
  for (const auto name : kCounts) {
    if (figures.contains(name)) sum[name] = count_at(sum, name) + count_at(figures, name);
  }
  const auto* errors = api::object_at(figures, {"errors"});
  if (errors == nullptr || errors->empty()) return;
  auto& all = api::make_object(sum, {"errors"});
  for (const auto& [cause, count] : *errors) all[cause] = count_at(all, cause) + count_at(*errors, cause);
}

/// The entry that a report makes. Without a Pod's uid (upstream's workers) the worker's name stands for it.
json::object entry_of(const Fact& fact, const std::map<std::string, LivingPod>& living) {
  const std::string uid(api::string_at(fact.body, {"podUid"}));
  const auto pod = living.find(uid);
  std::string name(api::string_at(fact.body, {"worker"}));
  if (pod != living.end()) name = pod->second.name;
  if (name.empty()) name = fact.node;
  json::object entry{{"name", name}, {"uid", uid}, {"node", fact.node}};
  entry["ready"] = pod != living.end() && pod->second.ready;
  if (!fact.source.empty()) {
    entry["reporter"] = fact.source;
    entry["sequence"] = static_cast<std::int64_t>(fact.sequence);
  }
  entry["figures"] = link::report_figures(fact.body);
  const auto updated = api::string_at(fact.body, {"time"});
  if (api::parse_time(updated)) entry["updateTime"] = updated;
  return entry;
}

bool same_worker(const json::object& entry, const json::object& other) {
  const auto uid = api::string_at(entry, {"uid"}), other_uid = api::string_at(other, {"uid"});
  if (!uid.empty() || !other_uid.empty()) return uid == other_uid;
  return api::string_at(entry, {"name"}) == api::string_at(other, {"name"}) &&
         api::string_at(entry, {"node"}) == api::string_at(other, {"node"});
}

bool is_duplicate(const json::object& known, const json::object& fresh) {
  const auto source = api::string_at(fresh, {"reporter"});
  return !source.empty() && source == api::string_at(known, {"reporter"}) &&
         api::int_at(fresh, {"sequence"}) <= api::int_at(known, {"sequence"});
}

/// Folds the oldest entries of Pods that are gone into `ended`.
void bound_entries(json::object& status, const std::map<std::string, LivingPod>& living) {
  auto& entries = list_of(status, "edgeWorkers");
  while (entries.size() > kMaxEdgeWorkers) {
    auto oldest = std::find_if(entries.begin(), entries.end(), [&](const json::value& entry) {
      return !living.contains(std::string(api::string_at(entry.get_object(), {"uid"})));
    });
    if (oldest == entries.end()) oldest = entries.begin();
    auto& ended = api::make_object(status, {"ended"});
    ended["workers"] = count_at(ended, "workers") + 1;
    if (const auto* figures = api::object_at(oldest->get_object(), {"figures"})) add_figures(ended, *figures);
    entries.erase(oldest);
  }
}

void put_metric(json::array& metrics, std::string_view key, const json::value& value) {
  const std::string text = value.is_string() ? std::string(value.get_string()) : json::write(value);
  for (auto& entry : metrics) {
    if (!entry.is_object() || api::string_at(entry.get_object(), {"key"}) != key) continue;
    entry.get_object()["value"] = text;
    return;
  }
  metrics.push_back(json::object{{"key", key}, {"value", text}});
}

void refresh_totals(json::object& status, const std::vector<Fact>& reports) {
  json::object totals;
  json::object slowest;
  for (const auto& entry : list_of(status, "edgeWorkers")) {
    const auto* figures = api::object_at(entry.get_object(), {"figures"});
    if (figures == nullptr) continue;
    add_figures(totals, *figures);
    if (const auto* latency = api::object_at(*figures, {"latencyMilliseconds"});
        latency != nullptr && (slowest.empty() || number_at(*latency, "p99") > number_at(slowest, "p99"))) {
      slowest = *latency;
    }
  }
  if (const auto* ended = api::object_at(status, {"ended"})) add_figures(totals, *ended);
  totals["uploadRatio"] = ratio_of(count_at(totals, "uploads"), count_at(totals, "inferences"));
  // Percentiles don't add up: those of the slowest worker stand for all.
  if (!slowest.empty()) totals["latencyMilliseconds"] = std::move(slowest);
  auto& metrics = list_of(status, "metrics");
  // What else a worker puts into its ownerInfo is passed on as upstream does.
  for (const auto& fact : reports) {
    const auto* info = api::object_at(fact.body, {"ownerInfo"});
    if (info == nullptr) continue;
    for (const auto& [key, value] : *info) {
      if (key != "startTime" && key != "updateTime") put_metric(metrics, key, value);
    }
  }
  put_metric(metrics, "hardExampleNumber", totals["hardExamples"]);
  put_metric(metrics, "inferenceNumber", totals["inferences"]);
  put_metric(metrics, "uploadCloudRatio", totals["uploadRatio"]);
  std::sort(metrics.begin(), metrics.end(), [](const json::value& a, const json::value& b) {
    return api::string_at(a.get_object(), {"key"}) < api::string_at(b.get_object(), {"key"});
  });
  status["total"] = std::move(totals);
}

}  // namespace

bool merge_edge_reports(json::object& status, const std::vector<Fact>& reports,
                        const std::map<std::string, LivingPod>& living) {
  bool changed = false;
  auto& entries = list_of(status, "edgeWorkers");
  for (const auto& fact : reports) {
    json::object fresh = entry_of(fact, living);
    const auto known = std::find_if(entries.begin(), entries.end(),
                                    [&](const json::value& entry) { return same_worker(entry.get_object(), fresh); });
    if (known == entries.end()) {
      entries.push_back(std::move(fresh));
    } else if (is_duplicate(known->get_object(), fresh) || known->get_object() == fresh) {
      continue;
    } else {
      *known = std::move(fresh);
    }
    changed = true;
  }
  if (!changed) {
    if (entries.empty()) status.erase("edgeWorkers");
    return false;
  }
  bound_entries(status, living);
  refresh_totals(status, reports);
  return true;
}

}  // namespace sedna::gm
