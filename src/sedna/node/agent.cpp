#include "sedna/node/agent.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "sedna/base/cpu.hpp"
#include "sedna/base/log.hpp"
#include "sedna/control/work_queue.hpp"
#include "sedna/node/agent_server.hpp"
#include "sedna/node/data_source.hpp"
#include "sedna/node/exit_watch.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/home_network.hpp"
#include "sedna/node/hosts.hpp"
#include "sedna/node/limits.hpp"
#include "sedna/node/outlet.hpp"
#include "sedna/node/pod_runner.hpp"
#include "sedna/node/registration.hpp"
#include "sedna/node/service_proxy.hpp"

namespace sedna::node {

namespace {

constexpr const char* kByUid = "uid";

control::InformerOptions pods_of(const std::string& node) {
  control::InformerOptions out;
  out.field_selector = "spec.nodeName=" + node;
  return out;
}

control::EventOptions events_of(const std::string& node) {
  control::EventOptions out;
  out.component = "sedna-node";
  out.host = node;
  return out;
}

control::BackoffOptions queue_backoff() {
  control::BackoffOptions out;
  out.first = std::chrono::milliseconds(200);
  out.longest = std::chrono::seconds(20);
  return out;
}

std::int64_t memory_of_machine() {
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

}  // namespace

struct Agent::Impl {
  Impl(store::ApiServer& api_server, AgentOptions o, metrics::Registry& r)
      : server(api_server),
        options(std::move(o)),
        registry(r),
        context(server, NodePaths(std::filesystem::absolute(options.state), options.node)),
        cgroups(options.node),
        queue(queue_backoff()),
        pods(server, api::kinds::kPod, pods_of(options.node)),
        services(server, api::kinds::kService),
        slices(server, api::kinds::kEndpointSlice),
        events(server, events_of(options.node)),
        hosts(services, slices),
        proxy(services, slices, registry),
        exits([this](const std::string& uid) { queue.add(uid); }) {
    lock();
    raise_file_limit();
    context.node_name = options.node;
    context.shim = program("sedna-shim");
    context.storage_initializer = program("sedna-storage-initializer");
    context.images = ImageMap::load(options.images);
    choose_mode();
    fill_context();
    make_folder(context.paths.var_lib_sedna(), 0755);
    pods.add_index(kByUid,
                   [](const api::Object& pod) { return std::vector<std::string>{std::string(api::uid_of(pod))}; });
    pods.add_handler([this](const control::ObjectCache::Change& change) {
      for (const auto* side : {&change.before, &change.after}) {
        if (*side != nullptr) queue.add(api::uid_of(**side));
      }
    });
  }

  ~Impl() {
    stop();
    if (lock_fd >= 0) close(lock_fd);
  }

  void lock() {
    make_folder(context.paths.node);
    make_folder(context.paths.pods());
    lock_fd = open(context.paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) != 0)
      throw Error(ErrorCode::kAlreadyExists, "another agent works on this node's folder", context.paths.node.string());
  }

  static void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }

  std::string program(const char* name) const {
    const Path folder = options.programs.empty() ? std::filesystem::read_symlink("/proc/self/exe").parent_path()
                                                 : Path(options.programs);
    std::error_code error;
    if (!std::filesystem::exists(folder / name, error))
      throw Error(ErrorCode::kNotFound, "is not installed beside sedna-node", (folder / name).string());
    return (folder / name).string();
  }

