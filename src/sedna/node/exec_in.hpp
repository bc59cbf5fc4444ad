// Runs a command inside a running container, in its view of files, processes and network: exec probes, lifecycle hooks.
#pragma once

#include <string>
#include <vector>

#include "sedna/node/process.hpp"
#include "sedna/node/run_program.hpp"

namespace sedna::node {

/// `folder`: the container's present run. Environment and working folder are those of its command. In plain mode there
/// is nothing to enter, and the command runs as it is.
ProgramResult exec_in(const AttemptPaths& folder, const std::vector<std::string>& argv, Deadline deadline);

}  // namespace sedna::node
