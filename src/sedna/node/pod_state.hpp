// What is known of a Pod's containers, and what follows from it: which to start, which to end, what the status says.
// Values and pure functions; the runner carries them out, a file carries them over to the next agent.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sedna/api/object.hpp"

namespace sedna::node {

using TimePoint = std::chrono::system_clock::time_point;

/// How one run of a container ended.
struct ContainerEnd {
  ContainerEnd() {}
  int exit_code = 0;
  std::string reason;  ///< Completed, Error, OOMKilled, StartError, ContainerStatusUnknown
  std::string message;
  TimePoint started{}, finished{};
  int attempt = 0;
};

struct ContainerState {
  ContainerState() {}
  explicit ContainerState(std::string container_name) : name(std::move(container_name)) {}
  enum class Phase : std::uint8_t { kWaiting, kRunning, kEnded };

  std::string name;
  Phase phase = Phase::kWaiting;
  std::string waiting_reason, waiting_message;  ///< why it has not started: CreateContainerConfigError, …
  int attempt = 0;                              ///< number of its last start; 0: it never started
  TimePoint started_at{};
  std::optional<ContainerEnd> end;       ///< kEnded: this run's
  std::optional<ContainerEnd> last_end;  ///< of the run before
  int failures = 0;                      ///< ends that the back-off counts
  std::optional<TimePoint> not_before;   ///< back-off: no start earlier
  bool started = false;                  ///< the startup probe has passed (or there is none)
  bool ready = false;
  bool ending = false;  ///< asked to end (liveness, deletion): its end is no surprise
  std::string ending_reason;

  bool running() const { return phase == Phase::kRunning; }
};

struct PodState {
  PodState() {}
  std::vector<ContainerState> init, containers;
  std::string pod_ip, host_ip;
  std::optional<TimePoint> start_time;
  bool network_ready = false;
  std::string failed_reason, failed_message;  ///< the whole Pod has failed (DeadlineExceeded, refused by the node)
  std::vector<std::string> notes;             ///< what the Pod asked for and this home gives differently; a condition

  static PodState of(const api::Object& pod);
  json::object to_json() const;
  /// Takes over what an earlier agent knew of the same Pod; containers that the file does not know stay as they are.
  void restore(const json::object& saved);
};

/// One container of the plan: which list, which index.
struct ContainerRef {
  bool init = false;
  std::size_t index = 0;
  friend bool operator==(const ContainerRef&, const ContainerRef&) = default;
};

struct PodPlan {
  std::vector<ContainerRef> start;
  std::vector<ContainerRef> end;
  std::optional<TimePoint> again;  ///< a back-off or a deadline ends then
  bool initialized = false;
  bool over = false;  ///< nothing runs and nothing will be started any more
};

/// `stopping`: the Pod is being deleted or the node gives it up.
PodPlan plan_pod(const api::Object& pod, const PodState& state, bool stopping, TimePoint now);

/// After a container's end: sets its back-off (none before the first restart, then 10 s doubling to 300 s; forgotten
/// after ten minutes of work).
void note_end(ContainerState& container, ContainerEnd end);

/// What the spec asks for and no Pod of this home is given, a sentence each; nothing when there is nothing to say.
std::vector<std::string> asked_and_not_given(const api::Object& pod);
/// The status as Kubernetes has it, over what `pod` carries now (conditions of other writers stay).
json::object pod_status(const api::Object& pod, const PodState& state, bool stopping, TimePoint now);

bool is_sidecar(const json::object& init_container);
std::string container_id(const api::Object& pod, const std::string& container, int attempt);

}  // namespace sedna::node
