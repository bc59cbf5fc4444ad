#include "sedna/gm/no_controller.hpp"

#include "sedna/gm/conditions.hpp"

namespace sedna::gm {

namespace {

constexpr std::string_view kReason = "NoController";

std::string message_for(const api::Kind& kind) {
  return "this version of sedna-gm has no controller for " + std::string(kind.kind) +
         ": the object is stored and nothing acts on it";
}

/// Incremental and lifelong learning keep a log of stages, in which upstream's first entry is Waiting/Train.
bool has_stages(const api::Kind& kind) {
  return &kind == &api::kinds::kIncrementalLearningJob || &kind == &api::kinds::kLifelongLearningJob;
}

}  // namespace

NoController::NoController(store::ApiServer& server, control::Informer& informer, const Clock& clock)
    : server_(server), informer_(informer), clock_(clock) {}

control::ReconcileResult NoController::reconcile(const std::string& key) {
  const auto object = informer_.cache().get(key);
  if (object == nullptr || api::is_deleting(*object)) return control::ReconcileResult::done();
  const api::Kind& kind = informer_.kind();
  const auto* present = api::array_at(*object, {"status", "conditions"});
  json::array conditions = present == nullptr ? json::array() : *present;
  for (const auto& entry : conditions) {
    if (entry.is_object() && api::string_at(entry.get_object(), {"reason"}) == kReason) {
      return control::ReconcileResult::done();
    }
  }
  // A job that another GM has taken up says more than we could.
  if (has_stages(kind) && !conditions.empty()) return control::ReconcileResult::done();
  const std::string now = api::format_time(clock_.wall());
  const bool stages = has_stages(kind);
  json::object entry{{"type", stages ? "Waiting" : "Controlled"},
                     {"status", stages ? "True" : "False"},
                     {"lastHeartbeatTime", now},
                     {"reason", kReason},
                     {"message", message_for(kind)}};
  if (stages) entry["stage"] = "Train";
  if (&kind != &api::kinds::kFederatedLearningJob) entry["lastTransitionTime"] = now;  // its conditions have none
  conditions.push_back(std::move(entry));
  json::object status;
  status["conditions"] = std::move(conditions);
  json::object body;
  body["status"] = std::move(status);
  auto answer = server_.merge_patch_status(kind, api::namespace_of(*object), api::name_of(*object),
                                           store::MergePatch(std::move(body), api::resource_version_of(*object)));
  if (answer) {
    informer_.remember(std::move(*answer));
    return control::ReconcileResult::done();
  }
  if (answer.status().is_not_found()) return control::ReconcileResult::done();
  if (answer.status().is_conflict()) return control::ReconcileResult::after(std::chrono::seconds(1));
  throw answer.status().to_error();
}

}  // namespace sedna::gm
