// The status of a JointInferenceService, as its controller writes it: only when something changed.
#include "sedna/base/log.hpp"
#include "sedna/gm/conditions.hpp"
#include "sedna/gm/edge_reports.hpp"
#include "sedna/gm/joint_inference.hpp"

namespace sedna::gm {

namespace {

using State = ServiceHealth::State;

constexpr std::chrono::seconds kReportPeriod(60);
constexpr std::chrono::seconds kVagueAgain(15);
constexpr std::chrono::seconds kObstacleAgain(30);
constexpr std::chrono::seconds kAfterConflict(1);

std::string_view type_of(State state) {
  switch (state) {
    case State::kPending:
      return "Pending";
    case State::kRunning:
      return "Running";
    case State::kFailed:
      return "Failed";
  }
  return "Pending";
}

void put_conditions(json::array& conditions, const ServiceHealth& health, const WorkerOptions& options,
                    std::string_view now) {
  if (options.plaintext) {
    set_condition(conditions,
                  {"InsecureTransport", true, "PlaintextWorkers",
                   "workers talk without TLS and identity, as upstream's do; `security: required` in GM's "
                   "configuration ends that"},
                  now, false);
  } else if (find_condition(conditions, "InsecureTransport") != nullptr) {
    set_condition(conditions, {"InsecureTransport", false, "SecurityRequired", ""}, now, false);
  }
  for (const State state : {State::kPending, State::kRunning, State::kFailed}) {
    if (state == health.state || find_condition(conditions, type_of(state)) == nullptr) continue;
    const bool recovered = state == State::kFailed;
    set_condition(
        conditions,
        {std::string(type_of(state)), false, recovered ? "Recovered" : std::string(type_of(health.state)), ""}, now,
        false);
  }
  set_condition(conditions, {std::string(type_of(health.state)), true, health.reason, health.message}, now, true);
}

/// Pods come and go between two reports.
void refresh_readiness(json::object& status, const std::map<std::string, LivingPod>& living) {
  json::value* entries = status.if_contains("edgeWorkers");
  if (entries == nullptr || !entries->is_array()) return;
  for (auto& entry : entries->get_array()) {
    if (!entry.is_object()) continue;
    const auto pod = living.find(std::string(api::string_at(entry.get_object(), {"uid"})));
    entry.get_object()["ready"] = pod != living.end() && pod->second.ready;
  }
}

/// A merge patch that turns one status into another, member by member; null removes.
json::object status_patch(const json::object& before, const json::object& after) {
  json::object patch;
  for (const auto& [key, value] : after) {
    const json::value* old = before.if_contains(key);
    if (old == nullptr || *old != value) patch[key] = value;
  }
  for (const auto& [key, value] : before) {
    if (!after.contains(key)) patch[key] = nullptr;
  }
  return patch;
}

}  // namespace

control::ReconcileResult JointInferenceController::write_status(const api::Object& service,
                                                                const std::optional<Obstacle>& obstacle,
                                                                std::vector<WorkerHealth> health) {
  const std::string key = api::key_of(service);
  ServiceHealth overall = assess_service(health);
  if (obstacle && overall.state != State::kRunning) {
    overall.state = obstacle->failing ? State::kFailed : State::kPending;
    overall.reason = obstacle->reason;
    overall.message = obstacle->message;
  } else if (obstacle) {
    // It serves, but not as the service now says: the old workers go on.
    overall.reason = obstacle->reason;
    overall.message = obstacle->message;
  }
  static const json::object kNone;
  const auto* before = api::object_at(service, {"status"});
  if (before == nullptr) before = &kNone;
  json::object status = *before;
  const std::string now = api::format_time(clock_.wall());
  if (api::string_at(status, {"startTime"}).empty()) status["startTime"] = now;
  json::value& list = status["conditions"];
  if (!list.is_array()) list = json::array();
  const bool was_failed = is_true(list.get_array(), "Failed");
  put_conditions(list.get_array(), overall, options_, now);
  status["active"] = overall.active;
  status["failed"] = overall.failed;
  status["observedGeneration"] = api::generation_of(service);
  for (const auto& w : health) status[w.role] = json::object{{"ready", w.ready}, {"wanted", w.desired}};

  std::map<std::string, LivingPod> living;
  for (const auto& pod : informers_.pods.cache().by_index("service", api::uid_of(service))) {
    living[std::string(api::uid_of(*pod))] = {std::string(api::name_of(*pod)), is_ready(*pod)};
  }
  refresh_readiness(status, living);

  control::ReconcileResult result;
  const auto again = [&result](SteadyClock::duration delay) {
    if (!result.requeue_after || delay < *result.requeue_after) result.requeue_after = delay;
  };
  if (obstacle) again(obstacle->failing ? kObstacleAgain : std::chrono::seconds(5));
  for (const auto& w : health) {
    if (!w.serves() && w.problem && w.problem->vague) again(kVagueAgain);
  }
  // Figures are written once a minute, or together with something that cannot wait.
  const bool urgent = status != *before;
  std::vector<Fact> reports = inbox_.waiting(key);
  if (!reports.empty()) {
    const std::lock_guard lock(mutex_);
    const auto last = reported_.find(key);
    const auto since = last == reported_.end() ? SteadyClock::duration::max() : clock_.now() - last->second;
    if (since < kReportPeriod && !urgent) {
      again(kReportPeriod - since);
      reports.clear();
    }
  }
  if (!reports.empty()) merge_edge_reports(status, reports, living);
  if (status != *before) {
    json::object body;
    body["status"] = status_patch(*before, status);
    auto answer = server_.merge_patch_status(api::kinds::kJointInferenceService, api::namespace_of(service),
                                             api::name_of(service),
                                             store::MergePatch(std::move(body), api::resource_version_of(service)));
    if (!answer) {
      if (answer.status().is_not_found()) return control::ReconcileResult::done();
      if (!answer.status().is_conflict()) throw answer.status().to_error();
      // A newer version is on its way here, and brings the key with it.
      again(kAfterConflict);
      return result;
    }
    informers_.services.remember(std::move(*answer));
    if (overall.state == State::kFailed && !was_failed) {
      events_.warning(service, overall.reason, overall.message);
    } else if (was_failed && overall.state == State::kRunning) {
      events_.normal(service, "Recovered", "the service works again");
    }
  }
  if (!reports.empty()) {
    {
      const std::lock_guard lock(mutex_);
      reported_[key] = clock_.now();
    }
    inbox_.acknowledge(key, reports);
  }
  return result;
}

}  // namespace sedna::gm
