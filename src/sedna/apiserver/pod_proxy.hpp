// What of a Pod lies with its node's agent and not in the store: logs. Asked for over HTTPS, as kube-apiserver asks a
// kubelet. Internal to module apiserver.
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
};

class PodProxy {
 public:
  using NodeToken = std::function<std::optional<std::string>(const std::string& node)>;
  PodProxy(store::embedded::Engine& engine, NodeToken node_token)
      : engine_(engine), node_token_(std::move(node_token)) {}

  /// GET …/pods/{name}/log
  net::Task<serve::Response> logs(RequestInfo info);

  store::Outcome<AgentAddress> agent_of(const std::string& node) const;

 private:
  store::embedded::Engine& engine_;
  const NodeToken node_token_;
};

}  // namespace sedna::apiserver
