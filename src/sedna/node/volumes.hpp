// The volumes of a Pod, laid out on the host, and the mounts of a container taken from them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sedna/node/environment.hpp"
#include "sedna/node/paths.hpp"
#include "sedna/node/sandbox.hpp"

namespace sedna::node {

struct VolumeContext {
  VolumeContext(const NodePaths& node_paths, const PodPaths& pod_paths) : node(node_paths), pod(pod_paths) {}
  const NodePaths& node;
  const PodPaths& pod;
  PodFacts facts;
  DataLookup lookup;
};

struct Volume {
  Path source;
  bool device = false;
  bool from_data = false;  ///< a ConfigMap, Secret or the Pod's own fields: refreshed when they change
};
using Volumes = std::map<std::string, Volume, std::less<>>;

/// Makes or checks every volume of the Pod; called again it refreshes those from data, each key's file replaced at
/// once. The error's message says which volume and what to do (it becomes the event FailedMount).
Result<Volumes> prepare_volumes(const api::Object& pod, const VolumeContext& context);

/// volumeMounts of a container. subPath stays inside its volume, also through symbolic links.
Result<std::vector<SandboxMount>> container_mounts(const json::object& container, const Volumes& volumes,
                                                   const Environment& environment);

/// Where a host path of a Pod lies on this machine: /var/lib/sedna belongs to each node, the rest is the host's. An
/// error for paths inside the state folder.
Result<Path> map_host_path(const Path& path, const NodePaths& node);

}  // namespace sedna::node
