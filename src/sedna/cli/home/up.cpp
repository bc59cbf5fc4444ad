#include "sedna/cli/home/up.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "sedna/base/error.hpp"
#include "sedna/cli/cluster.hpp"
#include "sedna/cli/home/capture.hpp"
#include "sedna/cli/home/home.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/log_files.hpp"
#include "sedna/cli/home/plan.hpp"
#include "sedna/cli/home/supervisor.hpp"
#include "sedna/cli/overview.hpp"

namespace sedna::cli::home {
namespace {

constexpr std::uint16_t kFirstPort = 16443;
constexpr std::uint16_t kFirstLinkPort = 9000;

std::string seconds_text(SteadyClock::duration d) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f s", std::chrono::duration<double>(d).count());
  return text.data();
}

/// Says on the console what the supervisor does.
class Narrator {
 public:
  explicit Narrator(Console& console) : console_(console) {}

  void operator()(const DaemonEvent& event) const {
    const std::string& title = event.daemon->title;
    using What = DaemonEvent::What;
    switch (event.what) {
      case What::kStarting:
        console_.progress("starting " + title + " …");
        return;
      case What::kReady:
        good(title, (event.text.empty() ? "" : event.text + "   ") + seconds_text(event.took));
        return;
      case What::kAdopted:
        good(title, event.text + "   was running");
        return;
      case What::kReplaced:
        console_.progress(title + " is started anew: its program or flags are others now");
        return;
      case What::kEnded:
        console_.err_line("  " + console_.styled(Style::kBad, "✗") + " " + title + " ended: " + event.text);
        return;
      case What::kWaiting:
        console_.progress(title + " is started again in " + event.text);
        return;
      case What::kStopping:
        console_.progress("stopping " + title + " …");
        return;
      case What::kCleaning:
        console_.progress("stopping the workers of " + title + " …");
        return;
      case What::kStopped:
        console_.err_line("  " + console_.styled(Style::kDim, "■") + " " + title + " stopped" +
                          console_.styled(Style::kDim, "   " + seconds_text(event.took)));
        return;
    }
  }

 private:
  void good(const std::string& title, const std::string& text) const {
    console_.err_line("  " + console_.styled(Style::kGood, "✓") + " " + title +
                      (text.empty() ? "" : console_.styled(Style::kDim, "   " + text)));
  }
  Console& console_;
};

/// Holds the home for this process.
storage::Descriptor take_lock(const Paths& paths) {
  storage::Descriptor fd = storage::open_file(paths.lock(), O_RDWR | O_CREAT, 0600);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    const int pid = supervisor_of(paths);
    throw Error(ErrorCode::kAlreadyExists,
                "is up already" + (pid != 0 ? ", supervised by process " + std::to_string(pid) : std::string()) +
                    "; `sedna status` shows it, `sedna down` stops it, --state names another home",
                paths.state.string());
  }
  const std::string text = std::to_string(getpid()) + "\n";
  if (ftruncate(fd.get(), 0) != 0) throw storage::system_error(errno, "cannot be written", paths.lock());
  storage::write_all(fd, std::as_bytes(std::span(text)), paths.lock());
  return fd;
}

bool runs(const Paths& paths, const std::string& daemon) {
  const auto record = RunRecord::read(paths.run_file(daemon));
  return record && record->process.alive();
}

/// Other nodes are another network. What an `up` that was killed has left running is stopped first, workers too: those
/// of a node that is not wanted any more would have no agent.
void stop_for_other_nodes(Console& console, const Paths& paths, const HomeFile& before) {
  PlanOptions how;
  how.to_stop = true;
  auto daemons = plan(paths, before, how);
  if (std::ranges::none_of(daemons, [&](const DaemonSpec& daemon) { return runs(paths, daemon.name); })) return;
  console.err_line("The nodes are others now: what runs is stopped first.");
  Supervisor supervisor(paths, std::move(daemons), Narrator(console));
  supervisor.adopt();
  supervisor.stop();
}

