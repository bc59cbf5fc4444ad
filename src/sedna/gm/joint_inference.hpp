// The controller of JointInferenceService: keeps its two Deployments, its Service and its autoscalers as the service
// says, and its status as they are (docs/compatibility/control-plane.md). One per GM; run by control::Controller.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sedna/control/controller.hpp"
#include "sedna/control/events.hpp"
#include "sedna/gm/inbox.hpp"
#include "sedna/gm/joint_inference_plan.hpp"
#include "sedna/gm/worker_health.hpp"

namespace sedna::gm {

/// The caches it reads. Children are watched with the label selector `name_label(kJointInferenceService)`.
struct JointInferenceInformers {
  control::Informer& services;  ///< with index "model" (see index_by_model)
  control::Informer& models;
  control::Informer& deployments;  ///< index "owner" (control::index_by_controller_uid), here and below
  control::Informer& k8s_services;
  control::Informer& hpas;
  control::Informer& pods;  ///< index "service" (index_by_service_uid)
};

/// Of a JointInferenceService: "namespace/model" of both workers.
std::vector<std::string> index_by_model(const api::Object& service);
/// Of a Pod: the uid of the service whose worker it is.
std::vector<std::string> index_by_service_uid(const api::Object& pod);
/// Leaves out what the controller never reads of a cached Deployment or Pod.
void trim_deployment(api::Object& deployment);
void trim_pod(api::Object& pod);

class JointInferenceController final : public control::Reconciler {
 public:
  JointInferenceController(store::ApiServer& server, JointInferenceInformers informers, control::EventRecorder& events,
                           WorkerOptions options, const Clock& clock = Clock::real());

  /// Registers what queues which service. Before the informers start.
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;

  /// Reports of edge workers; whoever puts one adds the service's key to the queue.
  Inbox& inbox() { return inbox_; }

 private:
  struct Children;
  /// A reason for which the service can't be as it should; told as a condition.
  struct Obstacle {
    std::string reason, message;
    bool failing = true;  ///< otherwise only a matter of time
  };
  std::optional<Obstacle> ensure_children(const api::Object& service, Children& children);
  std::optional<Obstacle> resolve_model(const api::Object& service, Role role, ModelAccess& access);
  std::optional<Obstacle> ensure_deployment(const api::Object& service, Role role, Children& children);
  std::optional<Obstacle> ensure_service(const api::Object& service);
  std::optional<Obstacle> ensure_hpa(const api::Object& service, Role role);
  std::optional<Obstacle> make(control::Informer& informer, const api::Object& service, const api::Object& wanted);
  std::optional<Obstacle> roll_out(const api::Object& service, Role role, Children& children);
  void look_up_events(WorkerHealth& health, std::string_view ns);
  control::ReconcileResult write_status(const api::Object& service, const std::optional<Obstacle>& obstacle,
                                        std::vector<WorkerHealth> health);

  store::ApiServer& server_;
  JointInferenceInformers informers_;
  control::EventRecorder& events_;
  const WorkerOptions options_;
  const Clock& clock_;
  Inbox inbox_;
  std::mutex mutex_;
  std::map<std::string, SteadyClock::time_point> reported_;  ///< when reports were last written, per service
};

}  // namespace sedna::gm
