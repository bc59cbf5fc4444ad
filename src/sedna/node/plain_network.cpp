// Plain mode: Pods on addresses of the host's loopback. They share the host's network, so two wildcard listeners on one
// port collide.
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "sedna/node/files.hpp"
#include "sedna/node/pod_network.hpp"

namespace sedna::node {

namespace {

class PlainNetwork final : public PodNetwork {
 public:
  explicit PlainNetwork(const NodePaths& paths) {
    // Apart from other homes and nodes as far as 15 bits of a hash go; kept, so that a restart finds the same.
    const Path file = paths.node / "address";
    if (const auto kept = read_file(file); kept && kept->starts_with("127.")) {
      base_ = kept->substr(0, kept->rfind('.') + 1);
    } else {
      const auto hash = std::hash<std::string>()(std::filesystem::weakly_canonical(paths.node).string());
      base_ = "127." + std::to_string(64 + hash % 31) + "." + std::to_string(1 + (hash >> 8) % 250) + ".";
      make_folder(paths.node);
      write_file(file, base_ + "1");
    }
  }

  std::string node_ip() const override { return base_ + "1"; }

  Result<PodAddress> attach(const std::string& uid, const std::string& wanted) override {
    const std::lock_guard lock(mutex_);
    if (const auto it = by_pod_.find(uid); it != by_pod_.end()) return PodAddress{it->second, {}};
    std::string ip;
    if (wanted.starts_with(base_) && !taken_.contains(wanted)) ip = wanted;
    for (int i = 0; i < kAddresses && ip.empty(); ++i) {
      next_ = next_ % kAddresses + 1;
      const std::string candidate = base_ + std::to_string(next_ + 1);
      if (!taken_.contains(candidate)) ip = candidate;
    }
    if (ip.empty()) return Error(ErrorCode::kResourceExhausted, "all 250 Pod addresses of this node are taken");
    taken_.insert(ip);
    by_pod_[uid] = ip;
    return PodAddress{ip, {}};
  }

  void detach(const std::string& uid) override {
    const std::lock_guard lock(mutex_);
    const auto it = by_pod_.find(uid);
    if (it == by_pod_.end()) return;
    taken_.erase(it->second);
    by_pod_.erase(it);
  }

  void sweep(const std::vector<std::string>& /*keep*/) override {}

  std::string note() const override {
    return "plain mode: the Pod shares the host's network (two workers that listen on all addresses cannot use the "
           "same "
           "port)";
  }
  bool plain() const override { return true; }

 private:
  static constexpr int kAddresses = 250;
  std::string base_;
  std::mutex mutex_;
  std::map<std::string, std::string> by_pod_;
  std::set<std::string, std::less<>> taken_;
  int next_ = 0;
};

}  // namespace

std::unique_ptr<PodNetwork> make_plain_network(const NodePaths& paths) {
  return std::make_unique<PlainNetwork>(paths);
}

}  // namespace sedna::node
