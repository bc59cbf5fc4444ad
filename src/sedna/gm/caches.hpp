// The informers that GM's controllers share: which kinds, what of them is kept, and by what they are found.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sedna/control/informer.hpp"
#include "sedna/gm/federated_learning.hpp"
#include "sedna/gm/joint_inference.hpp"

namespace sedna::gm {

class Caches {
 public:
  /// `ns`: only this namespace; "" all.
  Caches(store::ApiServer& server, const std::string& ns);

  control::Informer datasets, models, services;
  control::Informer deployments, k8s_services, hpas, pods;  ///< children of JointInferenceServices only
  control::Informer federated_jobs;
  control::Informer federated_pods, federated_services;  ///< children of FederatedLearningJobs only
  /// Of the kinds for which no controller runs.
  std::vector<std::unique_ptr<control::Informer>> others;

  JointInferenceInformers joint_inference() { return {services, models, deployments, k8s_services, hpas, pods}; }
  FederatedInformers federated() { return {federated_jobs, models, datasets, federated_pods, federated_services}; }
  std::vector<control::Informer*> all();
  std::vector<const control::Informer*> all() const;
  void start();
  void stop();
  /// The first problem of an informer, "" while all is well.
  std::string problem() const;
  bool synced() const;
};

}  // namespace sedna::gm
