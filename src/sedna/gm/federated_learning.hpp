// The controller of FederatedLearningJob: keeps its aggregation Pod and Service and its training Pods as the job says,
// makes lost ones again under the same WORKER_NAME, and its status as they are (docs/compatibility/control-plane.md).
// One per GM; run by control::Controller.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/control/controller.hpp"
#include "sedna/control/events.hpp"
#include "sedna/gm/child_writes.hpp"
#include "sedna/gm/federated_plan.hpp"
#include "sedna/gm/federated_reports.hpp"
#include "sedna/gm/inbox.hpp"
#include "sedna/gm/worker_health.hpp"

namespace sedna::gm {

/// The caches it reads. Children are watched with the label selector `name_label(kFederatedLearningJob)`.
struct FederatedInformers {
  control::Informer& jobs;  ///< indices "model" and "dataset" (below)
  control::Informer& models;
  control::Informer& datasets;
  control::Informer& pods;          ///< index "owner" (control::index_by_controller_uid)
  control::Informer& k8s_services;  ///< the same
};

/// Of a FederatedLearningJob: "namespace/name" of the Models and of the Datasets that it names.
std::vector<std::string> index_job_by_model(const api::Object& job);
std::vector<std::string> index_job_by_dataset(const api::Object& job);
/// Leaves of a cached Pod what the controller reads: its node, its policy, WORKER_NAME and DATASET_NAME.
void trim_federated_pod(api::Object& pod);
/// Nodes on which the job's workers are, or will be.
std::set<std::string> nodes_of_job(const api::Object& job, const std::vector<control::ObjectPtr>& pods);

/// How one of the job's workers does, with its Pod.
struct FederatedWorkerHealth {
  enum class State : std::uint8_t { kMissing, kPending, kRunning, kSucceeded, kFailing };
  FederatedWorker worker;
  control::ObjectPtr pod;  ///< the one that counts; may be null
  State state = State::kMissing;
  std::string worker_name, reason, message;
  std::int64_t restarts = 0;
  std::int64_t rebuilt = 0;
  bool vague = false;    ///< the Pod itself does not say why
  bool had_pod = false;  ///< when the status was last written
};

class FederatedLearningController final : public control::Reconciler {
 public:
  FederatedLearningController(store::ApiServer& server, FederatedInformers informers, control::EventRecorder& events,
                              WorkerOptions options, metrics::Registry* registry = nullptr,
                              const Clock& clock = Clock::real());

  /// Registers what queues which job. Before the informers start.
  void watch(control::Controller& controller);
  control::ReconcileResult reconcile(const std::string& key) override;

  /// Reports of workers; whoever puts one adds the job's key to the queue.
  Inbox& inbox() { return inbox_; }

 private:
  /// One look at a job: what is wanted, what is there, what is in the way.
  struct Look {
    api::Object job;
    json::object status;
    std::int64_t run = 1;
    bool ended = false;  ///< nothing is to be made any more
    std::vector<FederatedWorkerHealth> workers;
    std::optional<ChildObstacle> obstacle;
    std::optional<SteadyClock::duration> again;
    void note(std::optional<ChildObstacle> found);
    void look_again(SteadyClock::duration delay);
  };

  void begin(Look& look);
  FederatedInputs resolve(const Look& look);
  DataAccess access(const api::Object& job, const api::Kind& kind, std::string_view name, const std::string& field);
  std::optional<Credential> secret(const api::Object& job, std::string_view name, const std::string& whose);
  void ensure_children(Look& look);
  void ensure_service(Look& look);
  void ensure_pod(Look& look, FederatedWorkerHealth& worker, const FederatedInputs& inputs);
  void make_pod(Look& look, FederatedWorkerHealth& worker, const FederatedInputs& inputs, const std::string& why);
  void remove_pod(Look& look, const control::ObjectPtr& pod, const std::string& why);
  void match_pods(Look& look);
  void assess(FederatedWorkerHealth& worker, std::string_view ns);
  std::optional<std::string> completion(Look& look);

  control::ReconcileResult write_status(Look& look);
  void put_workers(Look& look) const;
  void put_state(Look& look, const std::optional<std::string>& complete, const FederatedReports& reports);
  /// False when the Model has changed meanwhile: later.
  bool write_model_metrics(const api::Object& job, const FederatedReports& reports);
  void tell_metrics(const api::Object& job, const json::object& status);

  store::ApiServer& server_;
  FederatedInformers informers_;
  control::EventRecorder& events_;
  const WorkerOptions options_;
  metrics::Registry* registry_;
  const Clock& clock_;
  Inbox inbox_;
  std::mutex mutex_;
  std::map<std::string, SteadyClock::time_point> reported_;  ///< when reports were last written, per job
};

}  // namespace sedna::gm
