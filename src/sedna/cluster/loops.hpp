// The embedded home's own loops: what kube-scheduler and kube-controller-manager do in a cluster, as far as one machine
// needs it. Ordinary controllers over store::ApiServer; sedna-apiserver runs them in its process, nobody else does.
#pragma once

#include <memory>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::cluster {

struct LoopsOptions {
  LoopsOptions() {}
  /// Where Services get their addresses from. The Pod network routes it to the node's agent; in plain mode it lies in
  /// 127.0.0.0/8.
  std::string service_cidr = "10.96.0.0/16";
  /// After a node's Lease was seen renewed for the last time, at least this long until Ready=Unknown (the Lease's own
  /// duration, when longer, counts).
  SteadyClock::duration node_grace = std::chrono::seconds(10);
  /// Pods that say nothing about node.kubernetes.io/unreachable are evicted after this (never from edge nodes).
  std::chrono::seconds default_toleration{300};
  const Clock* clock = &Clock::real();
  metrics::Registry* registry = nullptr;
};

/// Scheduler, Deployments, Services (addresses and EndpointSlices), node life, namespaces, garbage collection.
/// Life: construct → start() → stop() (or the destructor). `server` outlives it.
class Loops {
 public:
  explicit Loops(store::ApiServer& server, LoopsOptions options = {});
  ~Loops();
  Loops(const Loops&) = delete;
  Loops& operator=(const Loops&) = delete;

  /// Returns at once; the loops begin when their caches are filled.
  void start();
  /// Idempotent; waits for what is under way.
  void stop();
  /// Every cache has been filled once.
  bool wait_synced(Deadline deadline) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::cluster
