#include "sedna/node/pod_runner.hpp"

#include <algorithm>
#include <charconv>

#include "sedna/base/log.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/json_compare.hpp"

namespace sedna::node {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kRefreshData = seconds(30);
constexpr auto kRetryMount = seconds(2);

void sooner(PodRunner::Outcome& outcome, milliseconds delay) {
  delay = std::max(delay, milliseconds(0));
  if (!outcome.again || delay < *outcome.again) outcome.again = delay;
}

bool host_network(const api::Object& pod) {
  const auto* v = api::find(pod, {"spec", "hostNetwork"});
  return v != nullptr && v->is_bool() && v->get_bool();
}

}  // namespace

PodRunner::PodRunner(NodeContext& context, api::Object pod)
    : context_(context),
      pod_(std::move(pod)),
      uid_(api::uid_of(pod_)),
      paths_(context.paths.pod(uid_)),
      state_(PodState::of(pod_)) {}

PodRunner::~PodRunner() {
  context_.prober->remove_all(uid_ + "/");
}

const json::object& PodRunner::spec_of(ContainerRef ref) const {
  return api::array_at(pod_, {"spec", ref.init ? "initContainers" : "containers"})->at(ref.index).get_object();
}

std::string PodRunner::run_key(ContainerRef ref) const {
  return (ref.init ? state_.init : state_.containers)[ref.index].name;
}

std::string PodRunner::cgroup_name(ContainerRef ref) {
  return uid_ + "-" + run_key(ref) + "-" + std::to_string(state_of(ref).attempt);
}

template <class F>
void PodRunner::each_container(F&& f) {
  for (std::size_t i = 0; i < state_.init.size(); ++i) f(ContainerRef{true, i});
  for (std::size_t i = 0; i < state_.containers.size(); ++i) f(ContainerRef{false, i});
}

void PodRunner::event(bool warning, ContainerRef ref, std::string_view reason, std::string_view message) {
  control::EventSubject subject(pod_);
  subject.field_path = std::string("spec.") + (ref.init ? "initContainers" : "containers") + "{" + run_key(ref) + "}";
  if (warning) {
    context_.events->warning(subject, reason, message);
  } else {
    context_.events->normal(subject, reason, message);
  }
}

std::optional<int> PodRunner::newest_attempt(const PodPaths& paths, const std::string& container) {
  std::optional<int> newest;
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(paths.container(container), error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    int n = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), n);
    if (failed == std::errc() && end == name.data() + name.size() && (!newest || n > *newest)) newest = n;
  }
  return newest;
}

void PodRunner::adopt() {
  if (const auto saved = read_json(paths_.record())) state_.restore(*saved);
  each_container([&](ContainerRef ref) {
    auto& container = state_of(ref);
    // The newest folder tells of a start that the record may not have seen.
    if (const auto newest = newest_attempt(paths_, container.name); newest && *newest > container.attempt) {
      const AttemptPaths folder(paths_, container.name, *newest);
      if (has_begun(folder)) {
        if (container.end) container.last_end = container.end;
        container.attempt = *newest;
        container.phase = ContainerState::Phase::kRunning;
        container.started_at = context_.clock->wall();
      }
    }
    if (!container.running()) return;
    const AttemptPaths folder(paths_, container.name, container.attempt);
    auto process = ContainerProcess::adopt(folder);
    if (process && process->alive()) {
      context_.watch_exit(process->pidfd(), uid_);
      auto& run = runs_[run_key(ref)];
      run.process = std::move(*process);
      watch_probes(ref);
      log::info("found a running container again", {{"pod", api::key_of(pod_)}, {"container", container.name}});
    }
  });
  saved_ = json::write(state_.to_json());
}

