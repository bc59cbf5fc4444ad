// The address and network of each Pod, as the Pod runner asks for them. Two implementations: a network namespace per
// Pod on the node's bridge, and the plain mode where Pods share the host's network on addresses of 127.0.0.0/8.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

struct PodAddress {
  std::string ip;
  std::string netns;  ///< file to join; empty: the agent's own network
};

/// Thread-safe; calls for one Pod never overlap.
class PodNetwork {
 public:
  virtual ~PodNetwork() = default;
  /// The node's own address: hostNetwork Pods, the agent and the LC.
  virtual std::string node_ip() const = 0;
  /// The Pod's address and network, made when they are not there. `wanted`: the address it had, kept if possible.
  virtual Result<PodAddress> attach(const std::string& uid, const std::string& wanted) = 0;
  /// Takes both back. What is not there is fine.
  virtual void detach(const std::string& uid) = 0;
  /// Networks of Pods that are not `keep` any more are taken back: after a restart of the agent.
  virtual void sweep(const std::vector<std::string>& keep) = 0;
  /// What Pods do not get here that Kubernetes would give; "" when nothing. Announced in their conditions.
  virtual std::string note() const = 0;
  virtual bool plain() const = 0;
};

/// Addresses 127.<home>.<node>.x, both numbers from hashes kept in the node's folder.
std::unique_ptr<PodNetwork> make_plain_network(const NodePaths& paths);

/// The node's part of the home's network (home_network.hpp); null when this process does not live in it.
std::unique_ptr<PodNetwork> make_namespace_network(const NodePaths& paths, const std::string& node);

}  // namespace sedna::node
