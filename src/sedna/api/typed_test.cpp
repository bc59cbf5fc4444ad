// The typed views: read, written back, and nothing lost on the way.
#include "sedna/api/typed.hpp"

#include <gtest/gtest.h>

#include "sedna/api/dataset.hpp"
#include "sedna/api/federated_learning_job.hpp"
#include "sedna/api/incremental_learning_job.hpp"
#include "sedna/api/joint_inference_service.hpp"
#include "sedna/api/lifelong_learning_job.hpp"
#include "sedna/api/model.hpp"
#include "sedna/api/multi_edge.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::api {
namespace {

json::object yaml(std::string_view text) {
  return json::parse_yaml_one(text).value().get_object();
}

// RES-1.3
TEST(Typed, ReadsAService) {
  const auto o = yaml(R"(
spec:
  edgeWorker:
    model: {name: small}
    hardExampleMining: {name: IBT, parameters: [{key: a, value: "1"}]}
    template: {spec: {containers: [{name: c}]}}
    hpa: {maxReplicas: 3, metrics: [{type: Resource}]}
    future: {x: 1}
  cloudWorker: {model: {name: big}, template: {spec: {}}}
status:
  conditions: [{type: Running, status: "True"}]
  edgeWorkers: [{name: p, uid: u, ready: true, figures: {inferences: 5, latencyMilliseconds: {p50: 1.5}}}]
)");
  const auto ji = decode<JointInferenceService>(o);
  ASSERT_TRUE(ji) << ji.error().what();
  EXPECT_EQ(ji->spec.edge_worker.model.name, "small");
  EXPECT_EQ(ji->spec.edge_worker.hard_example_mining.parameters.at(0).value, "1");
  EXPECT_EQ(ji->spec.edge_worker.hpa->max_replicas, 3);
  EXPECT_FALSE(ji->spec.edge_worker.hpa->min_replicas);
  EXPECT_FALSE(ji->spec.cloud_worker.hpa);
  EXPECT_TRUE(ji->spec.edge_worker.extra.contains("future"));
  EXPECT_EQ(ji->status->edge_workers.at(0).figures.latency_milliseconds.at("p50"), 1.5);
  // Written back it is what it was, and the numbers that Go writes even when they are zero are not added.
  EXPECT_TRUE(encode(*ji).at("spec") == o.at("spec")) << json::write(encode(*ji).at("spec"));
}

// RES-1.3
TEST(Typed, WrongTypesNameTheirPath) {
  const auto ji = decode<JointInferenceService>(yaml("spec: {edgeWorker: {model: {name: 5}}}"));
  ASSERT_FALSE(ji);
  EXPECT_EQ(ji.error().subject(), "spec.edgeWorker.model.name");
  EXPECT_EQ(ji.error().message(), "must be a string, found an integer");
  const auto fl = decode<FederatedLearningJob>(yaml("spec: {trainingWorkers: [{}, {dataset: []}]}"));
  ASSERT_FALSE(fl);
  EXPECT_EQ(fl.error().subject(), "spec.trainingWorkers[1].dataset");
  const auto hpa = decode<JointInferenceService>(yaml("spec: {edgeWorker: {hpa: {maxReplicas: 3000000000}}}"));
  ASSERT_FALSE(hpa);
}

// RES-1.3
TEST(Typed, AbsentAndNullKeepTheDefault) {
  const auto il =
      decode<IncrementalLearningJob>(yaml("spec: {deploySpec: {model: {name: m, hotUpdateEnabled: null}}}"));
  ASSERT_TRUE(il);
  EXPECT_EQ(il->spec.deploy_spec.model.poll_period_seconds, 60);
  EXPECT_FALSE(il->spec.deploy_spec.model.hot_update_enabled);
  EXPECT_FALSE(il->status);
}

// RES-1.3
TEST(Typed, StatusesAreWrittenAsGoDoes) {
  DatasetStatus dataset;
  dataset.number_of_samples = 0;
  EXPECT_EQ(json::write(encode(dataset)), R"({"numberOfSamples":0})") << "required, so written when zero";
  ModelStatus model;
  model.metrics.push_back({"f1", "0.9"});
  EXPECT_EQ(json::write(encode(model)), R"({"metrics":[{"key":"f1","value":"0.9"}]})");
  FederatedLearningJobStatus fl;
  fl.active = 2;
  EXPECT_EQ(json::write(encode(fl)), R"({"active":2})");
}

// RES-1.3
TEST(Typed, InlinedSpecs) {
  const auto fe = decode<FeatureExtractionService>(
      yaml("spec: {replicas: 2, kafkaSupport: true, model: {name: m}, selector: {matchLabels: {a: b}}, template: {}}"));
  ASSERT_TRUE(fe);
  EXPECT_EQ(fe->spec.deployment.replicas, 2);
  EXPECT_TRUE(fe->spec.kafka_support);
  const auto va = decode<VideoAnalyticsJob>(yaml("spec: {backoffLimit: 3, model: {name: m}, template: {spec: {}}}"));
  ASSERT_TRUE(va);
  EXPECT_EQ(va->spec.job.backoff_limit, 3);
  EXPECT_EQ(encode(*va).at("spec").at("backoffLimit"), json::value(3));
}

}  // namespace
}  // namespace sedna::api
