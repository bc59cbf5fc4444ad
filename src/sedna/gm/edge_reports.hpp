// What edge workers report about their inferences, merged into the status of a JointInferenceService: one entry per
// worker, totals, and upstream's three figures in status.metrics. Pure functions; nothing is counted twice, because the
// sequence of the last report lies in the entry that it made.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sedna/gm/inbox.hpp"

namespace sedna::gm {

/// More entries than this are folded into status.ended, the oldest of those whose Pod is gone first.
inline constexpr std::size_t kMaxEdgeWorkers = 64;

/// An edge Pod that exists.
struct LivingPod {
  std::string name;
  bool ready = false;
};

/// Merges the reports into `status` (members edgeWorkers, ended, total, metrics). A report's body: {worker, podUid,
/// ownerInfo: upstream's figures, statistics: ours, time}. `living`: by uid. False when nothing changed (all were
/// duplicates).
bool merge_edge_reports(json::object& status, const std::vector<Fact>& reports,
                        const std::map<std::string, LivingPod>& living);

}  // namespace sedna::gm
