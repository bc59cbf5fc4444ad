// Limits and devices of a container: by control groups where they may be written, else by watching; what cannot be
// given is said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/node/cgroups.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

struct ContainerLimits {
  std::int64_t watched_memory = 0;   ///< the shim watches it, where there is no control group for it
  std::vector<std::string> cgroups;  ///< cgroup.procs files to join
  std::vector<Path> devices;         ///< device files for what was asked of a device plugin
  std::vector<std::string> notes;    ///< for the Pod's condition
};

/// `name`: of the run's control groups.
ContainerLimits container_limits(const json::object& container, const Cgroups& cgroups, const std::string& name);

/// GPUs of this machine by their device files.
int count_gpus();

}  // namespace sedna::node
