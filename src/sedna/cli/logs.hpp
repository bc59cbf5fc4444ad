// `sedna logs`: what the containers of a Pod, a Deployment, a Sedna object or a selection write.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/targets.hpp"

namespace sedna::cli {

struct LogsOptions {
  LogsOptions() {}
  std::string what;  ///< POD, pod/x, deploy/x, ji/x, service/x; empty with a selector
  Scope scope;
  std::string container;
  bool all_containers = false;
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  bool prefix = false;  ///< "pod/container: " before each line; by itself when there is more than one
  std::optional<long> tail;
  std::optional<long> since_seconds;
};

int logs(Cluster& cluster, Console& console, const LogsOptions& options);

/// The Pods that belong to an object: itself, by its selector, or by owner through its Deployments. Throws Error when
/// the object is not there.
std::vector<api::Object> pods_of(Cluster& cluster, const api::Kind& kind, const std::string& ns,
                                 const std::string& name);

}  // namespace sedna::cli
