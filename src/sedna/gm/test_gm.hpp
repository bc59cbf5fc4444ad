// The controllers over an embedded API server on one thread with a clock that stands still: a test says what happens
// and when, and looks at what is there afterwards.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "sedna/gm/caches.hpp"
#include "sedna/gm/joint_inference.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/store/embedded/embedded_server.hpp"
#include "sedna/testing/fake_clock.hpp"

namespace sedna::gm::testing {

/// The digits service and its models, as a user would write them.
inline constexpr std::string_view kService = R"(
apiVersion: sedna.io/v1alpha1
kind: JointInferenceService
metadata: {name: digits, namespace: default}
spec:
  edgeWorker:
    model: {name: small}
    hardExampleMining:
      name: IBT
      parameters: [{key: threshold_img, value: "0.9"}]
    template:
      spec:
        nodeName: edge0
        containers:
        - name: little
          image: digits-edge:v1
          env: [{name: input_shape, value: "8,8"}]
  cloudWorker:
    model: {name: big}
    template:
      spec:
        nodeName: cloud0
        containers: [{name: big, image: "digits-cloud:v1"}]
)";
inline constexpr std::string_view kModels = R"(
apiVersion: sedna.io/v1alpha1
kind: Model
metadata: {name: small, namespace: default}
spec: {url: /models/small/model.onnx, format: onnx}
---
apiVersion: sedna.io/v1alpha1
kind: Model
metadata: {name: big, namespace: default}
spec: {url: /models/big/model.onnx, format: onnx}
)";

/// The digits job, its Model and Datasets, as a user would write them.
inline constexpr std::string_view kFederatedData = R"(
apiVersion: sedna.io/v1alpha1
kind: Model
metadata: {name: digits, namespace: default}
spec: {url: /models/digits, format: npz}
---
apiVersion: sedna.io/v1alpha1
kind: Dataset
metadata: {name: one, namespace: default}
spec: {url: /data/one.npz, format: txt, nodeName: edge1}
---
apiVersion: sedna.io/v1alpha1
kind: Dataset
metadata: {name: two, namespace: default}
spec: {url: /data/two.npz, format: txt, nodeName: edge2}
)";

inline constexpr std::string_view kFederatedJob = R"(
apiVersion: sedna.io/v1alpha1
kind: FederatedLearningJob
metadata: {name: digits, namespace: default}
spec:
  aggregationWorker:
    model: {name: digits}
    template:
      spec: {nodeName: cloud0, containers: [{name: aggregate, image: "aggregate:v1"}]}
  trainingWorkers:
  - dataset: {name: one}
    template: {spec: {nodeName: edge1, containers: [{name: train, image: "train:v1"}]}}
  - dataset: {name: two}
    template: {spec: {nodeName: edge2, containers: [{name: train, image: "train:v1"}]}}
)";

inline std::vector<api::Object> objects_of(std::string_view yaml) {
  std::vector<api::Object> out;
  auto documents = json::parse_yaml(yaml).value();
  for (auto& document : documents) out.push_back(document.get_object());
  return out;
}

class TestGm {
 public:
  /// `through`: what GM speaks to instead of the server itself, made of it.
  using Through = std::function<std::unique_ptr<store::ApiServer>(store::ApiServer& server)>;
  explicit TestGm(WorkerOptions options = {}, const Through& through = {})
      : server(embedded(clock)), worker_options(std::move(options)) {
    if (through) through_ = through(server);
    start();
  }
  /// A new process: nothing is left of the old one but what lies on the server.
  void start(bool direct = false) {
    gm_.reset();
    store::ApiServer& api = through_ != nullptr && !direct ? *through_ : server;
    gm_ = std::make_unique<Process>(api, clock, worker_options);
  }