/// What the last `up` chose, changed as this one is told, and kept for the next.
HomeFile settle(Console& console, const Paths& paths, const UpOptions& options, bool plain) {
  const auto before = HomeFile::read(paths);
  HomeFile home = before.value_or(HomeFile());
  if (!options.nodes.empty()) home.nodes = parse_nodes(options.nodes);
  if (home.nodes.empty()) home.nodes = parse_nodes("cloud0:cloud,edge0:edge");
  if (options.images) {
    home.images = options.images->empty() ? "" : std::filesystem::absolute(*options.images).string();
    if (!home.images.empty() && !std::filesystem::exists(home.images)) {
      throw Error(ErrorCode::kInvalidArgument, "there is no file " + home.images, "--images");
    }
  }
  if (before && before->nodes != home.nodes) stop_for_other_nodes(console, paths, *before);
  const bool serves = runs(paths, "apiserver");
  if (options.port && (*options.port != home.port || !serves)) {
    home.port = choose_port(*options.port, true, "--port");
  } else if (!serves) {  // taken meanwhile: said now, and not by a daemon's log
    home.port = choose_port(home.port == 0 ? kFirstPort : home.port, home.port_given, "--port");
  }
  home.port_given = home.port_given || options.port.has_value();
  // In a network of its own the link's port is always free; on the host's another home may have it, now if not before.
  if (home.link_port == 0) home.link_port = kFirstLinkPort;
  if (plain && !runs(paths, "gm")) home.link_port = choose_port(home.link_port, false, "");
  if (plain && home.service_range.empty()) home.service_range = loopback_range(paths);
  home.write(paths);
  return home;
}

/// Where the kernel refuses namespaces, Pods run on the host's own network; said, with its price.
bool plain_mode(Console& console, const UpOptions& options) {
  if (options.plain) return true;
  std::string why;
  if (can_unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS, why)) return false;
  console.warn("this machine allows no user namespaces (" + why +
               "): plain mode. Workers run on the host's network without a sandbox, and two of them cannot listen on "
               "the same port of 0.0.0.0. `sedna doctor` says how to allow them.");
  return true;
}

/// Tells systemd (Type=notify), when it started us.
void notify_service_manager(const char* state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (*path != '/' && *path != '@')) return;
  const storage::Descriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const std::size_t length = std::strlen(address.sun_path);
  if (address.sun_path[0] == '@') address.sun_path[0] = 0;
  // A manager that went away is no reason to stop.
  static_cast<void>(sendto(fd.get(), state, std::strlen(state), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
                           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length)));
}

/// Nodes of an earlier `up` that this one does not have. The API server's loops take away their Pods.
void remove_other_nodes(Console& console, store::ApiServer& api, const HomeFile& home) {
  const auto nodes = api.list(api::kinds::kNode, {});
  if (!nodes) {
    console.warn("the nodes cannot be listed: " + nodes.status().message);
    return;
  }
  for (const auto& node : nodes->items) {
    const std::string name(api::name_of(node));
    const auto ours = [&name](const NodeSpec& one) { return one.name == name; };
    const auto runtime = api::string_at(node, {"status", "nodeInfo", "containerRuntimeVersion"});
    if (std::ranges::any_of(home.nodes, ours) || !runtime.starts_with("process://")) continue;
    static_cast<void>(api.remove(api::kinds::kLease, "kube-node-lease", name, {}));  // says nothing without its Node
    const auto gone = api.remove(api::kinds::kNode, "", name, {});
    if (!gone && !gone.status().is_not_found()) {
      console.warn("node " + name + " cannot be removed, the next `sedna up` tries again: " + gone.status().message);
      continue;
    }
    console.err_line("  " + console.styled(Style::kDim, "■") + " node " + name +
                     " is not among --nodes any more: removed, its Pods too; its files stay");
  }
}