/// Folder, address, volumes. False while something of it is missing (said where the user looks).
bool PodRunner::set_up(TimePoint now, Outcome& outcome) {
  if (!state_.start_time) state_.start_time = now;
  if (!state_.network_ready) {
    make_folder(context_.paths.pods());
    make_folder(paths_.root);
    write_file(paths_.pod(), json::write(pod_));
    state_.host_ip = context_.network->node_ip();
    if (host_network(pod_)) {
      state_.pod_ip = state_.host_ip;
    } else {
      const auto address = context_.network->attach(uid_, state_.pod_ip);
      if (!address) {
        const auto message = "Failed to create pod sandbox: " + address.error().message();
        context_.events->warning(pod_, "FailedCreatePodSandBox", message);
        sooner(outcome, kRetryMount);
        return false;
      }
      state_.pod_ip = address->ip;
    }
    state_.network_ready = true;
    state_.notes.clear();
    if (const auto note = context_.network->note(); !note.empty()) state_.notes.push_back(note);
    context_.hosts(pod_, state_.pod_ip, paths_.hosts());
  }
  if (volumes_ready_ && (!next_refresh_ || now < *next_refresh_)) return true;
  VolumeContext volume_context(context_.paths, paths_);
  volume_context.facts.pod_ip = state_.pod_ip;
  volume_context.facts.host_ip = state_.host_ip;
  volume_context.facts.node_name = context_.node_name;
  volume_context.facts.node_cpu_millis = context_.cpu_millis;
  volume_context.facts.node_memory = context_.memory_bytes;
  volume_context.lookup = [&](Source source, const std::string& name) {
    return context_.data(std::string(api::namespace_of(pod_)), source, name);
  };
  auto volumes = prepare_volumes(pod_, volume_context);
  next_refresh_.reset();
  if (!volumes) {
    if (volumes_ready_) {  // it runs; what it has stays
      next_refresh_ = now + kRefreshData;
      return true;
    }
    mount_problem_ = volumes.error().message();
    context_.events->warning(pod_, "FailedMount", mount_problem_);
    sooner(outcome, kRetryMount);
    return false;
  }
  mount_problem_.clear();
  volumes_ = std::move(*volumes);
  volumes_ready_ = true;
  if (std::ranges::any_of(volumes_, [](const auto& v) { return v.second.from_data; }))
    next_refresh_ = now + kRefreshData;
  return true;
}

std::function<void(PodRunner::Mail)> PodRunner::postman() const {
  return [box = mailbox_, poke = context_.poke, uid = uid_](Mail mail) {
    {
      const std::lock_guard lock(box->mutex);
      box->mail.push_back(std::move(mail));
    }
    poke(uid);
  };
}

void PodRunner::take_mail() {
  std::vector<Mail> mail;
  {
    const std::lock_guard lock(mailbox_->mutex);
    mail.swap(mailbox_->mail);
  }
  for (const auto& one : mail) take(one);
}

void PodRunner::take_ends() {
  each_container([&](ContainerRef ref) {
    auto& container = state_of(ref);
    if (!container.running()) return;
    const auto run = runs_.find(run_key(ref));
    if (run != runs_.end() && run->second.process.alive()) return;
    if (run != runs_.end()) run->second.process.reap();
    take_end(ref, AttemptPaths(paths_, container.name, container.attempt));
    runs_.erase(run_key(ref));
    drop_probes(ref);
  });
}

void PodRunner::take_end(ContainerRef ref, const AttemptPaths& folder) {
  auto& container = state_of(ref);
  const auto& spec = spec_of(ref);
  ContainerEnd end;
  end.attempt = container.attempt;
  end.started = container.started_at;
  end.finished = context_.clock->wall();
  if (const auto exit = read_exit(folder)) {
    end.exit_code = exit->exit_code;
    if (exit->finished_at > 0) end.finished = std::max(end.started, TimePoint(seconds(exit->finished_at)));
    end.reason = exit->out_of_memory ? "OOMKilled" : exit->exit_code == 0 ? "Completed" : "Error";
    const bool sandbox_failed =
        exit->exit_code == 1 && exit->last_error.starts_with("bwrap: ") && end.finished - end.started < seconds(5);
    const auto message = read_file(folder.termination_log());
    constexpr std::size_t kMaxMessage = 4096;
    if (message && !message->empty()) {
      end.message = message->substr(0, kMaxMessage);
    } else if (sandbox_failed) {
      end.reason = "StartError";
      end.exit_code = 128;
      end.message = "failed to create containerd task: " + exit->last_error.substr(7);
      if (end.message.ends_with('\n')) end.message.pop_back();
    } else if (exit->exit_code != 0 && api::string_at(spec, {"terminationMessagePolicy"}) == "FallbackToLogsOnError") {
      end.message = exit->last_error;
    }
    if (sandbox_failed) event(true, ref, "Failed", "Error: " + end.message);
  } else {
    end.exit_code = 137;
    end.reason = "ContainerStatusUnknown";
    end.message = "the process that watched this container was killed, or the machine was restarted";
  }
  if (context_.cgroups->out_of_memory(cgroup_name(ref)) && end.exit_code != 0) {
    end.reason = "OOMKilled";
    end.exit_code = 137;
  }
  context_.cgroups->remove(cgroup_name(ref));
  log::info("container ended", {{"pod", api::key_of(pod_)},
                                {"container", container.name},
                                {"exit_code", end.exit_code},
                                {"reason", end.reason}});
  note_end(container, std::move(end));
  if (!container.ending && container.not_before) {
    event(true, ref, "BackOff",
          "Back-off restarting failed container " + container.name + " in pod " + std::string(api::name_of(pod_)) +
              "_" + std::string(api::namespace_of(pod_)) + "(" + uid_ + ")");
  }
}

void PodRunner::carry_out(const PodPlan& plan, bool stopping, TimePoint now) {
  for (const auto ref : plan.end) begin_end(ref, grace(), stopping ? "Stopping" : "PodOver", "");
  if (stopping) return;
  for (const auto ref : plan.start) start(ref, now);
}

