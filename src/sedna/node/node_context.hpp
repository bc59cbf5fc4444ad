// What the Pod runners of one agent share. Internal to node.
#pragma once

#include <functional>
#include <string>

#include "sedna/control/events.hpp"
#include "sedna/control/informer.hpp"
#include "sedna/node/cgroups.hpp"
#include "sedna/node/environment.hpp"
#include "sedna/node/images.hpp"
#include "sedna/node/paths.hpp"
#include "sedna/node/pod_network.hpp"
#include "sedna/node/probes.hpp"
#include "sedna/node/sandbox.hpp"

namespace sedna::node {

struct NodeContext {
  NodeContext(store::ApiServer& api_server, NodePaths node_paths) : server(api_server), paths(std::move(node_paths)) {}

  store::ApiServer& server;
  NodePaths paths;
  std::string node_name;
  std::string shim, storage_initializer;  ///< programs
  ImageMap images;
  SandboxSupport sandbox;
  PodNetwork* network = nullptr;
  control::Informer* pods = nullptr;  ///< those bound to this node
  control::EventRecorder* events = nullptr;
  Prober* prober = nullptr;
  const Cgroups* cgroups = nullptr;
  const Clock* clock = &Clock::real();
  std::int64_t cpu_millis = 0, memory_bytes = 0;
  Environment extra_environment;  ///< a proxy for the way out
  std::string download_proxy;     ///< "host:port" that the storage initializer goes through; "": none

  /// Something happened to the Pod: look at it soon.
  std::function<void(const std::string& uid)> poke;
  /// Call poke(uid) when this process (its pidfd) ends.
  std::function<void(int pidfd, const std::string& uid)> watch_exit;
  /// ConfigMaps and Secrets of a namespace.
  std::function<Result<std::optional<Data>>(const std::string& ns, Source source, const std::string& name)> data;
  /// Writes and keeps up to date the hosts file of a Pod.
  std::function<void(const api::Object& pod, const std::string& ip, const Path& file)> hosts;
  std::function<void(const std::string& uid)> forget_hosts;
  /// Plain mode: names of Services in a value replaced by addresses.
  std::function<std::string(const std::string& ns, const std::string& value)> rewrite_names;
};

}  // namespace sedna::node
