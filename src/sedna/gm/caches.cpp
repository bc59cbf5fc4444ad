#include "sedna/gm/caches.hpp"

namespace sedna::gm {

namespace {

control::InformerOptions scoped(const std::string& ns) {
  control::InformerOptions options;
  options.ns = ns;
  return options;
}

control::InformerOptions children_of(const api::Kind& owner, const std::string& ns,
                                     std::function<void(api::Object&)> trim = {}) {
  control::InformerOptions options = scoped(ns);
  options.label_selector = name_label(owner);
  options.trim = std::move(trim);
  return options;
}

}  // namespace

Caches::Caches(store::ApiServer& server, const std::string& ns)
    : datasets(server, api::kinds::kDataset, scoped(ns)),
      models(server, api::kinds::kModel, scoped(ns)),
      services(server, api::kinds::kJointInferenceService, scoped(ns)),
      deployments(server, api::kinds::kDeployment,
                  children_of(api::kinds::kJointInferenceService, ns, trim_deployment)),
      k8s_services(server, api::kinds::kService, children_of(api::kinds::kJointInferenceService, ns)),
      hpas(server, api::kinds::kHorizontalPodAutoscaler, children_of(api::kinds::kJointInferenceService, ns)),
      pods(server, api::kinds::kPod, children_of(api::kinds::kJointInferenceService, ns, trim_pod)),
      federated_jobs(server, api::kinds::kFederatedLearningJob, scoped(ns)),
      federated_pods(server, api::kinds::kPod, children_of(api::kinds::kFederatedLearningJob, ns, trim_federated_pod)),
      federated_services(server, api::kinds::kService, children_of(api::kinds::kFederatedLearningJob, ns)) {
  using namespace api::kinds;
  services.add_index("model", index_by_model);
  pods.add_index("service", index_by_service_uid);
  federated_jobs.add_index("model", index_job_by_model);
  federated_jobs.add_index("dataset", index_job_by_dataset);
  federated_pods.add_index("owner", control::index_by_controller_uid);
  for (const api::Kind* kind : {&kIncrementalLearningJob, &kLifelongLearningJob, &kObjectSearchService,
                                &kObjectTrackingService, &kFeatureExtractionService, &kVideoAnalyticsJob, &kReidJob}) {
    others.push_back(std::make_unique<control::Informer>(server, *kind, scoped(ns)));
  }
}

std::vector<control::Informer*> Caches::all() {
  std::vector<control::Informer*> out{&datasets, &models, &services,       &deployments,    &k8s_services,
                                      &hpas,     &pods,   &federated_jobs, &federated_pods, &federated_services};
  for (const auto& other : others) out.push_back(other.get());
  return out;
}

std::vector<const control::Informer*> Caches::all() const {
  std::vector<const control::Informer*> out{&datasets, &models, &services,       &deployments,    &k8s_services,
                                            &hpas,     &pods,   &federated_jobs, &federated_pods, &federated_services};
  for (const auto& other : others) out.push_back(other.get());
  return out;
}

void Caches::start() {
  for (control::Informer* informer : all()) informer->start();
}

void Caches::stop() {
  for (control::Informer* informer : all()) informer->stop();
}

std::string Caches::problem() const {
  for (const control::Informer* informer : all()) {
    if (auto problem = informer->problem(); !problem.empty()) return problem;
  }
  return {};
}

bool Caches::synced() const {
  for (const control::Informer* informer : all()) {
    if (!informer->synced()) return false;
  }
  return true;
}

}  // namespace sedna::gm
