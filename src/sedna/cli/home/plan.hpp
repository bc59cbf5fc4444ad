// Which programs make up a home, in which order and with which flags: the one place that spells their command lines.
#pragma once

#include <vector>

#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/supervisor.hpp"

namespace sedna::cli::home {

struct PlanOptions {
  PlanOptions() {}
  bool plain = false;    ///< no namespaces: everything on the host's own network
  bool to_stop = false;  ///< only to stop them: programs may be missing by now
};

/// The daemons of `home`. Throws Error naming a program that is not installed.
std::vector<DaemonSpec> plan(const Paths& paths, const HomeFile& home, const PlanOptions& options);

}  // namespace sedna::cli::home
