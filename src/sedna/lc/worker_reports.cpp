#include "sedna/lc/worker_reports.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "sedna/api/object.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/text.hpp"
#include "sedna/link/report_figures.hpp"

namespace sedna::lc {

namespace {

using link::number_at;

constexpr std::string_view kPrefix = "worker/";
constexpr std::string_view kService = "JointInferenceService";
constexpr std::string_view kFederated = "FederatedLearningJob";
constexpr std::size_t kMostResults = 16;
constexpr std::size_t kMostLatest = 1024;
constexpr std::size_t kLongestName = 512;

const json::value* member(const json::object& o, std::string_view name) {
  if (const json::value* exact = o.if_contains(name)) return exact;
  const std::string wanted = to_lower(name);
  for (const auto& [key, value] : o) {
    if (to_lower(key) == wanted) return &value;
  }
  return nullptr;
}

double number_of(const json::value& v) {
  if (v.is_int64()) return static_cast<double>(v.get_int64());
  if (v.is_uint64()) return static_cast<double>(v.get_uint64());
  return v.is_double() ? v.get_double() : 0;
}

json::object object_at(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  return v != nullptr && v->is_object() ? v->get_object() : json::object();
}

/// A count; what no count can be is 0.
json::value sum(double a, double b) {
  constexpr double kMost = 1e15;
  const double total = a + b;
  return total > 0 && total < kMost ? static_cast<std::int64_t>(std::llround(total)) : std::int64_t{0};
}

/// What adds up over the runs of a worker: the figures of ownerInfo and of statistics, in one object.
json::object figures_of(const WorkerReport& report) {
  json::object figures;
  const double inferences = number_at(report.owner_info, "inferenceNumber");
  figures["inferenceNumber"] = sum(inferences, 0);
  figures["hardExampleNumber"] = sum(number_at(report.owner_info, "hardExampleNumber"), 0);
  const json::value* uploads = report.statistics.if_contains("uploads");
  figures["uploads"] = uploads != nullptr ? sum(number_of(*uploads), 0)
                                          : sum(number_at(report.owner_info, "uploadCloudRatio") * inferences, 0);
  for (const std::string_view name : {"uploadBytes", "fallbacks"}) {
    if (report.statistics.contains(name)) figures[name] = sum(number_at(report.statistics, name), 0);
  }
  if (const json::object errors = object_at(report.statistics, "errors"); !errors.empty()) figures["errors"] = errors;
  return figures;
}

/// The fact: upstream's ownerInfo and our statistics with the sums in them.
json::object fact_of(const WorkerReport& report, const json::object& base, const std::string& time) {
  json::object info = report.owner_info, statistics = report.statistics;
  const json::object total = add_base(figures_of(report), base);
  const double inferences = number_at(total, "inferenceNumber");
  if (!base.empty()) {
    info["inferenceNumber"] = total.at("inferenceNumber");
    info["hardExampleNumber"] = total.at("hardExampleNumber");
    info["uploadCloudRatio"] = inferences > 0 ? number_at(total, "uploads") / inferences : 0.0;
  }
  statistics["uploads"] = total.at("uploads");
  for (const std::string_view name : {"uploadBytes", "fallbacks", "errors"}) {
    if (total.contains(name)) statistics[name] = total.at(name);
  }
  json::object fact{{"worker", report.name}, {"phase", report.kind}, {"status", report.status}, {"time", time}};
  if (!report.pod_uid.empty()) fact["podUid"] = report.pod_uid;
  fact["ownerInfo"] = std::move(info);
  fact["statistics"] = std::move(statistics);
  return fact;
}

}  // namespace

Result<WorkerReport> parse_worker_report(std::string_view body) {
  auto parsed = json::parse(body, json::python_options());
  if (!parsed) return parsed.error();
  if (!parsed->is_object()) return Error(ErrorCode::kInvalidArgument, "must be a JSON object", "body");
  const auto& o = parsed->get_object();
  WorkerReport out;
  for (const auto& [name, into] : {std::pair{std::string_view("name"), &out.name},
                                   {std::string_view("namespace"), &out.ns},
                                   {std::string_view("ownerName"), &out.owner_name},
                                   {std::string_view("ownerKind"), &out.owner_kind},
                                   {std::string_view("kind"), &out.kind},
                                   {std::string_view("status"), &out.status},
                                   {std::string_view("podUid"), &out.pod_uid},
                                   {std::string_view("run"), &out.run}}) {
    const json::value* v = member(o, name);
    if (v == nullptr || v->is_null()) continue;
    if (!v->is_string()) return Error(ErrorCode::kInvalidArgument, "must be a string", std::string(name));
    if (v->get_string().size() > kLongestName) {
      return Error(ErrorCode::kInvalidArgument, "is longer than 512 characters", std::string(name));
    }
    *into = std::string(v->get_string());
  }
  out.owner_kind = to_lower(out.owner_kind);
  for (const auto& [name, into] :
       {std::pair{std::string_view("ownerInfo"), &out.owner_info}, {std::string_view("statistics"), &out.statistics}}) {
    const json::value* v = member(o, name);
    if (v == nullptr || v->is_null()) continue;
    if (!v->is_object()) return Error(ErrorCode::kInvalidArgument, "must be an object", std::string(name));
    *into = v->get_object();
  }
  if (const json::value* results = member(o, "results"); results != nullptr && !results->is_null()) {
    if (!results->is_array()) return Error(ErrorCode::kInvalidArgument, "must be a list", "results");
    for (const auto& entry : results->get_array()) {
      if (entry.is_object() && out.results.size() < kMostResults) out.results.push_back(entry);
    }
  }
  return out;
}

json::object add_base(const json::object& now, const json::object& base) {
  json::object out = now;
  for (const auto& [name, value] : base) {
    if (value.is_object()) {
      json::object errors = object_at(out, name);
      for (const auto& [cause, count] : value.get_object())
        errors[cause] = sum(number_at(errors, cause), number_of(count));
      out[name] = std::move(errors);
    } else {
      out[name] = sum(number_at(out, name), number_of(value));
    }
  }
  return out;
}

WorkerReports::WorkerReports(NodeState& state, journal::Journal& store, Reporter report, metrics::Registry& registry,
                             const Clock& clock)
    : state_(state),
      store_(store),
      report_(std::move(report)),
      clock_(clock),
      taken_(registry.counter("sedna_lc_reports_total", "Reports of workers that were passed on")),
      dropped_(registry.counter("sedna_lc_reports_dropped_total", "Reports of workers whose job is not known here")),
      registry_(registry) {}

/// The service or job that a report belongs to, "" when there is none. Upstream's workers say ownerName "sedna" when
/// JOB_NAME is not set: then it is the only one of their namespace.
std::string WorkerReports::owner_key(const WorkerReport& report, std::string_view kind) const {
  std::string key = report.ns + "/" + report.owner_name;
  if (state_.get({std::string(kind), key}) != nullptr) return key;
  std::string only;
  int found = 0;
  for (const auto& [service, object] : state_.list(std::string(kind))) {
    const bool same_namespace = service.starts_with(report.ns + "/") || report.ns == report.owner_name;
    if (!same_namespace) continue;
    ++found;
    only = service;
  }
  if (report.owner_name == "sedna") return found == 1 ? only : std::string();
  // Before GM has said everything an unknown service may well be ours; GM has the last word.
  return !state_.complete() && !report.owner_name.empty() ? key : std::string();
}

std::string WorkerReports::take(const WorkerReport& report) {
  const std::lock_guard lock(mutex_);
  // Upstream's federated workers say ownerKind "default", too: they train, and services do not.
  const bool named = report.owner_kind == to_lower(kFederated);
  const bool unnamed = report.owner_kind == "default" && to_lower(report.kind) != "inference" &&
                       state_.get({std::string(kFederated), report.ns + "/" + report.owner_name}) != nullptr;
  std::string why = named || unnamed ? take_job(report) : take_service(report);
  (why.empty() ? taken_ : dropped_).add();
  return why;
}

/// Everything that a worker of a job says is the newest word: nothing adds up over its restarts.
std::string WorkerReports::take_job(const WorkerReport& report) {
  const std::string key = owner_key(report, kFederated);
  if (key.empty()) {
    return "this node has no FederatedLearningJob " + report.ns + "/" + report.owner_name;
  }
  json::object fact{{"worker", report.name},
                    {"phase", report.kind},
                    {"status", report.status},
                    {"time", api::format_time(clock_.wall())}};
  if (!report.pod_uid.empty()) fact["podUid"] = report.pod_uid;
  if (!report.owner_info.empty()) fact["ownerInfo"] = report.owner_info;
  if (!report.results.empty()) fact["results"] = report.results;
  if (!report.statistics.empty()) fact["statistics"] = report.statistics;
  report_({std::string(kFederated), key}, !report.pod_uid.empty() ? report.pod_uid : report.name, fact);
  return {};
}

std::string WorkerReports::take_service(const WorkerReport& report) {
  const bool joint = report.owner_kind == to_lower(kService) || report.owner_kind == "default";
  const std::string key = joint ? owner_key(report, kService) : std::string();
  if (key.empty()) {
    return "this node has no " + (report.owner_kind.empty() ? std::string("job") : report.owner_kind) + " " +
           report.ns + "/" + report.owner_name;
  }
  const std::string worker = !report.pod_uid.empty() ? report.pod_uid : report.name;
  const std::string stored_key = std::string(kPrefix) + key + "/" + worker;
  json::object memory;
  if (const auto stored = store_.find(stored_key)) {
    auto parsed = json::parse(stored->data);
    if (parsed && parsed->is_object()) memory = std::move(parsed->get_object());
  }
  json::object base = object_at(memory, "base");
  const json::object last = object_at(memory, "last");
  const json::object now = figures_of(report);
  // Another process under the same name: its figures begin anew. Upstream's do not say so, but they shrink.
  const bool restarted = !last.empty() && (api::string_at(memory, {"run"}) != report.run ||
                                           number_at(now, "inferenceNumber") < number_at(last, "inferenceNumber"));
  if (restarted) base = add_base(last, base);
  memory["run"] = report.run;
  memory["base"] = base;
  memory["last"] = now;
  store_.replace(stored_key, json::write(memory));
  const json::object fact = fact_of(report, base, api::format_time(clock_.wall()));
  remember(key, worker, fact);
  report_({std::string(kService), key}, worker, fact);
  return {};
}

void WorkerReports::remember(const std::string& service, const std::string& worker, const json::object& fact) {
  latest_[{service, worker}] = json::object{
      {"service", service}, {"worker", worker}, {"time", fact.at("time")}, {"figures", link::report_figures(fact)}};
  if (latest_.size() > kMostLatest) {
    latest_.erase(std::min_element(latest_.begin(), latest_.end(), [](const auto& a, const auto& b) {
      return api::string_at(a.second, {"time"}) < api::string_at(b.second, {"time"});
    }));
  }
  const auto slash = service.find('/');
  const metrics::Labels labels{{"namespace", service.substr(0, slash)}, {"service", service.substr(slash + 1)}};
  for (const auto& [name, help, member] :
       {std::tuple{"sedna_lc_service_inferences", "As its edge workers on this node reported", "inferences"},
        {"sedna_lc_service_hard_examples", "As its edge workers on this node reported", "hardExamples"},
        {"sedna_lc_service_uploads", "As its edge workers on this node reported", "uploads"},
        {"sedna_lc_service_upload_bytes", "As its edge workers on this node reported", "uploadBytes"},
        {"sedna_lc_service_fallbacks", "As its edge workers on this node reported", "fallbacks"}}) {
    double total = 0;
    for (auto it = latest_.lower_bound({service, {}}); it != latest_.end() && it->first.first == service; ++it) {
      total += link::number_at(it->second.at("figures").get_object(), member);
    }
    registry_.gauge(name, help, labels).set(total);
  }
}

json::array WorkerReports::latest() const {
  const std::lock_guard lock(mutex_);
  json::array out;
  for (const auto& [key, entry] : latest_) {
    if (state_.get({std::string(kService), key.first}) != nullptr) out.push_back(entry);
  }
  return out;
}

}  // namespace sedna::lc
