// Starting one container: what it runs, with which environment and mounts, in which sandbox.
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "sedna/base/log.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/image_store.hpp"
#include "sedna/node/limits.hpp"
#include "sedna/node/plain_mode.hpp"
#include "sedna/node/pod_runner.hpp"

namespace sedna::node {

namespace {

using std::chrono::seconds;

constexpr std::string_view kSystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char* kWorkspace = "/workspace";
constexpr auto kFirstRetry = seconds(2);
constexpr auto kLongestRetry = seconds(60);

void set(Environment& env, const std::string& name, std::string value, bool replace = true) {
  const auto it = std::ranges::find(env, name, &Environment::value_type::first);
  if (it == env.end()) {
    env.emplace_back(name, std::move(value));
  } else if (replace) {
    it->second = std::move(value);
  }
}

std::string get(const Environment& env, std::string_view name) {
  const auto it = std::ranges::find(env, name, &Environment::value_type::first);
  return it == env.end() ? std::string() : it->second;
}

bool flag(const json::object& o, std::initializer_list<std::string_view> path) {
  const auto* v = api::find(o, path);
  return v != nullptr && v->is_bool() && v->get_bool();
}

std::optional<unsigned> id_at(const api::Object& pod, const json::object& container, std::string_view name) {
  for (const auto* v :
       {api::find(container, {"securityContext", name}), api::find(pod, {"spec", "securityContext", name})}) {
    if (v != nullptr && v->is_int64()) return static_cast<unsigned>(v->get_int64());
  }
  return std::nullopt;
}

/// Folders in homes that hold keys: no business of a worker's.
void hide_keys(std::vector<Path>& hidden) {
  std::vector<Path> homes{"/root"};
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator("/home", error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error))
    homes.push_back(it->path());
  for (const auto& home : homes) {
    for (const char* name : {".ssh", ".gnupg", ".aws", ".kube", ".docker"}) hidden.push_back(home / name);
  }
}

}  // namespace

Result<Environment> PodRunner::environment_of(const json::object& container, const Invocation& invocation) {
  PodFacts facts;
  facts.pod_ip = state_.pod_ip;
  facts.host_ip = state_.host_ip;
  facts.node_name = context_.node_name;
  facts.node_cpu_millis = context_.cpu_millis;
  facts.node_memory = context_.memory_bytes;
  auto own = container_environment(pod_, container, facts, [&](Source source, const std::string& name) {
    return context_.data(std::string(api::namespace_of(pod_)), source, name);
  });
  if (!own) return own;
  Environment env;
  set(env, "PATH", std::string(kSystemPath));
  set(env, "HOSTNAME", std::string(api::name_of(pod_)));
  set(env, "LANG", "C.UTF-8");
  set(env, "PYTHONUNBUFFERED", "1");
  for (const auto& [name, value] : context_.extra_environment) {
    const bool bypass = name == "NO_PROXY" || name == "no_proxy";  // "<service>.<namespace>" stays inside, too
    set(env, name, bypass ? value + ",." + std::string(api::namespace_of(pod_)) : value);
  }
  for (const auto& [name, value] : invocation.env) set(env, name, value);
  for (auto& [name, value] : *own) set(env, name, std::move(value));
  if (!invocation.venv.empty()) {
    set(env, "PATH", invocation.venv + "/bin:" + get(env, "PATH"));
    set(env, "VIRTUAL_ENV", invocation.venv, false);
  }
  return env;
}

void PodRunner::drop_old_attempts(const std::string& container, int keep_from) {
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(paths_.container(container), error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const auto name = it->path().filename().string();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; }) && std::stoi(name) < keep_from)
      static_cast<void>(remove_folder(it->path()));
  }
}

