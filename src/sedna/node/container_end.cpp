// Ending one container: the preStop hook, SIGTERM, the grace period, SIGKILL.
#include <algorithm>

#include "sedna/node/exec_in.hpp"
#include "sedna/node/pod_runner.hpp"

namespace sedna::node {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

seconds PodRunner::grace() const {
  const auto own = api::int_at(pod_, {"spec", "terminationGracePeriodSeconds"}, 30);
  return seconds(std::max<std::int64_t>(0, api::int_at(pod_, {"metadata", "deletionGracePeriodSeconds"}, own)));
}

void PodRunner::begin_end(ContainerRef ref, seconds wait, const std::string& reason, const std::string& message) {
  auto& container = state_of(ref);
  const auto run = runs_.find(run_key(ref));
  container.ending = true;
  container.ending_reason = reason;
  drop_probes(ref);
  event(false, ref, "Killing", message.empty() ? "Stopping container " + container.name : message);
  if (run == runs_.end()) return;  // its end is taken in at the next look
  run->second.kill_at = SteadyClock::now() + wait;
  const auto* hook = api::object_at(spec_of(ref), {"lifecycle", "preStop"});
  if (hook == nullptr || wait.count() == 0) return;
  run->second.hook_running = true;
  const auto sleep = api::int_at(*hook, {"sleep", "seconds"}, -1);
  ProbeSpec spec = read_handler(spec_of(ref), *hook);
  spec.timeout = wait;
  ProbeTarget target;
  target.ip = state_.pod_ip;
  const AttemptPaths folder(paths_, container.name, container.attempt);
  target.exec = [folder](const std::vector<std::string>& command, Deadline deadline) {
    const auto done = exec_in(folder, command, deadline);
    return ProbeResult{done.exit_code == 0, done.output};
  };
  const Mail done{ref, container.attempt, Mail::What::kHookDone, true, {}};
  if (sleep >= 0) {
    // A probe that begins after the time is up tells so by coming at all.
    spec.kind = ProbeSpec::Kind::kExec;
    spec.initial_delay = seconds(sleep);
    target.exec = [](const std::vector<std::string>&, Deadline) { return ProbeResult{true, {}}; };
  }
  context_.prober->add(probe_key(ref, "preStop"), spec, target, [done, post = postman()](const ProbeResult& result) {
    auto mail = done;
    mail.ok = result.ok;
    mail.message = result.message;
    post(std::move(mail));
  });
}

/// The next step of an end under way, and when to look again.
void PodRunner::push_end(ContainerRef ref, Outcome& outcome) {
  const auto found = runs_.find(run_key(ref));
  if (found == runs_.end() || !state_of(ref).ending) return;
  auto& run = found->second;
  const auto again = [&](milliseconds delay) {
    if (!outcome.again || delay < *outcome.again) outcome.again = delay;
  };
  const auto now = SteadyClock::now();
  // A second, shorter deletion shortens the wait.
  if (run.kill_at && api::is_deleting(pod_)) run.kill_at = std::min(*run.kill_at, now + grace());
  if (run.kill_at && now >= *run.kill_at) {
    run.process.kill();
    run.killed = true;
    again(milliseconds(500));
    return;
  }
  if (!run.hook_running && !run.terminated) {
    run.process.terminate();
    run.terminated = true;
  }
  if (run.kill_at) again(std::chrono::ceil<milliseconds>(*run.kill_at - now));
}

}  // namespace sedna::node
