// `sedna get`: the server's tables as kubectl shows them, or the objects themselves; once or as they change.
#pragma once

#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"
#include "sedna/cli/targets.hpp"

namespace sedna::cli {

struct GetOptions {
  GetOptions() {}
  std::vector<std::string> words;
  Scope scope;
  Output output;
  bool watch = false;
  bool watch_only = false;
  bool show_labels = false;
  bool no_headers = false;
  bool ignore_not_found = false;
};

/// The exit code: 0, or 1 when something that was named is not there.
int get(Cluster& cluster, Console& console, const GetOptions& options);

}  // namespace sedna::cli
