// Namespace deletion: everything in it goes, then the namespace itself. Internal to cluster.
#pragma once

#include <string>

#include "sedna/cluster/caches.hpp"
#include "sedna/control/controller.hpp"

namespace sedna::cluster {

class NamespaceLoop final : public control::Reconciler {
 public:
  NamespaceLoop(store::ApiServer& server, Caches& caches);
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& name) override;

 private:
  /// Asks for the removal of all that is in it; how many objects are still there, or why it failed.
  std::size_t empty(const std::string& name, std::string& problem);

  store::ApiServer& server_;
  Caches& caches_;
};

}  // namespace sedna::cluster