  void choose_mode() {
    std::string why = "asked for";
    if (!options.plain) {
      context.sandbox = probe_sandbox();
      why = context.sandbox.reason;
      if (!context.sandbox.bwrap.empty()) network = make_namespace_network(context.paths, options.node);
    }
    if (network == nullptr) {
      network = make_plain_network(context.paths);
    } else {
      const std::string out = std::string("http://") + kApiAddress + ":";
      const std::string inside = "localhost,127.0.0.1,10.77.0.0/16,10.96.0.0/16,.svc,.cluster.local";
      for (const char* name : {"HTTPS_PROXY", "https_proxy"})
        context.extra_environment.emplace_back(name, out + std::to_string(kOutletPort));
      for (const char* name : {"NO_PROXY", "no_proxy"}) context.extra_environment.emplace_back(name, inside);
      context.download_proxy = std::string(kApiAddress) + ":" + std::to_string(kHostOutletPort);
    }
    context.network = network.get();
    if (context.sandbox.bwrap.empty()) {
      plain_reason = "containers are bare processes of this machine: " + why;
    } else if (network->plain()) {
      plain_reason = "Pods share the host's network (start with sedna up for one of their own)";
    }
    if (!plain_reason.empty()) log::warning("plain mode", {{"node", options.node}, {"reason", plain_reason}});
  }

  void fill_context() {
    context.pods = &pods;
    context.events = &events;
    context.prober = &prober;
    context.cgroups = &cgroups;
    context.cpu_millis = usable_cores() * 1000;
    context.memory_bytes = memory_of_machine();
    context.poke = [this](const std::string& uid) { queue.add(uid); };
    context.watch_exit = [this](int pidfd, const std::string& uid) { exits.add(pidfd, uid); };
    context.data = [this](const std::string& ns, Source source, const std::string& name) {
      return fetch_data(server, ns, source, name);
    };
    context.hosts = [this](const api::Object& pod, const std::string& ip, const Path& file) {
      hosts.add(pod, ip, file);
    };
    context.forget_hosts = [this](const std::string& uid) { hosts.forget(uid); };
    context.rewrite_names = [this](const std::string& ns, const std::string& value) {
      return hosts.rewrite(ns, value);
    };
  }

  /// What an earlier agent left: its Pods go on without the API server, too.
  void take_over() {
    std::error_code error;
    std::vector<std::string> there;
    for (auto it = std::filesystem::directory_iterator(context.paths.pods(), error);
         !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      auto pod = read_json(PodPaths(it->path()).pod());
      if (!pod || api::uid_of(*pod) != it->path().filename().string()) {
        // Never accepted whole: nothing of it ran.
        static_cast<void>(remove_folder(it->path()));
        continue;
      }
      auto runner = std::make_shared<PodRunner>(context, std::move(*pod));
      runner->adopt();
      there.push_back(runner->uid());
      const std::lock_guard guard(mutex);
      runners[runner->uid()] = runner;
    }
    context.network->sweep(there);
    for (const auto& uid : there) queue.add(uid);
  }

  control::ObjectPtr wanted(const std::string& uid) const {
    const auto found = pods.cache().by_index(kByUid, uid);
    return found.empty() ? nullptr : found.front();
  }

  std::shared_ptr<PodRunner> runner_of(const std::string& uid, const control::ObjectPtr& pod) {
    const std::lock_guard guard(mutex);
    const auto it = runners.find(uid);
    if (it != runners.end()) return it->second;
    if (pod == nullptr) return nullptr;
    auto made = std::make_shared<PodRunner>(context, *pod);
    runners[uid] = made;
    return made;
  }

  void work_on(const std::string& uid) {
    auto pod = wanted(uid);
    const auto phase = pod ? api::string_at(*pod, {"status", "phase"}) : std::string_view();
    {
      const std::lock_guard guard(mutex);
      // It ended before this agent's time: only its deletion is left to confirm.
      if (!runners.contains(uid) && pod && (phase == "Succeeded" || phase == "Failed") && !api::is_deleting(*pod))
        return;
    }
    const auto runner = runner_of(uid, pod);
    if (runner == nullptr) return;
    // Before the first list nothing is known: what runs, runs on.
    if (pod == nullptr && !pods.synced()) {
      const auto saved = read_json(context.paths.pod(uid) / "pod.json");
      if (saved) pod = std::make_shared<const api::Object>(*saved);
    }
    PodRunner::Outcome outcome;
    try {
      outcome = runner->reconcile(pod);
      queue.forget(uid);
    } catch (const std::exception& error) {
      log::error("a Pod could not be worked on; will try again", {{"uid", uid}, {"reason", error.what()}});
      queue.add_failed(uid);
      return;
    }
    if (outcome.gone) {
      const std::lock_guard guard(mutex);
      runners.erase(uid);
    } else if (outcome.again) {
      queue.add_after(uid, *outcome.again);
    }
  }

