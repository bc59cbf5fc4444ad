// Limits and devices of a container: by control groups where they may be written, else by watching; what cannot be given
// is said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/node/paths.hpp"
#include "sedna/node/pod_network.hpp"

namespace sedna::node {

struct ContainerLimits {
  std::int64_t watched_memory = 0;    ///< the shim watches it
  std::vector<std::string> cgroups;   ///< cgroup.procs files to join
  std::vector<Path> devices;          ///< device files and driver libraries for what was asked of a device plugin
  std::vector<std::string> notes;     ///< for the Pod's condition
};

ContainerLimits container_limits(const json::object& container, const PodNetwork& network, const NodePaths& paths,
                                 const std::string& uid, const std::string& name);

/// GPUs of this machine by their device files.
int count_gpus();

}  // namespace sedna::node