  store::Outcome<api::Object> apply(const api::Object& object) {
    return server.create(*api::find_kind(object), object, {});
  }
  void apply_all(std::string_view yaml) {
    for (const auto& object : objects_of(yaml)) apply(object).value();
  }
  /// Takes in everything that has happened and reconciles until nothing is due.
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (control::Informer* informer : gm_->caches.all()) {
        while (informer->step(Deadline(SteadyClock::time_point::min()))) busy = true;
      }
      busy = gm_->controller.drain() > 0 || busy;
      busy = gm_->federated_controller.drain() > 0 || busy;
    }
    gm_->events.flush();
  }

  api::Object get(const api::Kind& kind, std::string_view name) { return server.get(kind, "default", name).value(); }
  bool exists(const api::Kind& kind, std::string_view name) { return server.get(kind, "default", name).ok(); }
  api::Object service(std::string_view name = "digits") { return get(api::kinds::kJointInferenceService, name); }
  /// The type of the last condition, and the status of one.
  std::string last_condition() {
    const auto object = service();
    const auto* list = api::array_at(object, {"status", "conditions"});
    if (list == nullptr || list->empty()) return {};
    return std::string(api::string_at(list->back().get_object(), {"type"}));
  }
  json::object condition(std::string_view type) {
    const auto object = service();
    if (const auto* list = api::array_at(object, {"status", "conditions"})) {
      for (const auto& entry : *list) {
        if (api::string_at(entry.get_object(), {"type"}) == type) return entry.get_object();
      }
    }
    return {};
  }

  /// What the cluster would do: the Deployment has `ready` of one Pod.
  void deployment_status(std::string_view name, int ready) {
    api::Object deployment = get(api::kinds::kDeployment, name);
    deployment["status"] = json::object{{"observedGeneration", api::generation_of(deployment)},
                                        {"replicas", 1},
                                        {"updatedReplicas", 1},
                                        {"readyReplicas", ready},
                                        {"availableReplicas", ready}};
    server.update_status(api::kinds::kDeployment, deployment, {}).value();
  }
  void workers_ready() {
    deployment_status("digits-deployment-cloud", 1);
    deployment_status("digits-deployment-edge", 1);
    settle();
  }
  /// A Pod of the edge worker with this status.
  api::Object edge_pod(std::string_view name, json::object status) {
    const auto deployment = get(api::kinds::kDeployment, "digits-deployment-edge");
    api::Object pod = api::new_object(api::kinds::kPod, "default", name);
    pod["metadata"].get_object()["labels"] = *api::find(deployment, {"spec", "template", "metadata", "labels"});
    pod["spec"] = json::object{{"nodeName", "edge0"},
                               {"containers", json::array{json::object{{"name", "little"}, {"image", "i"}}}}};
    api::Object made = server.create(api::kinds::kPod, pod, {}).value();
    made["status"] = std::move(status);
    return server.update_status(api::kinds::kPod, made, {}).value();
  }

  Inbox& inbox() { return gm_->joint_inference.inbox(); }
  control::WorkQueue& queue() { return gm_->controller.queue(); }
  metrics::Registry& registry() { return gm_->registry; }
  Inbox& federated_inbox() { return gm_->federated.inbox(); }
  control::WorkQueue& federated_queue() { return gm_->federated_controller.queue(); }

  sedna::testing::FakeClock clock;
  store::embedded::EmbeddedServer server;
  WorkerOptions worker_options;

 private:
  struct Process {
    Process(store::ApiServer& api, const Clock& clock, const WorkerOptions& options)
        : events(api, event_options(clock)),
          caches(api, ""),
          joint_inference(api, caches.joint_inference(), events, options, clock),
          federated(api, caches.federated(), events, options, &registry, clock),
          controller(joint_inference, controller_options(clock, "jointinferenceservice")),
          federated_controller(federated, controller_options(clock, "federatedlearningjob")) {
      joint_inference.watch(controller);
      federated.watch(federated_controller);
    }
    metrics::Registry registry;
    control::EventRecorder events;
    Caches caches;
    JointInferenceController joint_inference;
    FederatedLearningController federated;
    control::Controller controller, federated_controller;
  };

  static store::embedded::EmbeddedOptions embedded(const Clock& clock) {
    store::embedded::EmbeddedOptions options;
    options.clock = &clock;
    return options;
  }
  static control::EventOptions event_options(const Clock& clock) {
    control::EventOptions options;
    options.component = "jointinferenceservice-controller";
    options.clock = &clock;
    return options;
  }
  static control::ControllerOptions controller_options(const Clock& clock, std::string name) {
    control::ControllerOptions options;
    options.name = std::move(name);
    options.clock = &clock;
    return options;
  }

  std::unique_ptr<store::ApiServer> through_;
  std::unique_ptr<Process> gm_;
};

}  // namespace sedna::gm::testing
