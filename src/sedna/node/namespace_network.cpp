// The Pod network of one node inside the home's: a network namespace for each Pod, a port on the node's bridge.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "sedna/base/log.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/home_network.hpp"
#include "sedna/node/netlink.hpp"
#include "sedna/node/pod_network.hpp"

namespace sedna::node {

namespace {

constexpr const char* kPodBridge = "pods0";
constexpr int kPrefix = 16;

class NamespaceNetwork final : public PodNetwork {
 public:
  NamespaceNetwork(const NodePaths& paths, HomeFile::Node node)
      : node_(node), folder_(paths.node / "netns"), base_("10.77." + std::to_string(node.index) + ".") {
    make_folder(folder_);
  }

  std::string node_ip() const override { return node_.ip(); }
  std::string note() const override { return {}; }
  bool plain() const override { return false; }

  Result<PodAddress> attach(const std::string& uid, const std::string& wanted) override {
    const std::lock_guard lock(mutex_);
    const Path file = folder_ / uid;
    const auto known = by_pod_.find(uid);
    if (known != by_pod_.end() && is_namespace(file)) return PodAddress{known->second, file.string()};
    std::string ip = known != by_pod_.end() ? known->second : choose(wanted);
    if (ip.empty()) return Error(ErrorCode::kResourceExhausted, "all 253 Pod addresses of this node are taken");
    taken_.insert(ip);
    by_pod_[uid] = ip;
    if (is_namespace(file) && wanted == ip) return PodAddress{ip, file.string()};  // an earlier agent's
    try {
      make(uid, file, ip);
    } catch (const Error& error) {
      remove(uid, ip);
      taken_.erase(ip);
      by_pod_.erase(uid);
      return error;
    }
    return PodAddress{ip, file.string()};
  }

  void detach(const std::string& uid) override {
    const std::lock_guard lock(mutex_);
    const auto it = by_pod_.find(uid);
    const std::string ip = it == by_pod_.end() ? std::string() : it->second;
    remove(uid, ip);
    if (it == by_pod_.end()) return;
    taken_.erase(ip);
    by_pod_.erase(it);
  }

  void sweep(const std::vector<std::string>& keep) override {
    std::error_code error;
    std::vector<std::string> gone;
    for (auto it = std::filesystem::directory_iterator(folder_, error);
         !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      const auto uid = it->path().filename().string();
      if (std::ranges::find(keep, uid) == keep.end()) gone.push_back(uid);
    }
    for (const auto& uid : gone) detach(uid);
  }

 private:
  /// The link's name tells the Pod's address: that can be found again whatever else was lost.
  static std::string link_of(const std::string& ip) { return "p" + ip.substr(ip.rfind('.') + 1); }

  /// A namespace is mounted there: its file lies on another device than the folder.
  static bool is_namespace(const Path& file) {
    struct stat here{}, above{};
    return stat(file.c_str(), &here) == 0 && stat(file.parent_path().c_str(), &above) == 0 &&
           here.st_dev != above.st_dev;
  }

  std::string choose(const std::string& wanted) {
    if (wanted.starts_with(base_) && !taken_.contains(wanted)) return wanted;
    constexpr int kFirst = 2, kLast = 254;
    for (int i = kFirst; i <= kLast; ++i) {
      // In a row, so that an address just given back rests a while.
      next_ = next_ < kFirst || next_ >= kLast ? kFirst : next_ + 1;
      const std::string candidate = base_ + std::to_string(next_);
      if (!taken_.contains(candidate)) return candidate;
    }
    return {};
  }

  void make(const std::string& uid, const Path& file, const std::string& ip) const {
    remove(uid, ip);
    std::optional<Error> failure;
    // Entering a network namespace is a matter of one thread.
    std::thread([&] {
      try {
        Netlink node;
        if (unshare(CLONE_NEWNET) != 0)
          throw Error(ErrorCode::kUnavailable, std::string("cannot make a network namespace: ") + std::strerror(errno));
        const int made = open(file.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
        if (made >= 0) close(made);
        if (mount("/proc/thread-self/ns/net", file.c_str(), nullptr, MS_BIND, nullptr) != 0)
          throw Error(ErrorCode::kUnavailable, std::string("cannot keep a network namespace: ") + std::strerror(errno));
        Netlink pod;
        pod.set_up(pod.find_link("lo").value_or(1), true);
        const int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        const auto bridge = node.find_link(kPodBridge);
        if (!bridge) throw Error(ErrorCode::kUnavailable, "the node's bridge is not there");
        node.add_veth(link_of(ip), *bridge, "eth0", mac_of(ip), own);
        node.set_up(*node.find_link(link_of(ip)), true);
        close(own);
        const auto eth = pod.find_link("eth0");
        pod.add_address(*eth, ip, kPrefix);
        pod.set_up(*eth, true);
        // Services are answered by the node's agent. There is no way out but its proxy: no default route.
        pod.add_route(kServiceNetwork, kServicePrefix, node_.ip());
        // Programs learn their own address by "connecting" a datagram socket to a resolver that everyone knows
        // (upstream's get_host_ip does); nothing is sent. Without a route they would take 127.0.0.1 and serve nobody.
        for (const char* known : {"8.8.8.8", "8.8.4.4", "1.1.1.1"}) pod.add_route(known, 32, node_.ip());
      } catch (const Error& error) {
        failure = error;
      }
    }).join();
    if (failure) throw Error(*failure);
  }

  void remove(const std::string& uid, const std::string& ip) const {
    try {
      if (!ip.empty()) Netlink().remove_link(link_of(ip));
    } catch (const Error& error) {
      log::warning("a Pod's link stays", {{"uid", uid}, {"reason", error.what()}});
    }
    const Path file = folder_ / uid;
    umount2(file.c_str(), MNT_DETACH);
    unlink(file.c_str());
  }

  const HomeFile::Node node_;
  const Path folder_;
  const std::string base_;
  std::mutex mutex_;
  std::map<std::string, std::string> by_pod_;
  std::set<std::string, std::less<>> taken_;
  int next_ = 0;
};

}  // namespace

std::unique_ptr<PodNetwork> make_namespace_network(const NodePaths& paths, const std::string& node) {
  const auto home = HomeFile::read(paths.state);
  if (!home) return nullptr;
  const auto found = home->nodes.find(node);
  if (found == home->nodes.end() || found->second.netns != namespace_id("/proc/self/ns/net")) return nullptr;
  return std::make_unique<NamespaceNetwork>(paths, found->second);
}

}  // namespace sedna::node
