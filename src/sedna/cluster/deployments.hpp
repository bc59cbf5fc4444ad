// The Deployment loop: carries out what plan_rollout says. Internal to cluster.
#pragma once

#include "sedna/cluster/caches.hpp"
#include "sedna/control/controller.hpp"
#include "sedna/control/events.hpp"

namespace sedna::cluster {

class DeploymentLoop final : public control::Reconciler {
 public:
  DeploymentLoop(store::ApiServer& server, Caches& caches, control::EventRecorder& events, const Clock& clock);
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;

 private:
  std::string carry_out(const api::Object& deployment, const struct RolloutPlan& plan);

  store::ApiServer& server_;
  Caches& caches_;
  control::EventRecorder& events_;
  const Clock& clock_;
};

}  // namespace sedna::cluster
