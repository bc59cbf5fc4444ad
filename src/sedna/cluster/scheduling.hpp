// The scheduling loop: binds Pods to nodes, says why it cannot, and clears away Pods that no node will ever end.
// Internal to cluster.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "sedna/cluster/caches.hpp"
#include "sedna/control/controller.hpp"
#include "sedna/control/events.hpp"

namespace sedna::cluster {

class SchedulingLoop final : public control::Reconciler {
 public:
  SchedulingLoop(store::ApiServer& server, Caches& caches, control::EventRecorder& events, const Clock& clock);
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;

 private:
  control::ReconcileResult say_unschedulable(const api::Object& pod, const std::string& message, bool unknown_node);
  control::ReconcileResult clear_deleted(const api::Object& pod);
  control::ReconcileResult bind(const api::Object& pod, const std::string& node);

  store::ApiServer& server_;
  Caches& caches_;
  control::EventRecorder& events_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::size_t, std::less<>> active_;  ///< Pods that count, by node; kept by a handler
};

}  // namespace sedna::cluster
