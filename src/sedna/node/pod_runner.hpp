// One Pod on this node, from its arrival to the removal of its last trace. Level-triggered: reconcile() looks at what
// the API server wants and what runs, does the next step, and says when to be called again. Calls for one Pod never
// overlap (the agent's queue sees to that); different Pods run on different threads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sedna/node/node_context.hpp"
#include "sedna/node/pod_state.hpp"
#include "sedna/node/process.hpp"
#include "sedna/node/volumes.hpp"

namespace sedna::node {

class PodRunner {
 public:
  /// `pod`: as the server has it, or as an earlier agent saved it.
  PodRunner(NodeContext& context, api::Object pod);
  ~PodRunner();
  PodRunner(const PodRunner&) = delete;
  PodRunner& operator=(const PodRunner&) = delete;

  /// Takes over what an earlier agent left running. Once, before the first reconcile().
  void adopt();

  struct Outcome {
    std::optional<std::chrono::milliseconds> again;
    bool gone = false;  ///< nothing of the Pod is left here, and the server knows: forget the runner
  };
  /// `wanted`: the Pod as the server has it now; null when it has none of this uid any more.
  Outcome reconcile(const control::ObjectPtr& wanted);

  const std::string& uid() const { return uid_; }
  /// Ends the Pod whatever the server wants, for `sedna-node stop`.
  void give_up() { given_up_ = true; }

  /// For the log server; thread-safe.
  static std::optional<int> newest_attempt(const PodPaths& paths, const std::string& container);

 private:
  struct Run {
    ContainerProcess process;
    std::optional<SteadyClock::time_point> kill_at;
    bool hook_running = false, terminated = false, killed = false;
  };
  struct Mail {
    ContainerRef ref;
    int attempt;
    enum class What : std::uint8_t { kStartup, kReadiness, kLiveness, kHookDone } what;
    bool ok;
    std::string message;
  };
  /// Where probes and hooks put their results; they may finish when the runner is gone already.
  struct Mailbox {
    std::mutex mutex;
    std::vector<Mail> mail;
  };
  /// Puts one in and asks for a look at the Pod.
  std::function<void(Mail)> postman() const;

  ContainerState& state_of(ContainerRef ref) {
    return ref.init ? state_.init[ref.index] : state_.containers[ref.index];
  }
  const json::object& spec_of(ContainerRef ref) const;
  std::string run_key(ContainerRef ref) const;
  /// Of the present run's control groups.
  std::string cgroup_name(ContainerRef ref);
  template <class F>
  void each_container(F&& f);

  // pod_runner.cpp
  bool set_up(TimePoint now, Outcome& outcome);
  void take_mail();
  void take_ends();
  void take_end(ContainerRef ref, const AttemptPaths& folder);
  void carry_out(const PodPlan& plan, bool stopping, TimePoint now);
  void save();
  void publish(bool stopping, TimePoint now, Outcome& outcome);
  void clean_up(const control::ObjectPtr& wanted, Outcome& outcome);

  // container_start.cpp
  void start(ContainerRef ref, TimePoint now);
  Result<void> launch(ContainerRef ref, const AttemptPaths& folder, std::string& reason);
  Result<Environment> environment_of(const json::object& container, const Invocation& invocation);
  void drop_old_attempts(const std::string& container, int keep_from);

  // container_end.cpp
  void begin_end(ContainerRef ref, std::chrono::seconds grace, const std::string& reason, const std::string& message);
  void push_end(ContainerRef ref, Outcome& outcome);
  std::chrono::seconds grace() const;

  // container_probes.cpp
  void watch_probes(ContainerRef ref);
  void drop_probes(ContainerRef ref);
  void take(const Mail& mail);
  std::string probe_key(ContainerRef ref, const char* which) const;

  void event(bool warning, ContainerRef ref, std::string_view reason, std::string_view message);

  NodeContext& context_;
  api::Object pod_;
  const std::string uid_;
  const PodPaths paths_;
  PodState state_;
  Volumes volumes_;
  bool volumes_ready_ = false, given_up_ = false, released_ = false;
  std::map<std::string, Run> runs_;  ///< by run_key
  struct Counters {
    std::optional<ProbeCounter> startup, readiness, liveness;
    int attempt = 0;
  };
  std::map<std::string, Counters> counters_;
  std::string saved_;  ///< what record.json holds
  std::string mount_problem_;
  std::optional<TimePoint> next_refresh_;  ///< of volumes from data
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
};

}  // namespace sedna::node