/// An agent serves a moment before its node is registered and Ready: "ready" to a person means the latter.
void wait_for_nodes(Console& console, Cluster& cluster, const HomeFile& home) {
  const Deadline deadline = Deadline::after(std::chrono::seconds(15));
  std::string missing;
  do {
    missing.clear();
    for (const auto& node : home.nodes) {
      const auto there = cluster.api().get(api::kinds::kNode, "", node.name);
      if (!there || !summarise_node(*there).ready) missing += (missing.empty() ? "" : ", ") + node.name;
    }
    if (missing.empty()) return;
    console.progress("waiting for " + missing + " to be registered …");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // two looks, as a rule
  } while (!deadline.expired());
  console.warn(missing + " did not become Ready; `sedna status` says more");
}

/// Starts `sedna up` as a process of its own and follows what it says until it is ready.
int up_detached(Console& console, const Paths& paths, const UpOptions& options) {
  prepare_state_folder(paths);
  static_cast<void>(take_lock(paths));  // refused now, and not by the log of the other process
  Command command;
  command.argv = {std::filesystem::read_symlink("/proc/self/exe").string(), "up", "--state", paths.state.string()};
  if (!options.nodes.empty()) command.argv.insert(command.argv.end(), {"--nodes", options.nodes});
  if (options.port) command.argv.insert(command.argv.end(), {"--port", std::to_string(*options.port)});
  if (options.images) command.argv.insert(command.argv.end(), {"--images", std::filesystem::absolute(*options.images)});
  if (options.plain) command.argv.emplace_back("--plain");
  command.log = paths.log("up");
  std::uint64_t at = log_size(command.log);
  const storage::Descriptor changes(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  inotify_add_watch(changes.get(), paths.logs().c_str(), IN_MODIFY | IN_CREATE);
  const pid_t pid = spawn(command);
  const auto process = ProcessId::of(pid);
  const storage::Descriptor ended = process ? watch_process(*process) : storage::Descriptor();
  bool over = !ended;
  for (;;) {
    std::ifstream in(command.log, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(at));
    for (std::string line; std::getline(in, line) && !in.eof();) {
      at += line.size() + 1;
      if (line.starts_with("READY")) return 0;
      console.err_line(line);
    }
    if (over) break;
    std::array<pollfd, 2> fds{{{changes.get(), POLLIN, 0}, {ended.get(), POLLIN, 0}}};
    poll(fds.data(), fds.size(), 1000);
    std::array<char, 4096> buffer{};
    while (read(changes.get(), buffer.data(), buffer.size()) > 0) {
    }
    over = fds[1].revents != 0;
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int up(Console& console, const UpOptions& options) {
  const Paths paths{options.state};
  if (options.detach) return up_detached(console, paths, options);
  prepare_state_folder(paths);
  const storage::Descriptor lock = take_lock(paths);
  const auto begin = SteadyClock::now();
  PlanOptions how;
  how.plain = plain_mode(console, options);
  const HomeFile home = settle(console, paths, options, how.plain);
  console.err_line("Home in " + console.styled(Style::kBold, paths.state.string()));
  Supervisor supervisor(paths, plan(paths, home, how), Narrator(console));
  const bool started = supervisor.start();
  if (started) {
    ClusterOptions there;
    there.kubeconfig = paths.kubeconfig().string();
    const auto cluster = connect(there);
    remove_other_nodes(console, cluster->api(), home);
    wait_for_nodes(console, *cluster, home);
    console.err_line(
        console.styled(Style::kBold, "Ready") + " after " + seconds_text(SteadyClock::now() - begin) +
        ". Next: sedna apply -f FILE, sedna status" +
        (isatty(STDIN_FILENO) == 1 ? "; Ctrl-C stops everything, workers too." : "; sedna down stops it."));
    console.line("READY https://127.0.0.1:" + std::to_string(home.port));
    notify_service_manager("READY=1");
    supervisor.run();
  }
  notify_service_manager("STOPPING=1");
  supervisor.stop();
  console.err_line("The home is down; its objects are kept for the next `sedna up`.");
  return started ? 0 : 1;
}

}  // namespace sedna::cli::home
