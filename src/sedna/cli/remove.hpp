// `sedna delete`: removes objects and waits until they and what they own are gone, saying what it waits for.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/manifests.hpp"
#include "sedna/cli/targets.hpp"

namespace sedna::cli {

struct RemoveOptions {
  RemoveOptions() {}
  std::vector<std::string> words;   ///< kind name…, or
  std::vector<Manifest> manifests;  ///< what files name
  Scope scope;
  bool all = false;  ///< a kind without names
  bool wait = true;
  bool ignore_not_found = false;
  bool dry_run = false;
  std::optional<std::int64_t> grace_period_seconds;
  std::chrono::seconds timeout{120};
};

/// The exit code: 1 when something was not there, could not be removed, or is still there after the timeout.
int remove(Cluster& cluster, Console& console, const RemoveOptions& options);

}  // namespace sedna::cli