void PodRunner::save() {
  auto text = json::write(state_.to_json());
  if (text == saved_) return;
  write_file(paths_.record(), text);
  saved_ = std::move(text);
}

void PodRunner::publish(bool stopping, TimePoint now, Outcome& outcome) {
  const auto cached = context_.pods->cache().get(api::namespace_of(pod_), api::name_of(pod_));
  if (cached == nullptr || api::uid_of(*cached) != uid_) return;
  auto status = pod_status(*cached, state_, stopping, now);
  if (!mount_problem_.empty()) {
    // Kubernetes shows this in events only; the place where people look first is the container's state.
    for (auto& c : status["containerStatuses"].as_array()) {
      if (auto* waiting = api::find(c.as_object(), {"state", "waiting"}); waiting != nullptr)
        waiting->as_object()["message"] = mount_problem_;
    }
  }
  const auto* have = api::object_at(*cached, {"status"});
  if (have != nullptr && covers(*have, status)) return;
  auto next = *cached;
  next["status"] = std::move(status);
  auto written = context_.server.update_status(api::kinds::kPod, next, {});
  if (written) {
    context_.pods->remember(std::move(*written));
  } else if (!written.status().is_not_found()) {
    // A conflict: the newer version is on its way. Anything else: the server will be back.
    sooner(outcome, written.status().is_conflict() ? milliseconds(50) : milliseconds(1000));
  }
}

void PodRunner::clean_up(const control::ObjectPtr& wanted, Outcome& outcome) {
  context_.forget_hosts(uid_);
  context_.network->detach(uid_);
  if (const auto left = remove_folder(paths_.root); !left.empty()) {
    log::warning("something of a Pod's folder stays", {{"pod", api::key_of(pod_)}, {"reason", left}});
  }
  if (wanted != nullptr && api::is_deleting(*wanted)) {
    store::DeleteOptions options;
    options.uid = uid_;
    options.grace_period_seconds = 0;
    auto removed = context_.server.remove(api::kinds::kPod, api::namespace_of(pod_), api::name_of(pod_), options);
    if (removed) {
      context_.pods->remember_gone(*removed);
    } else if (!removed.status().is_not_found() && !removed.status().is_conflict()) {
      sooner(outcome, milliseconds(1000));
      return;
    }
  }
  outcome.gone = true;
}

PodRunner::Outcome PodRunner::reconcile(const control::ObjectPtr& wanted) {
  Outcome outcome;
  const auto now = context_.clock->wall();
  const bool stopping = given_up_ || wanted == nullptr || api::is_deleting(*wanted);
  if (wanted != nullptr) {
    pod_["metadata"] = wanted->at("metadata");  // labels, annotations, deletion; the spec of a Pod stays what it was
  }
  take_mail();
  take_ends();
  if (!stopping && state_.failed_reason.empty()) {
    const auto limit = api::int_at(pod_, {"spec", "activeDeadlineSeconds"}, 0);
    if (limit > 0 && state_.start_time) {
      const auto left = *state_.start_time + seconds(limit) - now;
      if (left.count() <= 0) {
        state_.failed_reason = "DeadlineExceeded";
        state_.failed_message = "Pod was active on the node longer than the specified deadline";
      } else {
        sooner(outcome, std::chrono::ceil<milliseconds>(left));
      }
    }
  }
  bool ready = stopping || !state_.failed_reason.empty();
  if (!ready && state_.start_time && plan_pod(pod_, state_, false, now).over) {
    // Its work is done: the address is for others, logs and status stay.
    if (!released_) {
      context_.forget_hosts(uid_);
      context_.network->detach(uid_);
      released_ = true;
    }
    next_refresh_.reset();
    ready = true;
  } else if (!ready) {
    ready = set_up(now, outcome);
  }
  if (next_refresh_) sooner(outcome, std::chrono::ceil<milliseconds>(*next_refresh_ - now));
  auto plan = plan_pod(pod_, state_, stopping, now);
  if (ready) carry_out(plan, stopping, now);
  each_container([&](ContainerRef ref) { push_end(ref, outcome); });
  if (plan.again) sooner(outcome, std::chrono::ceil<milliseconds>(*plan.again - now));
  if (stopping && plan.over) {
    if (wanted != nullptr && !given_up_) publish(true, now, outcome);
    clean_up(wanted, outcome);
    return outcome;
  }
  if (ready || state_.network_ready) save();
  if (!given_up_) publish(stopping, now, outcome);
  // What was just started may have more to do at once.
  const auto after = plan_pod(pod_, state_, stopping, now);
  if (after.again) sooner(outcome, std::chrono::ceil<milliseconds>(*after.again - now));
  return outcome;
}

}  // namespace sedna::node
