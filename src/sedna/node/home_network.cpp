#include "sedna/node/home_network.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "sedna/base/clock.hpp"
#include "sedna/base/error.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/netlink.hpp"

namespace sedna::node {

namespace {

constexpr int kPrefix = 16;
constexpr int kMostNodes = 250;
constexpr const char* kBridge = "sedna0";
constexpr const char* kPodBridge = "pods0";

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void refuse(const std::string& doing) {
  throw Error(ErrorCode::kUnimplemented, doing + ": " + std::strerror(errno));
}

void put(const char* file, const std::string& text) {
  const int fd = open(file, O_WRONLY | O_CLOEXEC);
  const bool ok = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  if (!ok) refuse(std::string("cannot write ") + file);
}

/// User, mount and network namespace of this process's own; it is root inside, with the rights of its user outside.
void make_namespaces() {
  const auto uid = geteuid();
  const auto gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0)
    refuse("the kernel does not allow unprivileged namespaces");
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
  put("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  // What the host mounts later is seen; what we mount stays here.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) refuse("cannot make the mounts private");
}

void make_bridge(Netlink& netlink, const char* name, const std::string& ip) {
  netlink.set_up(netlink.find_link("lo").value_or(1), true);
  netlink.add_bridge(name, mac_of(ip));
  const auto bridge = netlink.find_link(name);
  if (!bridge) throw Error(ErrorCode::kUnimplemented, "the kernel has no bridges", name);
  netlink.add_address(*bridge, ip, kPrefix);
}

/// A bridge that is raised before a port of it has a carrier drops what it should send until the kernel's link watch
/// comes round, up to a second later: it is raised after that.
void raise_bridge(Netlink& netlink, const char* bridge, const std::string& port) {
  const int link = netlink.find_link(port).value_or(0);
  const auto deadline = Deadline::after(std::chrono::seconds(1));
  while (!netlink.is_running(link) && !deadline.expired()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  netlink.set_up(*netlink.find_link(bridge), true);
}

std::string link_of(const HomeFile::Node& node) {
  return "n" + std::to_string(node.index);
}

/// Keeps the calling thread's network namespace under a name in the file system.
void pin_netns(const Path& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  if (mount("/proc/thread-self/ns/net", file.c_str(), nullptr, MS_BIND, nullptr) != 0)
    refuse("cannot keep a network namespace at " + file.string());
}

void add_node(const Path& state, const std::string& name, HomeFile::Node& node) {
  const Descriptor home(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (unshare(CLONE_NEWNET) != 0) refuse("cannot make the network of node " + name);
  const Path file = HomeFile::node_file(state, name);
  pin_netns(file);
  node.netns = namespace_id("/proc/self/ns/net");
  {
    Netlink inside;
    make_bridge(inside, kPodBridge, node.ip());
    inside.add_local_route(kServiceNetwork, kServicePrefix);
  }
  const Descriptor own(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (setns(home.get(), CLONE_NEWNET) != 0) refuse("cannot return to the home's network");
  Netlink outside;
  outside.add_veth(link_of(node), *outside.find_link(kBridge), "uplink", std::nullopt, own.get());
  outside.set_up(*outside.find_link(link_of(node)), true);
  if (setns(own.get(), CLONE_NEWNET) != 0) refuse("cannot enter the network of node " + name);
  {
    Netlink inside;
    inside.set_master(*inside.find_link("uplink"), *inside.find_link(kPodBridge));
    inside.set_up(*inside.find_link("uplink"), true);
    raise_bridge(inside, kPodBridge, "uplink");
  }
  if (setns(home.get(), CLONE_NEWNET) != 0) refuse("cannot return to the home's network");
  raise_bridge(outside, kBridge, link_of(node));
}

/// One of this home's programs, by its command line. Numbers of namespaces are given away again: another home's may
/// have ours by now.
bool belongs_to(const Path& state, int pid) {
  const auto words = read_file("/proc/" + std::to_string(pid) + "/cmdline");
  if (!words) return false;
  const std::string name = state.string();
  for (auto at = words->find(name); at != std::string::npos; at = words->find(name, at + 1)) {
    const char after = at + name.size() < words->size() ? (*words)[at + name.size()] : '\0';
    if (after == '\0' || after == '/') return true;
  }
  return false;
}

/// A living process inside the home, by the user namespace it is in.
std::optional<int> process_inside(const Path& state, std::uint64_t userns, std::uint64_t netns) {
  DIR* all = opendir("/proc");
  if (all == nullptr) return std::nullopt;
  std::optional<int> found;
  while (const auto* entry = readdir(all)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0 || pid == getpid()) continue;
    const std::string base = "/proc/" + std::to_string(pid) + "/ns/";
    if (namespace_id(base + "user") != userns) continue;
    const std::uint64_t net = namespace_id(base + "net");
    if (net == 0) continue;  // a zombie: it keeps its user namespace until it is waited for, and nothing else
    if (!belongs_to(state, pid)) continue;
    if (!found) found = pid;
    if (net == netns) {
      found = pid;
      break;
    }
  }
  closedir(all);
  return found;
}

void join(const std::string& file, int kind) {
  const Descriptor fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 || setns(fd.get(), kind) != 0) {
    throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                std::string("cannot enter the home's network: ") + std::strerror(errno), file);
  }
}

/// In the namespaces that `pid` lives in (its network may be a node's).
void join_process(int pid) {
  const std::string base = "/proc/" + std::to_string(pid) + "/ns/";
  // The files are opened before the first is joined: afterwards /proc may look different.
  const Descriptor mnt(open((base + "mnt").c_str(), O_RDONLY | O_CLOEXEC));
  const Descriptor net(open((base + "net").c_str(), O_RDONLY | O_CLOEXEC));
  join(base + "user", CLONE_NEWUSER);
  if (setns(mnt.get(), CLONE_NEWNS) != 0 || setns(net.get(), CLONE_NEWNET) != 0)
    throw Error(ErrorCode::kUnavailable, std::string("cannot enter the home's network: ") + std::strerror(errno));
}

}  // namespace

std::uint64_t namespace_id(const std::string& file) {
  struct stat st{};
  return stat(file.c_str(), &st) == 0 ? st.st_ino : 0;
}

std::optional<HomeFile> HomeFile::read(const Path& state) {
  const auto saved = read_json(folder(state) / "home.json");
  if (!saved) return std::nullopt;
  const auto number = [](const json::object& o, std::string_view name) {
    const auto* v = o.if_contains(name);
    if (v == nullptr) return std::uint64_t{0};
    return v->is_uint64() ? v->get_uint64() : v->is_int64() ? static_cast<std::uint64_t>(v->get_int64()) : 0;
  };
  HomeFile out;
  out.holder = {static_cast<int>(number(*saved, "pid")), number(*saved, "startTime")};
  out.userns = number(*saved, "userns");
  out.netns = number(*saved, "netns");
  if (const auto* nodes = api::object_at(*saved, {"nodes"})) {
    for (const auto& entry : *nodes) {
      if (!entry.value().is_object()) continue;
      Node node;
      node.index = static_cast<int>(number(entry.value().get_object(), "index"));
      node.netns = number(entry.value().get_object(), "netns");
      out.nodes[std::string(entry.key())] = node;
    }
  }
  return out;
}

void HomeFile::write(const Path& state) const {
  json::object all;
  for (const auto& [name, node] : nodes)
    all[name] = json::object{{"index", node.index}, {"netns", node.netns}, {"ip", node.ip()}};
  write_file(folder(state) / "home.json", json::write(json::object{{"pid", holder.pid},
                                                                   {"startTime", holder.start_time},
                                                                   {"userns", userns},
                                                                   {"netns", netns},
                                                                   {"api", kApiAddress},
                                                                   {"nodes", std::move(all)}}));
}

std::string home_network_problem() {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return std::strerror(errno);
  const pid_t child = fork();
  if (child == 0) {
    std::string why;
    try {
      make_namespaces();
      Netlink netlink;
      make_bridge(netlink, kBridge, kApiAddress);
      const Descriptor own(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
      netlink.add_veth("probe", *netlink.find_link(kBridge), "peer", std::nullopt, own.get());
    } catch (const std::exception& error) {
      why = error.what();
    }
    static_cast<void>(!write(report[1], why.data(), why.size()));
    _exit(0);
  }
  close(report[1]);
  std::string out;
  char buffer[512];
  for (ssize_t n = 0; child > 0 && (n = ::read(report[0], buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<std::size_t>(n));
  close(report[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return child < 0 ? "cannot start a process" : out;
}

HomeFile hold_home_network(const Path& state, const std::vector<std::string>& nodes) {
  make_folder(HomeFile::folder(state));
  auto home = HomeFile::read(state).value_or(HomeFile());
  if (home.holder.pid > 0 && home.holder.pid != getpid() && is_alive(home.holder) &&
      namespace_id("/proc/" + std::to_string(home.holder.pid) + "/ns/user") == home.userns)
    throw Error(ErrorCode::kAlreadyExists, "is held by process " + std::to_string(home.holder.pid),
                HomeFile::folder(state).string());
  const auto inside = home.userns != 0 ? process_inside(state, home.userns, home.netns) : std::nullopt;
  if (inside) {
    join_process(*inside);
    if (namespace_id("/proc/self/ns/net") != home.netns) {
      // Everyone left is in a node's network: the home's own is kept by its name.
      join((HomeFile::folder(state) / "home").string(), CLONE_NEWNET);
    }
  } else {
    for (auto& [name, node] : home.nodes) node.netns = 0;  // their numbers stay, so that addresses do
    make_namespaces();
    pin_netns(HomeFile::folder(state) / "home");
    Netlink netlink;
    make_bridge(netlink, kBridge, kApiAddress);
  }
  home.userns = namespace_id("/proc/self/ns/user");
  home.netns = namespace_id("/proc/self/ns/net");
  for (const auto& name : nodes) {
    auto& node = home.nodes[name];
    if (node.index == 0) {
      int index = 1;
      while (std::ranges::any_of(home.nodes, [&](const auto& n) { return n.second.index == index; })) ++index;
      if (index > kMostNodes) throw Error(ErrorCode::kResourceExhausted, "has more than 250 nodes", state.string());
      node.index = index;
    }
    if (node.netns == 0 || namespace_id(HomeFile::node_file(state, name).string()) != node.netns)
      add_node(state, name, node);
  }
  if (Netlink netlink; nodes.empty()) netlink.set_up(*netlink.find_link(kBridge), true);
  home.holder = {getpid(), process_start_time(getpid()).value_or(0)};
  home.write(state);
  return home;
}

void enter_home_network(const Path& state, const std::string& node) {
  const auto home = HomeFile::read(state);
  std::optional<int> inside;
  if (home) {
    const bool held = is_alive(home->holder) &&
                      namespace_id("/proc/" + std::to_string(home->holder.pid) + "/ns/user") == home->userns;
    inside = held ? home->holder.pid : process_inside(state, home->userns, home->netns);
  }
  if (!inside) throw Error(ErrorCode::kNotFound, "this home's network is not up", state.string());
  const auto where = std::filesystem::current_path();
  join_process(*inside);
  if (!node.empty()) {
    if (!home->nodes.contains(node)) throw Error(ErrorCode::kNotFound, "this home has no such node", node);
    join(HomeFile::node_file(state, node).string(), CLONE_NEWNET);
  } else if (namespace_id("/proc/self/ns/net") != home->netns) {
    join((HomeFile::folder(state) / "home").string(), CLONE_NEWNET);
  }
  // Joining a mount namespace leads to its root.
  if (chdir(where.c_str()) != 0 && chdir("/") != 0) refuse("cannot return to the working folder");
}

void set_node_link(const Path& state, const std::string& node, bool up) {
  const auto home = HomeFile::read(state);
  if (!home || !home->nodes.contains(node)) throw Error(ErrorCode::kNotFound, "this home has no such node", node);
  Netlink netlink;
  const auto link = netlink.find_link(link_of(home->nodes.at(node)));
  if (!link) throw Error(ErrorCode::kNotFound, "the node's link is not there", node);
  netlink.set_up(*link, up);
}

bool node_link_is_up(const Path& state, const std::string& node) {
  const auto home = HomeFile::read(state);
  if (!home || !home->nodes.contains(node)) throw Error(ErrorCode::kNotFound, "this home has no such node", node);
  Netlink netlink;
  const auto link = netlink.find_link(link_of(home->nodes.at(node)));
  return link && netlink.is_up(*link);
}

}  // namespace sedna::node
