// The row of a Pod, the one that people look at most: what kube-apiserver's printPod makes of its containers' states.
#include <algorithm>

#include "sedna/apiserver/table_cells.hpp"

namespace sedna::apiserver {
namespace {

using api::array_at;
using api::int_at;
using api::object_at;
using api::string_at;

struct Summary {
  std::string reason;
  std::int64_t ready = 0;
  std::int64_t restarts = 0;
  std::optional<std::chrono::system_clock::time_point> last_restart;
  bool initializing = false;
};

void count_restarts(const api::Object& status, Summary& out) {
  out.restarts += int_at(status, {"restartCount"});
  const auto end = api::parse_time(string_at(status, {"lastState", "terminated", "finishedAt"}));
  if (end && (!out.last_restart || *end > *out.last_restart)) out.last_restart = end;
}

/// "Completed", "Error", "OOMKilled", "Signal:9", "ExitCode:3".
std::string terminated_reason(const json::object& terminated) {
  const std::string_view reason = string_at(terminated, {"reason"});
  if (!reason.empty()) return std::string(reason);
  const std::int64_t signal = int_at(terminated, {"signal"});
  if (signal != 0) return "Signal:" + std::to_string(signal);
  return "ExitCode:" + std::to_string(int_at(terminated, {"exitCode"}));
}

void look_at_init_containers(const api::Object& pod, Summary& out) {
  const json::array* all = array_at(pod, {"spec", "initContainers"});
  const json::array* statuses = array_at(pod, {"status", "initContainerStatuses"});
  if (statuses == nullptr) return;
  Summary init;
  for (std::size_t i = 0; i < statuses->size(); ++i) {
    if (!(*statuses)[i].is_object()) continue;
    const json::object& status = (*statuses)[i].get_object();
    count_restarts(status, init);
    const json::object* terminated = object_at(status, {"state", "terminated"});
    if (terminated != nullptr && int_at(*terminated, {"exitCode"}, 1) == 0) continue;
    const std::string_view waiting = string_at(status, {"state", "waiting", "reason"});
    if (terminated != nullptr) {
      out.reason = "Init:" + terminated_reason(*terminated);
    } else if (!waiting.empty() && waiting != "PodInitializing") {
      out.reason = "Init:" + std::string(waiting);
    } else {
      out.reason = "Init:" + std::to_string(i) + "/" + std::to_string(all == nullptr ? 0 : all->size());
    }
    out.initializing = true;
    out.restarts = init.restarts;
    out.last_restart = init.last_restart;
    return;
  }
}

void look_at_containers(const api::Object& pod, Summary& out) {
  const json::array* statuses = array_at(pod, {"status", "containerStatuses"});
  if (statuses == nullptr) return;
  bool running = false;
  out.restarts = 0;
  out.last_restart.reset();
  for (auto it = statuses->rbegin(); it != statuses->rend(); ++it) {
    if (!it->is_object()) continue;
    const json::object& status = it->get_object();
    count_restarts(status, out);
    const std::string_view waiting = string_at(status, {"state", "waiting", "reason"});
    const json::object* terminated = object_at(status, {"state", "terminated"});
    const json::value* ready = status.if_contains("ready");
    if (!waiting.empty()) {
      out.reason = waiting;
    } else if (terminated != nullptr) {
      out.reason = terminated_reason(*terminated);
    } else if (ready != nullptr && ready->is_bool() && ready->get_bool() &&
               object_at(status, {"state", "running"}) != nullptr) {
      running = true;
      ++out.ready;
    }
  }
  if (out.reason == "Completed" && running) {
    const json::array* conditions = array_at(pod, {"status", "conditions"});
    const bool is_ready =
        conditions != nullptr && std::any_of(conditions->begin(), conditions->end(), [](const auto& c) {
          return c.is_object() && string_at(c.get_object(), {"type"}) == "Ready" &&
                 string_at(c.get_object(), {"status"}) == "True";
        });
    out.reason = is_ready ? "Running" : "NotReady";
  }
}

json::value or_none(std::string_view text) {
  return text.empty() ? json::value("<none>") : json::value(text);
}

}  // namespace

json::array pod_cells(const api::Object& pod) {
  Summary summary;
  summary.reason = string_at(pod, {"status", "reason"});
  if (summary.reason.empty()) summary.reason = string_at(pod, {"status", "phase"});
  const json::array* conditions = array_at(pod, {"status", "conditions"});
  if (conditions != nullptr) {
    for (const json::value& c : *conditions) {
      if (c.is_object() && string_at(c.get_object(), {"type"}) == "PodScheduled" &&
          string_at(c.get_object(), {"reason"}) == "SchedulingGated") {
        summary.reason = "SchedulingGated";
      }
    }
  }
  look_at_init_containers(pod, summary);
  if (!summary.initializing) look_at_containers(pod, summary);
  if (api::is_deleting(pod)) {
    const std::string_view phase = string_at(pod, {"status", "phase"});
    if (string_at(pod, {"status", "reason"}) == "NodeLost") {
      summary.reason = "Unknown";
    } else if (phase != "Failed" && phase != "Succeeded") {
      summary.reason = "Terminating";
    }
  }
  std::string restarts = std::to_string(summary.restarts);
  if (summary.restarts > 0 && summary.last_restart) restarts += " (" + age_since(*summary.last_restart) + " ago)";
  const json::array* containers = array_at(pod, {"spec", "containers"});
  const std::size_t total = containers == nullptr ? 0 : containers->size();
  return json::array{json::value(api::name_of(pod)),
                     json::value(std::to_string(summary.ready) + "/" + std::to_string(total)),
                     json::value(summary.reason),
                     json::value(restarts),
                     json::value(age_of(pod)),
                     or_none(string_at(pod, {"status", "podIP"})),
                     or_none(string_at(pod, {"spec", "nodeName"})),
                     or_none(string_at(pod, {"status", "nominatedNodeName"})),
                     json::value("<none>")};
}

}  // namespace sedna::apiserver
