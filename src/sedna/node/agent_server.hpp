// The agent's HTTPS face, as kubelet's: the logs of its containers, for the API server to pass on; health and figures.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sedna/base/metrics.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

struct AgentServerOptions {
  AgentServerOptions() {}
  std::string host;  ///< the node's address
  std::string node_name;
  std::string token;       ///< what callers must show; empty: nobody gets a log
  std::uint16_t port = 0;  ///< 0: any
  bool loopback_too = false;
};

class AgentServer {
 public:
  /// The folder of a Pod on this node, by namespace and name.
  using FindPod = std::function<std::optional<PodPaths>(const std::string& ns, const std::string& name)>;
  /// Makes the certificate in the node's folder when there is none. Throws Error.
  AgentServer(const NodePaths& paths, AgentServerOptions options, FindPod find, metrics::Registry& registry);
  ~AgentServer();
  AgentServer(const AgentServer&) = delete;
  AgentServer& operator=(const AgentServer&) = delete;
  void start();
  void stop();
  std::uint16_t port() const;
  std::string origin() const;
  const std::string& certificate() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::node
