// Nodes whose agent stopped renewing its Lease: Ready=Unknown, their Pods not ready (so that Services leave them out),
// eviction after what the Pods tolerate. Nodes that were removed: their Pods go with them. Internal to cluster.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "sedna/cluster/caches.hpp"
#include "sedna/control/controller.hpp"
#include "sedna/control/events.hpp"

namespace sedna::cluster {

inline constexpr std::string_view kUnreachableTaint = "node.kubernetes.io/unreachable";

/// How long a Pod may stay on a node that is unreachable; nothing: for ever. `fallback` is for Pods that do not say;
/// on an edge node those stay: being offline is its everyday, and its Pods go on working.
std::optional<std::chrono::seconds> tolerated_unreachable(const api::Object& pod, bool edge_node,
                                                          std::chrono::seconds fallback);

class NodeLifeLoop final : public control::Reconciler {
 public:
  struct Options {
    Options() {}
    SteadyClock::duration grace = std::chrono::seconds(10);
    std::chrono::seconds default_toleration{300};
  };
  NodeLifeLoop(store::ApiServer& server, Caches& caches, control::EventRecorder& events, const Clock& clock,
               Options options);
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& node) override;

 private:
  /// Time left until the node counts as lost; not positive: it is.
  SteadyClock::duration time_left(const std::string& node);
  control::ReconcileResult lost(const api::Object& node);
  control::ReconcileResult alive(const api::Object& node, SteadyClock::duration left);
  std::string mark_pods_not_ready(const api::Object& node);
  /// There is no such node (any more), and so no agent that would end its Pods or confirm that they have ended.
  control::ReconcileResult bygone(const std::string& node);

  store::ApiServer& server_;
  Caches& caches_;
  control::EventRecorder& events_;
  const Clock& clock_;
  const Options options_;
  struct Seen {
    std::string renew_time;
    SteadyClock::time_point at;
  };
  std::mutex mutex_;
  /// When a renewal was first seen, by our own clock: that of the agent, or one that jumps, does not matter.
  std::map<std::string, Seen> seen_;
  std::map<std::string, SteadyClock::time_point> missing_since_;
};

}  // namespace sedna::cluster