Result<void> PodRunner::launch(ContainerRef ref, const AttemptPaths& folder, std::string& reason) {
  const auto& container = spec_of(ref);
  reason = "CreateContainerError";
  Invocation invocation;
  const std::string image(api::string_at(container, {"image"}));
  ImageMap images = context_.images;
  if (images.find(image) == nullptr) {
    if (auto stored = ImageStore(context_.paths.state).find(image)) images.add(image, std::move(stored->entry));
  }
  const bool downloads = is_storage_initializer(image) && images.find(image) == nullptr &&
                         api::array_at(container, {"command"}) == nullptr;
  if (downloads) {
    invocation.argv.push_back(context_.storage_initializer);
    if (const auto* args = api::array_at(container, {"args"})) {
      for (const auto& arg : *args) {
        if (arg.is_string()) invocation.argv.emplace_back(arg.get_string());
      }
    }
  } else {
    auto resolved = resolve_invocation(container, images);
    if (!resolved) {
      reason = "ImageNeedsCommand";
      return resolved.error();
    }
    invocation = std::move(*resolved);
    if (!invocation.rootfs.empty() && context_.sandbox.bwrap.empty()) {
      reason = "ImageNeedsSandbox";
      return Error(ErrorCode::kUnimplemented,
                   "image \"" + image +
                       "\" has a file system of its own, and in plain mode containers run on this machine's; `sedna "
                       "doctor` says what a sandbox needs, `sedna up --images FILE` can name a command instead");
    }
  }
  auto environment = environment_of(container, invocation);
  if (!environment) {
    reason = "CreateContainerConfigError";
    return environment.error();
  }
  for (auto& word : invocation.argv) word = expand(word, *environment);
  if (downloads && !context_.download_proxy.empty()) set(*environment, "SEDNA_PROXY", context_.download_proxy, false);
  auto mounts = container_mounts(container, volumes_, *environment);
  if (!mounts) return mounts.error();

  make_folder(folder.root);
  drop_old_attempts(run_key(ref), state_of(ref).attempt - 1);
  for (const char* name : {"tmp", "var-tmp", "run", "work"}) make_folder(folder.scratch(name), 0777);
  write_file(folder.termination_log(), "", 0666);

  Launch start;
  start.shim = context_.shim;
  // An image that names no working folder means its root.
  const Path cwd = invocation.cwd.empty() ? Path(invocation.rootfs.empty() ? kWorkspace : "/") : Path(invocation.cwd);
  const auto limits = container_limits(container, *context_.cgroups, cgroup_name(ref));
  start.memory_limit = limits.watched_memory;
  start.cgroups = limits.cgroups;
  for (const auto& note : limits.notes) {
    if (std::ranges::find(state_.notes, note) == state_.notes.end()) state_.notes.push_back(note);
  }
  if (context_.sandbox.bwrap.empty()) {
    rewrite_for_plain_mode(*mounts, invocation.argv, *environment);
    if (context_.network->plain()) set_plain_addresses(state_.pod_ip, state_.host_ip, *environment);
    for (auto& [name, value] : *environment)
      value = context_.rewrite_names(std::string(api::namespace_of(pod_)), value);
    std::error_code error;
    start.cwd = invocation.cwd.empty() || !std::filesystem::is_directory(cwd, error) ? folder.scratch("work").string()
                                                                                     : cwd.string();
    set(*environment, "HOME", folder.scratch("work").string(), false);
    set(*environment, "TMPDIR", folder.scratch("tmp").string(), false);
    start.argv = invocation.argv;
  } else {
    SandboxSpec spec;
    spec.rootfs = invocation.rootfs;
    spec.new_proc = context_.sandbox.new_proc;
    spec.cwd = cwd;
    // Our own programs, which Pods of `sedna run` name by their path, and what the image-to-command file names.
    std::set<Path> shown;
    if (spec.rootfs.empty()) invocation.host_paths.push_back(context_.shim);
    for (const auto& path : invocation.host_paths) {
      const auto entry = private_entry_of(path);
      if (entry && std::filesystem::exists(*entry)) shown.insert(*entry);
    }
    spec.shown.assign(shown.begin(), shown.end());
    const auto hidden_cwd = spec.rootfs.empty() ? private_entry_of(cwd) : std::nullopt;
    const auto inside = spec.rootfs.empty() ? cwd : resolve_in_rootfs(spec.rootfs, cwd, true).value_or(cwd);
    std::error_code error;
    const bool own_cwd =
        (hidden_cwd && !shown.contains(*hidden_cwd)) ||
        !std::filesystem::is_directory(spec.rootfs.empty() ? inside : spec.rootfs / inside.relative_path(), error);
    if (own_cwd && std::ranges::none_of(*mounts, [&](const auto& m) { return m.target == cwd; }))
      spec.work = folder.scratch("work");
    spec.scratch_tmp = folder.scratch("tmp");
    spec.scratch_var_tmp = folder.scratch("var-tmp");
    spec.scratch_run = folder.scratch("run");
    spec.hidden.push_back(context_.paths.state);
    hide_keys(spec.hidden);
    spec.hostname = flag(pod_, {"spec", "hostNetwork"}) ? context_.node_name : std::string(api::name_of(pod_));
    if (const auto name = api::string_at(pod_, {"spec", "hostname"}); !name.empty()) spec.hostname = name;
    spec.host_pid = flag(pod_, {"spec", "hostPID"});
    spec.host_ipc = flag(pod_, {"spec", "hostIPC"});
    spec.uid = id_at(pod_, container, "runAsUser");
    spec.gid = id_at(pod_, container, "runAsGroup");
    if (!spec.uid) {
      spec.uid = invocation.uid;
      if (!spec.gid) spec.gid = invocation.gid;
    }
    spec.mounts.emplace_back(paths_.hosts(), "/etc/hosts", true);
    spec.mounts.insert(spec.mounts.end(), mounts->begin(), mounts->end());
    for (const auto& device : limits.devices) {
      SandboxMount mount(device, device, false);
      mount.device = true;
      spec.mounts.push_back(std::move(mount));
    }
    spec.mounts.emplace_back(
        folder.termination_log(),
        Path(std::string(api::string_at(container, {"terminationMessagePath"}, "/dev/termination-log"))), false);
    if (downloads) {
      // Its program lies beside ours, wherever that is.
      spec.mounts.emplace_back(context_.storage_initializer, context_.storage_initializer, true);
    }
    spec.argv = invocation.argv;
    set(*environment, "HOME", spec.work.empty() ? "/tmp" : spec.cwd.string(), false);
    start.argv = sandbox_command(context_.sandbox.bwrap, spec);
    if (!flag(pod_, {"spec", "hostNetwork"}) && !context_.network->plain()) {
      const auto address = context_.network->attach(uid_, state_.pod_ip);
      if (!address) return address.error();
      start.netns = address->netns;
    }
  }
  start.environment = std::move(*environment);
  reason = "RunContainerError";
  auto process = ContainerProcess::start(start, folder);
  if (!process) return process.error();
  context_.watch_exit(process->pidfd(), uid_);
  auto& run = runs_[run_key(ref)];
  run = Run();
  run.process = std::move(*process);
  return {};
}

