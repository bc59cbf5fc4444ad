// What the other commands ask of the home on this machine.
#pragma once

#include <string>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/home/paths.hpp"

namespace sedna::cli::home {

/// One line for `status`: which home or cluster it is, and whether the home is supervised.
std::string headline(const std::string& state, const Cluster& cluster);

/// This cluster is the home in `state`.
bool is_home(const std::string& state, const Cluster& cluster);

/// `server` is that of the home in `state`, whose API server does not run.
bool is_down(const std::string& state, const std::string& server);

/// The process id of the `sedna up` that holds the home's lock; 0 when none does.
int supervisor_of(const Paths& paths);

}  // namespace sedna::cli::home
