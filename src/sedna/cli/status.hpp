// `sedna status`: one screen that says what is there, what is wrong and what to do about it.
#pragma once

#include <string>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"
#include "sedna/cli/overview.hpp"

namespace sedna::cli {

struct StatusOptions {
  StatusOptions() {}
  std::string ns;  ///< "": all
  Output output;
  std::string headline;  ///< of the home, when this machine has one
};

/// 0 when all is well or on its way, 1 when there are problems.
int status(Cluster& cluster, Console& console, const StatusOptions& options);

/// The screen's text; `rows` bounds each table (0: all).
std::string render_status(const Console& console, const Overview& overview, std::size_t rows);

}  // namespace sedna::cli
