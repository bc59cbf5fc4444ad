// Keeps the link's StateBoard as the API server says: which objects the local controller of each node should know.
#pragma once

#include <set>
#include <string>

#include "sedna/control/controller.hpp"
#include "sedna/gm/caches.hpp"
#include "sedna/link/state_board.hpp"

namespace sedna::gm {

/// Nodes on which workers of the service that use this role's model are, or will be.
std::set<std::string> nodes_of_role(const Caches& caches, const api::Object& service, Role role);
/// Nodes where a worker uses the Model.
std::set<std::string> nodes_of_model(const Caches& caches, const api::Object& model);

/// Keys are "Kind/namespace/name". Datasets go to their node, JointInferenceServices to their edge workers',
/// FederatedLearningJobs to all their workers', Models to
/// where a worker uses them.
class EdgeState final : public control::Reconciler {
 public:
  EdgeState(store::ApiServer& server, Caches& caches, link::StateBoard& board);
  /// Before the informers start.
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;

 private:
  control::ReconcileResult put_dataset(const link::StateKey& subject);
  void put(const link::StateKey& subject, const control::ObjectPtr& object, const std::set<std::string>& nodes);

  store::ApiServer& server_;
  Caches& caches_;
  link::StateBoard& board_;
};

}  // namespace sedna::gm
