// The status of a FederatedLearningJob, as its controller writes it: only when something changed.
#include <algorithm>

#include "sedna/base/log.hpp"
#include "sedna/gm/children.hpp"
#include "sedna/gm/conditions.hpp"
#include "sedna/gm/federated_learning.hpp"

namespace sedna::gm {

namespace {

using State = FederatedWorkerHealth::State;

/// Figures are written this often, or together with something that cannot wait.
constexpr std::chrono::seconds kReportPeriod(3);
constexpr std::chrono::seconds kVagueAgain(15);
constexpr std::chrono::seconds kObstacleAgain(30);

std::string_view name_of(State state) {
  switch (state) {
    case State::kMissing:
    case State::kPending:
      return "Pending";
    case State::kRunning:
      return "Running";
    case State::kSucceeded:
      return "Succeeded";
    case State::kFailing:
      return "Failing";
  }
  return "Pending";
}

/// This kind's conditions have a lastProbeTime where others have a lastTransitionTime.
void with_probe_times(json::array& conditions) {
  for (auto& entry : conditions) {
    if (!entry.is_object()) continue;
    auto& o = entry.get_object();
    if (!o.contains("lastTransitionTime")) continue;
    json::value changed = std::move(o["lastTransitionTime"]);  // a new member may move the others
    o.erase("lastTransitionTime");
    o["lastProbeTime"] = std::move(changed);
  }
}

/// The aggregator knows who is connected and has not brought its update; who is not even connected, GM knows.
void add_lost_stragglers(json::object& status, const std::vector<FederatedWorkerHealth>& workers) {
  if (api::int_at(status, {"progress", "arrived"}) == 0) return;
  json::array names;
  if (const auto* told = api::array_at(status, {"progress", "stragglers"})) names = *told;
  for (const auto& worker : workers) {
    const bool lost = worker.worker.role == FederatedRole::kTrain &&
                      (worker.state == State::kFailing || worker.state == State::kMissing);
    const json::value name(worker.worker_name);
    if (lost && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (!names.empty()) status["progress"].get_object()["stragglers"] = std::move(names);
}

}  // namespace

void FederatedLearningController::put_workers(Look& look) const {
  json::array before;
  if (const auto* list = api::array_at(look.status, {"workers"})) before = *list;
  json::array after;
  std::int64_t active = 0, succeeded = 0, failed = 0;
  for (const auto& health : look.workers) {
    json::object entry{{"worker", health.worker_name}, {"role", role_name(health.worker.role)}};
    for (const auto& old : before) {
      if (!old.is_object() || api::string_at(old.get_object(), {"worker"}) != health.worker_name) continue;
      for (const std::string_view kept : {"round", "updateTime"}) {
        if (const json::value* v = old.get_object().if_contains(kept)) entry[kept] = *v;
      }
    }
    if (!health.worker.dataset.empty()) entry["dataset"] = health.worker.dataset;
    if (health.pod != nullptr) {
      entry["pod"] = api::name_of(*health.pod);
      entry["node"] = api::string_at(*health.pod, {"spec", "nodeName"});
    }
    entry["state"] = name_of(health.state);
    if (!health.message.empty()) entry["message"] = health.message;
    entry["restarts"] = health.restarts;
    entry["rebuilt"] = health.rebuilt;
    after.push_back(std::move(entry));
    active += health.pod != nullptr && (health.state == State::kPending || health.state == State::kRunning) ? 1 : 0;
    succeeded += health.state == State::kSucceeded ? 1 : 0;
    failed += health.state == State::kFailing ? 1 : 0;
  }
  look.status["workers"] = std::move(after);
  look.status["active"] = active;
  look.status["succeeded"] = succeeded;
  look.status["failed"] = failed;
}

void FederatedLearningController::put_state(Look& look, const std::optional<std::string>& complete,
                                            const FederatedReports& reports) {
  const std::string now = api::format_time(clock_.wall());
  auto& status = look.status;
  json::array list = status["conditions"].get_array();  // of its own: members of an object move when others come
  if (options_.plaintext) {
    set_condition(list,
                  {"InsecureTransport", true, "PlaintextWorkers",
                   "workers talk without TLS and identity, as upstream's do; `security: required` in GM's "
                   "configuration ends that"},
                  now, false);
  } else if (find_condition(list, "InsecureTransport") != nullptr) {
    set_condition(list, {"InsecureTransport", false, "SecurityRequired", ""}, now, false);
  }
  // Who is failing, who is only slow, and whether the job goes on nevertheless.
  const FederatedWorkerHealth *failing = nullptr, *waiting = nullptr;
  std::size_t training = 0;
  for (const auto& worker : look.workers) {
    if (worker.state == State::kFailing && failing == nullptr) failing = &worker;
    if ((worker.state == State::kPending || worker.state == State::kMissing) && waiting == nullptr) waiting = &worker;
    const bool trains = worker.worker.role == FederatedRole::kTrain;
    training += trains && (worker.state == State::kRunning || worker.state == State::kSucceeded) ? 1 : 0;
  }
  const bool aggregates = !look.workers.empty() && (look.workers.front().state == State::kRunning ||
                                                    look.workers.front().state == State::kSucceeded);
  const bool goes_on = aggregates && training > 0;
  std::string phase, reason, message;
  const auto recovered = [&](const char* type, const std::string& why) {
    if (find_condition(list, type) != nullptr) set_condition(list, {type, false, why, ""}, now, false);
  };
  if (complete) {
    phase = "Succeeded";
    if (api::string_at(status, {"completionTime"}).empty()) status["completionTime"] = now;
    recovered("Failed", "Recovered");
    recovered("Degraded", "Completed");
    recovered("Training", "Completed");
    set_condition(list, {"Complete", true, "Completed", *complete}, now, true);
  } else if ((look.obstacle && look.obstacle->failing && !goes_on) || (failing != nullptr && !goes_on)) {
    phase = "Failed";
    if (look.obstacle && look.obstacle->failing) {
      reason = look.obstacle->reason;
      message = look.obstacle->message;
    } else {
      reason = "workerFailed";
      message = failing->reason + ": " + failing->message;
    }
    recovered("Training", "Failed");
    set_condition(list, {"Failed", true, reason, message}, now, true);
  } else {
    recovered("Failed", "Recovered");
    if (goes_on && (failing != nullptr || look.obstacle)) {
      set_condition(list,
                    {"Degraded", true, failing != nullptr ? "workerFailed" : look.obstacle->reason,
                     failing != nullptr ? failing->reason + ": " + failing->message : look.obstacle->message},
                    now, false);
    } else {
      recovered("Degraded", "Recovered");
    }
    phase = goes_on ? "Running" : "Pending";
    if (goes_on) {
      reason = "WorkersReady";
      if (const json::object* before = find_condition(list, "Training");
          before != nullptr && api::string_at(*before, {"reason"}) == "DoTraining") {
        reason = "DoTraining";
        message = api::string_at(*before, {"message"});
      }
      if (!reports.training.empty()) {
        reason = "DoTraining";
        message = reports.training;
      }
    } else if (look.obstacle) {
      reason = look.obstacle->reason;
      message = look.obstacle->message;
    } else if (waiting != nullptr) {
      reason = waiting->reason.empty() ? "WorkersStarting" : waiting->reason;
      message = waiting->message.empty() ? "waiting for " + waiting->worker_name : waiting->message;
    }
    set_condition(list, {"Training", goes_on, reason, message}, now, true);
  }
  with_probe_times(list);
  status["phase"] = phase;
  status["conditions"] = std::move(list);
}

bool FederatedLearningController::write_model_metrics(const api::Object& job, const FederatedReports& reports) {
  if (!reports.model_metrics) return true;
  const auto name = api::string_at(job, {"spec", "aggregationWorker", "model", "name"});
  const auto model = informers_.models.cache().get(api::namespace_of(job), std::string(name));
  if (model == nullptr) return true;
  const auto* known = api::array_at(*model, {"status", "metrics"});
  if (known != nullptr && *known == *reports.model_metrics) return true;
  json::object status{{"updateTime", api::format_time(clock_.wall())}};
  status["metrics"] = *reports.model_metrics;
  json::object body;
  body["status"] = std::move(status);
  auto answer = server_.merge_patch_status(api::kinds::kModel, api::namespace_of(*model), api::name_of(*model),
                                           store::MergePatch(std::move(body), api::resource_version_of(*model)));
  if (answer) {
    informers_.models.remember(std::move(*answer));
    return true;
  }
  if (answer.status().is_conflict()) return false;
  if (!answer.status().is_not_found()) throw answer.status().to_error();
  return true;
}

void FederatedLearningController::tell_metrics(const api::Object& job, const json::object& status) {
  if (registry_ == nullptr) return;
  const auto* progress = api::object_at(status, {"progress"});
  if (progress == nullptr) return;
  const metrics::Labels labels{{"namespace", std::string(api::namespace_of(job))},
                               {"job", std::string(api::name_of(job))}};
  const auto set = [&](std::string_view name, std::string_view help, std::string_view member) {
    registry_->gauge(name, help, labels).set(static_cast<double>(api::int_at(*progress, {member})));
  };
  set("sedna_gm_federated_round", "The last round of the job whose model is out", "round");
  set("sedna_gm_federated_arrived", "Updates of the open round that are in", "arrived");
  set("sedna_gm_federated_selected", "Updates that close a round", "selected");
  set("sedna_gm_federated_received_bytes", "Updates that the aggregator has received", "bytesReceived");
  set("sedna_gm_federated_sent_bytes", "Models that the aggregator has sent", "bytesSent");
  const auto* stragglers = api::array_at(*progress, {"stragglers"});
  registry_->gauge("sedna_gm_federated_stragglers", "Workers that the open round waits for", labels)
      .set(stragglers == nullptr ? 0 : static_cast<double>(stragglers->size()));
  if (const auto* values = api::object_at(*progress, {"metrics"})) {
    for (const auto& [name, value] : *values) {
      if (name != "accuracy" && name != "loss") continue;
      registry_->gauge("sedna_gm_federated_" + std::string(name), "As the workers reported it, last round", labels)
          .set(value.to_number<double>());
    }
  }
}

control::ReconcileResult FederatedLearningController::write_status(Look& look) {
  const api::Object& job = look.job;
  const std::string key = api::key_of(job);
  static const json::object kNone;
  const auto* before = api::object_at(job, {"status"});
  if (before == nullptr) before = &kNone;
  json::object& status = look.status;
  if (api::string_at(status, {"startTime"}).empty()) status["startTime"] = api::format_time(clock_.wall());
  json::value& list = status["conditions"];
  if (!list.is_array()) list = json::array();

  std::optional<std::string> complete;
  if (!look.ended) complete = completion(look);
  if (!look.ended) put_workers(look);
  std::vector<Fact> facts = inbox_.waiting(key);
  // A change of a worker or of the job is told at once; reports alone wait for their turn.
  const json::object without_reports = status;
  std::map<std::string, ReportingWorker> by_uid;
  for (const auto& worker : look.workers) {
    if (worker.pod == nullptr) continue;
    by_uid[std::string(api::uid_of(*worker.pod))] = {worker.worker_name,
                                                     worker.worker.role == FederatedRole::kAggregation};
  }
  FederatedReports reports;
  bool held_back = false;
  if (!facts.empty()) {
    const std::lock_guard lock(mutex_);
    const auto last = reported_.find(key);
    const auto since = last == reported_.end() ? SteadyClock::duration::max() : clock_.now() - last->second;
    if (since < kReportPeriod && without_reports == *before && !complete) {
      look.look_again(kReportPeriod - since);
      held_back = true;
    }
  }
  if (held_back) facts.clear();
  if (!facts.empty()) {
    reports = merge_federated_reports(status, facts, by_uid);
    if (!look.ended) add_lost_stragglers(status, look.workers);
  }
  if (!reports.model_url.empty()) api::make_object(status, {"model"})["url"] = reports.model_url;
  if (!look.ended) {
    api::make_object(status, {"model"})["name"] = api::string_at(job, {"spec", "aggregationWorker", "model", "name"});
    status["observedGeneration"] = api::generation_of(job);
    status["run"] = look.run;
    put_state(look, complete, reports);
  } else if (status.contains("model") && !status["model"].get_object().contains("name")) {
    status["model"].get_object()["name"] = api::string_at(job, {"spec", "aggregationWorker", "model", "name"});
  }
  if (complete && api::string_at(status, {"model", "url"}).empty()) {
    const auto model = informers_.models.cache().get(
        api::namespace_of(job), std::string(api::string_at(job, {"spec", "aggregationWorker", "model", "name"})));
    if (model != nullptr) status["model"].get_object()["url"] = api::string_at(*model, {"spec", "url"});
  }

  control::ReconcileResult result;
  if (look.obstacle) look.look_again(look.obstacle->failing ? kObstacleAgain : std::chrono::seconds(5));
  for (const auto& worker : look.workers) {
    if (worker.vague && !look.ended) look.look_again(kVagueAgain);
  }
  result.requeue_after = look.again;
  if (!write_model_metrics(job, reports)) return control::ReconcileResult::after(std::chrono::seconds(1));
  if (status != *before) {
    json::object body;
    body["status"] = patch_to(*before, status);
    auto answer =
        server_.merge_patch_status(api::kinds::kFederatedLearningJob, api::namespace_of(job), api::name_of(job),
                                   store::MergePatch(std::move(body), api::resource_version_of(job)));
    if (!answer) {
      if (answer.status().is_not_found()) return control::ReconcileResult::done();
      if (!answer.status().is_conflict()) throw answer.status().to_error();
      // A newer version is on its way here, and brings the key with it.
      return control::ReconcileResult::after(std::chrono::seconds(1));
    }
    informers_.jobs.remember(std::move(*answer));
    tell_metrics(job, status);
    const auto* old = api::array_at(*before, {"conditions"});
    const bool was_failed = old != nullptr && is_true(*old, "Failed");
    const bool failed = is_true(status["conditions"].get_array(), "Failed");
    if (complete) {
      events_.normal(job, "Completed", "FederatedLearningJob completed");
    } else if (failed && !was_failed) {
      const auto* condition = find_condition(status["conditions"].get_array(), "Failed");
      events_.warning(job, api::string_at(*condition, {"reason"}), api::string_at(*condition, {"message"}));
    } else if (was_failed && !failed) {
      events_.normal(job, "Recovered", "the job goes on");
    }
  }
  if (!facts.empty()) {
    {
      const std::lock_guard lock(mutex_);
      reported_[key] = clock_.now();
    }
    inbox_.acknowledge(key, facts);
  }
  return result;
}

}  // namespace sedna::gm
