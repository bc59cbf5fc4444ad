// The small scheduler's choice: on which node a Pod goes, or why on none. Pure; called by the scheduling loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/control/object_cache.hpp"

namespace sedna::cluster {

using control::ObjectPtr;

struct Placement {
  std::string node;     ///< "": nowhere
  std::string message;  ///< then: why, naming every node, as Kubernetes says it and in our words after it
  /// spec.nodeName is set, but no such node is here: said, never re-placed.
  bool unknown_node = false;
};

/// `pods_per_node`: active Pods bound to each node. Nodes must be Ready and schedulable and meet nodeSelector, required
/// node affinity, taints and extended resources (those with a "/" in their name); among them the one with the fewest
/// Pods, then the first by name.
Placement place(const api::Object& pod, const std::vector<ObjectPtr>& nodes,
                const std::map<std::string, std::size_t, std::less<>>& pods_per_node,
                const std::map<std::string, std::map<std::string, std::int64_t>, std::less<>>& extended_in_use = {});

/// What a Pod asks of extended resources ("nvidia.com/gpu": 1), from the limits of its containers.
std::map<std::string, std::int64_t> extended_resources(const api::Object& pod);

/// Whether one of the tolerations of the Pod tolerates the taint.
bool tolerates(const api::Object& pod, const json::object& taint);

}  // namespace sedna::cluster
