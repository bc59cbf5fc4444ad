#include "sedna/gm/data_status.hpp"

#include "sedna/gm/conditions.hpp"
#include "sedna/gm/edge_state.hpp"

namespace sedna::gm {

namespace {

constexpr std::chrono::seconds kPatience(10);

/// Writes what differs. True when it was written, or there was nothing to write.
bool write_status(store::ApiServer& server, control::Informer& informer, const api::Object& object,
                  const json::object& status) {
  static const json::object kNone;
  const auto* before = api::object_at(object, {"status"});
  if (before == nullptr) before = &kNone;
  if (*before == status) return true;
  json::object patch;
  for (const auto& [key, value] : status) {
    const json::value* old = before->if_contains(key);
    if (old == nullptr || *old != value) patch[key] = value;
  }
  for (const auto& [key, value] : *before) {
    if (!status.contains(key)) patch[key] = nullptr;
  }
  json::object body;
  body["status"] = std::move(patch);
  auto answer = server.merge_patch_status(informer.kind(), api::namespace_of(object), api::name_of(object),
                                          store::MergePatch(std::move(body), api::resource_version_of(object)));
  if (!answer) {
    if (answer.status().is_conflict() || answer.status().is_not_found()) return false;
    throw answer.status().to_error();
  }
  informer.remember(std::move(*answer));
  return true;
}

bool is_duplicate(const json::object& status, const Fact& fact) {
  return !fact.source.empty() && api::string_at(status, {"reporter"}) == fact.source &&
         static_cast<std::uint64_t>(api::int_at(status, {"sequence"})) >= fact.sequence;
}

json::object status_of(const api::Object& object) {
  const auto* status = api::object_at(object, {"status"});
  return status == nullptr ? json::object() : *status;
}

json::array& conditions_of(json::object& status) {
  json::value& list = status["conditions"];
  if (!list.is_array()) list = json::array();
  return list.get_array();
}

}  // namespace

DatasetController::DatasetController(store::ApiServer& server, Caches& caches,
                                     std::function<bool(const std::string&)> connected, const Clock& clock)
    : server_(server), caches_(caches), connected_(std::move(connected)), clock_(clock) {}

control::ReconcileResult DatasetController::reconcile(const std::string& key) {
  const auto dataset = caches_.datasets.cache().get(key);
  if (dataset == nullptr || api::is_deleting(*dataset)) {
    inbox_.drop(key);
    return control::ReconcileResult::done();
  }
  json::object status = status_of(*dataset);
  const std::string now = api::format_time(clock_.wall());
  const std::string node(api::string_at(*dataset, {"spec", "nodeName"}));
  const std::vector<Fact> facts = inbox_.waiting(key);
  control::ReconcileResult result;
  for (const auto& fact : facts) {
    if (fact.node != node || is_duplicate(status, fact)) continue;  // of the node it was on before
    const json::object before = status;
    if (const json::value* count = fact.body.if_contains("numberOfSamples"); count != nullptr && count->is_int64()) {
      if (!status.contains("numberOfSamples") || api::int_at(status, {"numberOfSamples"}) != count->get_int64()) {
        status["numberOfSamples"] = *count;
        status["updateTime"] = now;
      }
      set_condition(conditions_of(status), {"Ready", true, "Counted", ""}, now, true);
    } else {
      const std::string reason(api::string_at(fact.body, {"reason"}, "NotCounted"));
      const std::string message(api::string_at(fact.body, {"message"}));
      set_condition(conditions_of(status), {"Ready", false, reason, "node " + node + ": " + message}, now, true);
    }
    status["observedGeneration"] = api::generation_of(*dataset);
    // A local controller that comes back tells what it knows once more: that alone is not worth a write.
    if (status != before && !fact.source.empty()) {
      status["reporter"] = fact.source;
      status["sequence"] = static_cast<std::int64_t>(fact.sequence);
    }
  }
  const auto* conditions = api::array_at(status, {"conditions"});
  const bool told = conditions != nullptr && find_condition(*conditions, "Ready") != nullptr;
  // Upstream's local controllers do not report a count of 0, and one that is away reports nothing.
  const bool waits_for_node = !connected_(node);
  const bool says_so = told && api::string_at(*find_condition(*conditions, "Ready"), {"reason"}) == "NotConnected";
  if (waits_for_node && !told) {
    const auto created = api::parse_time(api::string_at(*dataset, {"metadata", "creationTimestamp"}));
    const auto age = created ? clock_.wall() - *created : kPatience;
    if (age < kPatience) {
      result.requeue_after = kPatience;
    } else {
      set_condition(conditions_of(status),
                    {"Ready", false, "NotConnected",
                     "the local controller of node " + node + " is not connected; the samples are counted once it is"},
                    now, true);
    }
  } else if (!waits_for_node && says_so) {
    set_condition(conditions_of(status), {"Ready", false, "Counting", ""}, now, true);
  }
  // The schema of a Dataset's status wants a count, from the first word on.
  if (!status.empty() && !status.contains("numberOfSamples")) status["numberOfSamples"] = 0;
  if (!write_status(server_, caches_.datasets, *dataset, status)) {
    return control::ReconcileResult::after(std::chrono::seconds(1));
  }
  inbox_.acknowledge(key, facts);
  return result;
}

ModelController::ModelController(store::ApiServer& server, Caches& caches, const Clock& clock)
    : server_(server), caches_(caches), clock_(clock) {}

void ModelController::watch(control::Controller& controller) {
  controller.watch(caches_.models);
  // Where a model is used changes with the services and their Pods.
  controller.watch(caches_.services, index_by_model);
  controller.watch(caches_.federated_jobs, index_job_by_model);
  Caches& caches = caches_;
  controller.watch(caches_.pods, [&caches](const api::Object& pod) -> std::vector<std::string> {
    const auto name = api::label(pod, name_label(api::kinds::kJointInferenceService));
    const auto service = name ? caches.services.cache().get(api::namespace_of(pod), *name) : nullptr;
    return service == nullptr ? std::vector<std::string>{} : index_by_model(*service);
  });
}

control::ReconcileResult ModelController::reconcile(const std::string& key) {
  const auto model = caches_.models.cache().get(key);
  if (model == nullptr || api::is_deleting(*model)) {
    inbox_.drop(key);
    return control::ReconcileResult::done();
  }
  json::object status = status_of(*model);
  const std::set<std::string> nodes = nodes_of_model(caches_, *model);
  const std::vector<Fact> facts = inbox_.waiting(key);
  json::array entries;
  if (const auto* known = api::array_at(status, {"nodes"})) {
    for (const auto& entry : *known) {
      const auto node = entry.is_object() ? api::string_at(entry.get_object(), {"node"}) : std::string_view();
      if (nodes.contains(std::string(node))) entries.push_back(entry);
    }
  }
  for (const auto& fact : facts) {
    if (!nodes.contains(fact.node)) continue;
    json::object entry{{"node", fact.node}};
    const json::value* exists = fact.body.if_contains("exists");
    entry["exists"] = exists != nullptr && exists->is_bool() && exists->get_bool();
    for (const std::string_view name : {"bytes", "digest", "message"}) {
      if (const json::value* v = fact.body.if_contains(name); v != nullptr && !v->is_null()) entry[name] = *v;
    }
    auto same = entries.begin();
    while (same != entries.end() && api::string_at(same->get_object(), {"node"}) != fact.node) ++same;
    if (same != entries.end()) {
      // The time is that of the last change.
      json::object old = same->get_object();
      old.erase("updateTime");
      if (old == entry) continue;
      entry["updateTime"] = api::format_time(clock_.wall());
      *same = std::move(entry);
    } else {
      entry["updateTime"] = api::format_time(clock_.wall());
      entries.push_back(std::move(entry));
    }
  }
  if (entries.empty()) {
    status.erase("nodes");
  } else {
    status["nodes"] = std::move(entries);
  }
  if (!write_status(server_, caches_.models, *model, status)) {
    return control::ReconcileResult::after(std::chrono::seconds(1));
  }
  inbox_.acknowledge(key, facts);
  return control::ReconcileResult::done();
}

}  // namespace sedna::gm
