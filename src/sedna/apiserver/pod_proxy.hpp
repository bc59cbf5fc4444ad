// What lies with a node and not in the store: logs of Pods, asked for over HTTPS, as kube-apiserver asks a kubelet;
// what a local controller tells. Internal to module apiserver.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "sedna/apiserver/request_info.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::apiserver {

/// Where a node's agent serves, and how to trust it.
struct AgentAddress {
  std::string host;
  std::uint16_t port = 0;
  std::string node;         ///< the name its certificate has
  std::string certificate;  ///< PEM
  std::string token;
  bool tls = true;
};

/// What is asked of a node.
struct NodeTarget {
  NodeTarget() {}
  std::string node, port, path;
};

class PodProxy {
 public:
  using NodeToken = std::function<std::optional<std::string>(const std::string& node)>;
  PodProxy(store::embedded::Engine& engine, NodeToken node_token)
      : engine_(engine), node_token_(std::move(node_token)) {}

  /// GET …/pods/{name}/log
  net::Task<serve::Response> logs(RequestInfo info);

  /// GET /api/v1/nodes/{name}:{port}/proxy/{path}: nothing when `path` is not of this kind. Of a node's ports only that
  /// of its local controller, which answers anybody on the node's network.
  static std::optional<NodeTarget> node_target(std::string_view path);
  net::Task<serve::Response> node(NodeTarget target);

  store::Outcome<AgentAddress> agent_of(const std::string& node) const;

 private:
  store::embedded::Engine& engine_;
  const NodeToken node_token_;
};

}  // namespace sedna::apiserver
