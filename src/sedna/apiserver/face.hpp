// Kubernetes' HTTP face on the embedded engine: every route of the API server, put on a serve::Server. sedna-apiserver
// makes one Face and as many servers (addresses) as it listens on.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "sedna/apiserver/pod_proxy.hpp"
#include "sedna/apiserver/request_figures.hpp"
#include "sedna/apiserver/resources.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/serve/offload.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::apiserver {

struct FaceOptions {
  FaceOptions() {}
  /// The token that a node's agent and the API server both know; nothing for an unknown node.
  std::function<std::optional<std::string>(const std::string& node)> node_token;
  std::string scratch;  ///< folder for backups under way
};

/// Thread-safe. The engine and the registry outlive it; it outlives the servers.
class Face {
 public:
  Face(store::embedded::Engine& engine, metrics::Registry& registry, FaceOptions options);

  /// Before server.start().
  void add_routes(serve::Server& server);

 private:
  net::Task<serve::Response> readiness(serve::Request& request) const;
  net::Task<serve::Response> answer(serve::Request& request);
  net::Task<serve::Response> dispatch(serve::Request& request, RequestInfo info);
  net::Task<serve::Response> backup(serve::Request& request);

  store::embedded::Engine& engine_;
  RequestFigures figures_;
  const FaceOptions options_;
  Resources resources_;
  PodProxy proxy_;
  serve::Offload disk_;
};

}  // namespace sedna::apiserver
