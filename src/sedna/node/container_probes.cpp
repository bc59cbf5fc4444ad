// A container's probes: set up when it starts, their results turned into started, ready, or a restart.
#include "sedna/node/exec_in.hpp"
#include "sedna/node/pod_runner.hpp"

namespace sedna::node {

std::string PodRunner::probe_key(ContainerRef ref, const char* which) const {
  return uid_ + "/" + run_key(ref) + "/" + which;
}

void PodRunner::drop_probes(ContainerRef ref) {
  context_.prober->remove_all(uid_ + "/" + run_key(ref) + "/");
  counters_.erase(run_key(ref));
}

/// Called when the container has started, and again when its startup probe has passed.
void PodRunner::watch_probes(ContainerRef ref) {
  auto& container = state_of(ref);
  const auto& spec = spec_of(ref);
  auto& counters = counters_[run_key(ref)];
  if (counters.attempt != container.attempt) {
    counters = Counters();
    counters.attempt = container.attempt;
  }
  ProbeTarget target;
  target.ip = state_.pod_ip;
  const AttemptPaths folder(paths_, container.name, container.attempt);
  target.exec = [folder](const std::vector<std::string>& command, Deadline deadline) {
    const auto done = exec_in(folder, command, deadline);
    ProbeResult out;
    out.ok = done.exit_code == 0 && !done.timed_out;
    out.message = done.timed_out ? "command timed out" : done.output;
    return out;
  };
  const auto add = [&](const char* name, Mail::What what, const ProbeSpec& probe) {
    const int attempt = container.attempt;
    context_.prober->add(probe_key(ref, name), probe, target,
                         [ref, attempt, what, post = postman()](const ProbeResult& result) {
                           post({ref, attempt, what, result.ok, result.message});
                         });
  };
  const auto startup = read_probe(spec, "startupProbe");
  if (startup && !container.started) {
    if (!counters.startup) counters.startup.emplace(startup->success_threshold, startup->failure_threshold, false);
    add("startup", Mail::What::kStartup, *startup);
    return;  // the others wait for it
  }
  container.started = true;
  if (const auto readiness = read_probe(spec, "readinessProbe")) {
    if (!counters.readiness)
      counters.readiness.emplace(readiness->success_threshold, readiness->failure_threshold, container.ready);
    add("readiness", Mail::What::kReadiness, *readiness);
  } else {
    container.ready = true;
  }
  if (const auto liveness = read_probe(spec, "livenessProbe")) {
    if (!counters.liveness) counters.liveness.emplace(1, liveness->failure_threshold, true);
    add("liveness", Mail::What::kLiveness, *liveness);
  }
}

void PodRunner::take(const Mail& mail) {
  auto& container = state_of(mail.ref);
  if (mail.what == Mail::What::kHookDone) {
    context_.prober->remove(probe_key(mail.ref, "preStop"));
    if (!mail.ok) event(true, mail.ref, "FailedPreStopHook", "PreStopHook failed: " + mail.message);
    if (const auto run = runs_.find(run_key(mail.ref)); run != runs_.end()) run->second.hook_running = false;
    return;
  }
  if (!container.running() || container.ending || container.attempt != mail.attempt) return;
  auto& counters = counters_[run_key(mail.ref)];
  const auto unhealthy = [&](const char* what) {
    event(true, mail.ref, "Unhealthy", std::string(what) + " probe failed: " + mail.message);
  };
  const auto restart = [&](const char* probe, const char* name) {
    auto wait = grace();
    const auto own = api::int_at(spec_of(mail.ref), {name, "terminationGracePeriodSeconds"}, -1);
    if (own >= 0) wait = std::chrono::seconds(own);
    begin_end(mail.ref, wait, "Unhealthy",
              "Container " + container.name + " failed " + probe + " probe, will be restarted");
  };
  switch (mail.what) {
    case Mail::What::kStartup: {
      if (!mail.ok) unhealthy("Startup");
      if (!counters.startup || !counters.startup->take(mail.ok)) return;
      if (counters.startup->ok()) {
        container.started = true;
        context_.prober->remove(probe_key(mail.ref, "startup"));
        watch_probes(mail.ref);
      } else {
        restart("startup", "startupProbe");
      }
      return;
    }
    case Mail::What::kReadiness:
      if (!mail.ok) unhealthy("Readiness");
      if (counters.readiness && counters.readiness->take(mail.ok)) container.ready = counters.readiness->ok();
      return;
    case Mail::What::kLiveness:
      if (!mail.ok) unhealthy("Liveness");
      if (counters.liveness && counters.liveness->take(mail.ok) && !counters.liveness->ok())
        restart("liveness", "livenessProbe");
      return;
    case Mail::What::kHookDone:
      return;
  }
}

}  // namespace sedna::node