  std::optional<PodPaths> find_pod(const std::string& ns, const std::string& name) const {
    if (const auto pod = pods.cache().get(ns, name)) {
      PodPaths out(context.paths.pod(std::string(api::uid_of(*pod))));
      std::error_code error;
      if (std::filesystem::exists(out.root, error)) return out;
    }
    return std::nullopt;
  }

  void start() {
    AgentServerOptions face;
    face.host = network->node_ip();
    face.node_name = options.node;
    face.token = options.token;
    face.port = options.port;
    log_server = std::make_unique<AgentServer>(
        context.paths, face, [this](const std::string& ns, const std::string& name) { return find_pod(ns, name); },
        registry);
    log_server->start();
    started = true;
    NodeIdentity identity;
    identity.name = options.node;
    identity.role = options.role;
    identity.ip = network->node_ip();
    identity.port = log_server->port();
    identity.certificate = log_server->certificate();
    identity.cpu_millis = context.cpu_millis;
    identity.memory_bytes = context.memory_bytes;
    identity.gpus = count_gpus();
    identity.plain = !plain_reason.empty();
    identity.plain_reason = plain_reason;
    identity.disk_folder = context.paths.node.string();
    registration = std::make_unique<Registration>(server, identity);
    take_over();
    events.start();
    proxy.start();
    services.start();
    slices.start();
    pods.start();
    hosts.start();
    registration->start();
    for (int i = 0; i < options.workers; ++i) {
      threads.emplace_back([this] {
        while (auto uid = queue.next(Deadline::never())) {
          work_on(*uid);
          queue.done(*uid);
        }
      });
    }
    // Once the list is there, what runs here and is not wanted any more must end.
    threads.emplace_back([this] {
      if (!pods.wait_synced(Deadline::never())) return;
      const std::lock_guard guard(mutex);
      for (const auto& [uid, runner] : runners) queue.add(uid);
    });
  }

  void stop() {
    if (!started) return;
    started = false;
    registration->stop();
    pods.stop();
    services.stop();
    slices.stop();
    hosts.stop();
    proxy.stop();
    queue.close();
    for (auto& thread : threads) thread.join();
    threads.clear();
    log_server->stop();
    const std::lock_guard guard(mutex);
    runners.clear();
  }

  store::ApiServer& server;
  const AgentOptions options;
  metrics::Registry& registry;
  NodeContext context;
  int lock_fd = -1;
  std::string plain_reason;
  std::unique_ptr<PodNetwork> network;
  Cgroups cgroups;
  control::WorkQueue queue;  // before whatever may still put keys in while it ends
  Prober prober;
  control::Informer pods, services, slices;
  control::EventRecorder events;
  Hosts hosts;
  ServiceProxy proxy;
  ExitWatch exits;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<PodRunner>> runners;
  std::unique_ptr<AgentServer> log_server;
  std::unique_ptr<Registration> registration;
  std::vector<std::thread> threads;
  bool started = false;
};

Agent::Agent(store::ApiServer& server, AgentOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(server, std::move(options), registry)) {}

Agent::~Agent() = default;

void Agent::start() {
  impl_->start();
}

void Agent::stop() {
  impl_->stop();
}

std::string Agent::origin() const {
  return impl_->log_server->origin();
}

std::string Agent::node_ip() const {
  return impl_->network->node_ip();
}

}  // namespace sedna::node