void PodRunner::start(ContainerRef ref, TimePoint now) {
  auto& container = state_of(ref);
  // A number is used once, also when the start before failed half-way.
  const auto newest = newest_attempt(paths_, container.name);
  const int before = container.attempt;
  container.attempt = std::max(container.attempt, newest.value_or(0)) + 1;
  const AttemptPaths folder(paths_, container.name, container.attempt);
  std::string reason;
  Result<void> started = Error(ErrorCode::kInternal, "not started");
  try {
    started = launch(ref, folder, reason);
  } catch (const Error& error) {
    started = error;
  }
  if (!started) {
    const auto why = started.error().what();
    static_cast<void>(remove_folder(folder.root));
    container.attempt = before;
    if (container.waiting_reason != reason || container.waiting_message != why) {
      event(true, ref, "Failed", "Error: " + reason + ": " + std::string(why));
      log::warning("a container cannot be started",
                   {{"pod", api::key_of(pod_)}, {"container", container.name}, {"reason", reason}, {"message", why}});
      container.failures = 0;
    }
    container.waiting_reason = reason;
    container.waiting_message = why;
    const auto wait = std::min<seconds>(kFirstRetry * (1 << std::min(container.failures, 5)), kLongestRetry);
    ++container.failures;
    container.not_before = now + wait;
    return;
  }
  if (!container.waiting_reason.empty()) container.failures = 0;
  container.waiting_reason.clear();
  container.waiting_message.clear();
  if (container.end) container.last_end = std::move(container.end);
  container.end.reset();
  container.phase = ContainerState::Phase::kRunning;
  container.started_at = context_.clock->wall();
  container.not_before.reset();
  container.ending = false;
  event(false, ref, "Started", "Started container " + container.name);
  log::info("container started",
            {{"pod", api::key_of(pod_)}, {"container", container.name}, {"attempt", container.attempt}});
  watch_probes(ref);
}

}  // namespace sedna::node
