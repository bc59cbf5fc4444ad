// `sedna top`: what the services do, refreshed while one looks.
#pragma once

#include <chrono>
#include <string>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"

namespace sedna::cli {

struct TopOptions {
  TopOptions() {}
  std::string ns;  ///< "": all
  Output output;
  bool once = false;
  std::chrono::milliseconds interval{2000};
};

/// Services with their figures (of now where the nodes' local controllers are reached, else the status's with their
/// age) and, from the second look on, inferences a second; nodes with their workers. Goes on until the process is
/// ended, unless `once` or not on a terminal.
int top(Cluster& cluster, Console& console, const TopOptions& options);

}  // namespace sedna::cli
