// `sedna backup` and `sedna restore`: the objects of a home in one file.
#pragma once

#include <string>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli::home {

/// A whole copy of the database, made while the server works; mode 0600, since Secrets are in it.
int backup(Cluster& cluster, Console& console, const std::string& file);

/// Puts a backup in the place of the objects of the home, which has to be down.
int restore(Console& console, const std::string& state, const std::string& file);

}  // namespace sedna::cli::home
