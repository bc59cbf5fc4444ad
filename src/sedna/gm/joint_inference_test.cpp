#include "sedna/gm/joint_inference.hpp"

#include <gmock/gmock.h>

#include "sedna/gm/children.hpp"
#include "sedna/gm/test_gm.hpp"

namespace sedna::gm {
namespace {

using namespace api::kinds;
using ::testing::HasSubstr;
using testing::TestGm;
using namespace std::chrono_literals;

TestGm& with_digits(TestGm& gm) {
  gm.apply_all(testing::kModels);
  gm.apply_all(testing::kService);
  gm.settle();
  return gm;
}

std::string env_of(const api::Object& deployment, std::string_view name) {
  return env_value(*api::object_at(deployment, {"spec", "template"}), name).value_or("-");
}

/// Changes the service as `kubectl edit` would.
void edit(TestGm& gm, const std::function<void(json::object& spec)>& change) {
  api::Object service = gm.service();
  change(service["spec"].get_object());
  gm.server.update(kJointInferenceService, service, {}).value();
  gm.settle();
}

json::object& container_of(json::object& spec, std::string_view worker) {
  return spec[worker].at("template").at("spec").at("containers").at(0).get_object();
}

TEST(JointInference, MakesTheChildrenOfUpstream) {
  TestGm gm;
  with_digits(gm);
  const auto edge = gm.get(kDeployment, "digits-deployment-edge");
  EXPECT_EQ(env_of(edge, "BIG_MODEL_IP"), "digits-cloud.default");
  EXPECT_EQ(env_of(edge, "BIG_MODEL_PORT"), "5000");
  EXPECT_EQ(env_of(edge, "HEM_NAME"), "IBT");
  EXPECT_EQ(env_of(edge, "HEM_PARAMETERS"), R"([{"key":"threshold_img","value":"0.9"}])");
  EXPECT_EQ(env_of(edge, "MODEL_URL"), "/home/data/models/small/model.onnx");
  EXPECT_EQ(env_of(edge, "DATA_PATH_PREFIX"), "/home/data");
  EXPECT_EQ(env_of(edge, "LC_SERVER"), "http://$(HOST_IP):9100");
  EXPECT_EQ(env_of(edge, "JOB_NAME"), "digits");
  EXPECT_EQ(env_of(edge, "input_shape"), "8,8");
  EXPECT_THAT(env_of(edge, "WORKER_NAME"), ::testing::MatchesRegex("edgeworker-[a-z0-9]{5}"));
  const auto cloud = gm.get(kDeployment, "digits-deployment-cloud");
  EXPECT_EQ(env_of(cloud, "BIG_MODEL_BIND_PORT"), "5000");
  EXPECT_EQ(env_of(cloud, "LC_SERVER"), "-");
  EXPECT_EQ(api::label(cloud, "app.sedna.io"), "digits-Cloud-svc");
  const auto service = gm.get(kService, "digits-cloud");
  const auto& port = api::array_at(service, {"spec", "ports"})->at(0).get_object();
  EXPECT_EQ(api::string_at(port, {"name"}), "tcp-0");
  EXPECT_EQ(api::int_at(port, {"port"}), 5000);
  EXPECT_EQ(api::controller_of(service)->uid, api::uid_of(gm.service()));
  EXPECT_EQ(gm.server.list(kHorizontalPodAutoscaler, {}).value().items.size(), 0U);
}

TEST(JointInference, IsPendingUntilBothWorkersServeAndNeverRacesToFailed) {
  TestGm gm;
  with_digits(gm);
  EXPECT_EQ(gm.last_condition(), "Pending");
  gm.deployment_status("digits-deployment-cloud", 1);
  gm.settle();
  EXPECT_EQ(gm.last_condition(), "Pending");
  EXPECT_EQ(api::int_at(gm.service(), {"status", "active"}), 1);
  EXPECT_EQ(api::int_at(gm.service(), {"status", "failed"}), 0);
  gm.workers_ready();
  EXPECT_EQ(gm.last_condition(), "Running");
  EXPECT_EQ(api::string_at(gm.condition("Pending"), {"status"}), "False");
  EXPECT_EQ(api::int_at(gm.service(), {"status", "active"}), 2);
  EXPECT_EQ(api::int_at(gm.service(), {"status", "observedGeneration"}), 1);
  EXPECT_TRUE(gm.condition("Failed").empty());
}

TEST(JointInference, WritesNothingWhenNothingChanged) {
  TestGm gm;
  with_digits(gm).workers_ready();
  const auto before = gm.server.list(kJointInferenceService, {}).value().resource_version;
  gm.queue().add("default/digits");
  gm.clock.advance(10min);
  gm.settle();
  EXPECT_EQ(gm.server.list(kJointInferenceService, {}).value().resource_version, before);
}

TEST(JointInference, ACrashingWorkerIsAConditionWithAReasonAndIsLeftWhenItRecovers) {
  TestGm gm;
  with_digits(gm).workers_ready();
  gm.deployment_status("digits-deployment-edge", 0);
  json::object last{{"exitCode", 3}, {"reason", "Error"}, {"message", "no such file: model.onnx"}};
  json::object status{{"name", "little"}, {"restartCount", 4}};
  status["state"] = json::object{{"waiting", json::object{{"reason", "CrashLoopBackOff"}}}};
  status["lastState"] = json::object{{"terminated", std::move(last)}};
  gm.edge_pod("digits-deployment-edge-1",
              json::object{{"phase", "Running"}, {"containerStatuses", json::array{std::move(status)}}});
  gm.settle();
  EXPECT_EQ(gm.last_condition(), "Failed");
  const auto failed = gm.condition("Failed");
  EXPECT_EQ(api::string_at(failed, {"reason"}), "workerFailed");
  const std::string message(api::string_at(failed, {"message"}));
  EXPECT_THAT(message, HasSubstr("CrashLoopBackOff"));
  EXPECT_THAT(message, HasSubstr("edge worker digits-deployment-edge-1 on edge0"));
  EXPECT_THAT(message, HasSubstr("exit code 3: no such file: model.onnx"));
  EXPECT_THAT(message, HasSubstr("sedna logs digits-deployment-edge-1 -n default -c little -p"));
  const auto events = gm.server.list(kEvent, {}).value().items;
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(api::string_at(events.back(), {"type"}), "Warning");

  gm.server.remove(kPod, "default", "digits-deployment-edge-1", {}).value();
  gm.workers_ready();
  EXPECT_EQ(gm.last_condition(), "Running");
  EXPECT_EQ(api::string_at(gm.condition("Failed"), {"status"}), "False");
  EXPECT_EQ(api::string_at(gm.condition("Failed"), {"reason"}), "Recovered");
}

TEST(JointInference, AMissingModelIsWaitedForAWhileAndThenAFailureUntilItComes) {
  TestGm gm;
  gm.apply_all(testing::kService);
  gm.settle();
  EXPECT_EQ(gm.last_condition(), "Pending");
  EXPECT_EQ(api::string_at(gm.condition("Pending"), {"reason"}), "ModelNotFound");
  EXPECT_THAT(std::string(api::string_at(gm.condition("Pending"), {"message"})),
              HasSubstr("spec.cloudWorker.model.name: there is no Model \"big\" in namespace default"));
  gm.clock.advance(11s);
  gm.settle();
  EXPECT_EQ(gm.last_condition(), "Failed");
  EXPECT_TRUE(gm.exists(kService, "digits-cloud")) << "what can be made is made";
  gm.apply_all(testing::kModels);
  gm.settle();
  EXPECT_EQ(gm.last_condition(), "Pending");
  EXPECT_TRUE(gm.exists(kDeployment, "digits-deployment-edge"));
}

TEST(JointInference, LostChildrenAreMadeAgain) {
  TestGm gm;
  with_digits(gm).workers_ready();
  gm.server.remove(kDeployment, "default", "digits-deployment-edge", {}).value();
  gm.server.remove(kService, "default", "digits-cloud", {}).value();
  gm.settle();
  EXPECT_TRUE(gm.exists(kDeployment, "digits-deployment-edge"));
  EXPECT_TRUE(gm.exists(kService, "digits-cloud"));
  EXPECT_EQ(gm.last_condition(), "Pending");
}

TEST(JointInference, AChangedTemplateRollsOutOneWorkerAndKeepsItsName) {
  TestGm gm;
  with_digits(gm).workers_ready();
  const auto cloud_before = gm.get(kDeployment, "digits-deployment-cloud");
  const auto name_before = env_of(gm.get(kDeployment, "digits-deployment-edge"), "WORKER_NAME");
  edit(gm, [](json::object& spec) { container_of(spec, "edgeWorker")["image"] = "digits-edge:v2"; });
  const auto edge = gm.get(kDeployment, "digits-deployment-edge");
  const auto& container = api::array_at(edge, {"spec", "template", "spec", "containers"})->at(0).get_object();
  EXPECT_EQ(api::string_at(container, {"image"}), "digits-edge:v2");
  EXPECT_EQ(env_of(edge, "WORKER_NAME"), name_before);
  EXPECT_EQ(api::resource_version_of(gm.get(kDeployment, "digits-deployment-cloud")),
            api::resource_version_of(cloud_before));
  EXPECT_EQ(api::generation_of(edge), 2);
}

TEST(JointInference, WhatIsTakenOutOfTheTemplateGoesFromTheDeploymentToo) {
  TestGm gm;
  gm.apply_all(testing::kModels);
  auto service = testing::objects_of(testing::kService)[0];
  container_of(service["spec"].get_object(), "edgeWorker")["command"] = json::array{"sleep", "1"};
  gm.apply(service).value();
  gm.settle();
  edit(gm, [](json::object& spec) { container_of(spec, "edgeWorker").erase("command"); });
  const auto edge = gm.get(kDeployment, "digits-deployment-edge");
  const auto& container = api::array_at(edge, {"spec", "template", "spec", "containers"})->at(0).get_object();
  EXPECT_FALSE(container.contains("command"));
}

TEST(JointInference, WhatSomebodyChangedByHandStaysUntilTheServiceChanges) {
  TestGm gm;
  with_digits(gm).workers_ready();
  json::object spec;
  spec["replicas"] = 3;
  json::object body;
  body["spec"] = std::move(spec);
  gm.server.merge_patch(kDeployment, "default", "digits-deployment-cloud", store::MergePatch(body), {}).value();
  gm.settle();
  EXPECT_EQ(api::int_at(gm.get(kDeployment, "digits-deployment-cloud"), {"spec", "replicas"}), 3);
  edit(gm, [](json::object& s) { container_of(s, "cloudWorker")["image"] = "digits-cloud:v2"; });
  EXPECT_EQ(api::int_at(gm.get(kDeployment, "digits-deployment-cloud"), {"spec", "replicas"}), 3);
}

TEST(JointInference, AutoscalersComeChangeAndGoWithTheSpec) {
  TestGm gm;
  with_digits(gm);
  const std::string name = "hpa-digits-deployment-cloud";
  edit(gm, [](json::object& spec) {
    spec["cloudWorker"].get_object()["hpa"] = json::object{{"minReplicas", 1}, {"maxReplicas", 10}};
  });
  EXPECT_EQ(api::int_at(gm.get(kHorizontalPodAutoscaler, name), {"spec", "maxReplicas"}), 10);
  edit(gm, [](json::object& spec) { spec["cloudWorker"].at("hpa").get_object()["maxReplicas"] = 7; });
  EXPECT_EQ(api::int_at(gm.get(kHorizontalPodAutoscaler, name), {"spec", "maxReplicas"}), 7);
  edit(gm, [](json::object& spec) { spec["cloudWorker"].get_object().erase("hpa"); });
  EXPECT_FALSE(gm.exists(kHorizontalPodAutoscaler, name));
}

TEST(JointInference, ANameThatIsTakenIsSaidAndNotTakenOver) {
  TestGm gm;
  api::Object foreign = api::new_object(kService, "default", "digits-cloud");
  foreign["spec"] = json::object{{"ports", json::array{json::object{{"port", 80}}}}};
  gm.apply(foreign).value();
  with_digits(gm);
  EXPECT_EQ(gm.last_condition(), "Failed");
  EXPECT_EQ(api::string_at(gm.condition("Failed"), {"reason"}), "NameConflict");
  EXPECT_TRUE(api::owners_of(gm.get(kService, "digits-cloud")).empty());
  gm.server.remove(kService, "default", "digits-cloud", {}).value();
  gm.clock.advance(1min);
  gm.settle();
  EXPECT_EQ(gm.last_condition(), "Pending");
}

TEST(JointInference, AServiceOfTheSameNameWaitsForTheChildrenOfTheOldOne) {
  TestGm gm;
  with_digits(gm);
  gm.server.remove(kJointInferenceService, "default", "digits", {}).value();
  gm.settle();
  gm.apply_all(testing::kService);
  gm.settle();
  EXPECT_EQ(api::string_at(gm.condition("Pending"), {"reason"}), "WaitingForDeletion");
  for (const char* name : {"digits-deployment-cloud", "digits-deployment-edge"}) {
    gm.server.remove(kDeployment, "default", name, {}).value();
  }
  gm.server.remove(kService, "default", "digits-cloud", {}).value();
  gm.settle();
  EXPECT_EQ(api::controller_of(gm.get(kDeployment, "digits-deployment-edge"))->uid, api::uid_of(gm.service()));
}

/// Models of which the small one is in a store, and the Secret that opens it.
std::string models_in_a_store(std::string_view annotations, std::string_view secret_key) {
  return std::string(R"(
apiVersion: sedna.io/v1alpha1
kind: Model
metadata: {name: small, namespace: default}
spec: {url: "s3://bucket/small/model.onnx", format: onnx, credentialName: access}
---
apiVersion: sedna.io/v1alpha1
kind: Model
metadata: {name: big, namespace: default}
spec: {url: /models/big/model.onnx, format: onnx}
---
apiVersion: v1
kind: Secret
metadata: {name: access, namespace: default, annotations: {)") +
         std::string(annotations) + R"(}}
data: {ACCESS_KEY_ID: YWFh, SECRET_ACCESS_KEY: )" +
         std::string(secret_key) + "}\n";
}

TEST(JointInference, CredentialsStayInTheirSecret) {
  TestGm gm;
  gm.apply_all(models_in_a_store(R"(s3-endpoint: "s3.example:9000", s3-usehttps: "0")", "c2VjcmV0LXZhbHVl"));
  gm.apply_all(testing::kService);
  gm.settle();
  const auto edge = gm.get(kDeployment, "digits-deployment-edge");
  const std::string text = json::write(edge);
  EXPECT_THAT(text, HasSubstr(R"("secretKeyRef")"));
  EXPECT_THAT(text, HasSubstr("http://s3.example:9000"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("secret-value")));
  EXPECT_EQ(env_of(edge, "MODEL_URL"), "/downloads/bucket/small/model.onnx");
  const auto* init = api::array_at(edge, {"spec", "template", "spec", "initContainers"});
  ASSERT_NE(init, nullptr);
  EXPECT_EQ(json::write(*api::array_at(init->at(0).get_object(), {"args"})),
            R"(["s3://bucket/small/model.onnx","/downloads/bucket/small/"])");
}

// CTL-1.7
TEST(JointInference, AnotherEndpointInTheSecretRollsOutAndOtherKeysDoNot) {
  TestGm gm;
  gm.apply_all(models_in_a_store(R"(s3-endpoint: "s3.example:9000")", "YmJi"));
  gm.apply_all(testing::kService);
  gm.settle();
  gm.workers_ready();
  const auto change = [&gm](json::object body) {
    gm.server.merge_patch(kSecret, "default", "access", store::MergePatch(std::move(body)), {}).value();
    gm.clock.advance(5min);
    gm.settle();
    return gm.get(kDeployment, "digits-deployment-edge");
  };
  json::object keys;
  keys["data"] = json::object{{"SECRET_ACCESS_KEY", "Y2Nj"}};
  EXPECT_EQ(api::generation_of(change(std::move(keys))), 1) << "as in Kubernetes, what runs keeps what it started with";
  json::object annotations, metadata, endpoint;
  annotations["s3-endpoint"] = "s3.elsewhere:9000";
  metadata["annotations"] = std::move(annotations);
  endpoint["metadata"] = std::move(metadata);
  const auto edge = change(std::move(endpoint));
  EXPECT_EQ(api::generation_of(edge), 2);
  EXPECT_THAT(json::write(edge), HasSubstr("https://s3.elsewhere:9000"));
}

Fact report(std::string_view uid, std::uint64_t sequence, int inferences, int hard, std::function<void()> done = {}) {
  Fact fact;
  fact.node = "edge0";
  fact.source = "lc";
  fact.sequence = sequence;
  fact.worker = uid;
  json::object info{{"inferenceNumber", inferences}, {"hardExampleNumber", hard}, {"uploadCloudRatio", 0.25}};
  fact.body["worker"] = "edgeworker-abcde";
  fact.body["podUid"] = uid;
  fact.body["ownerInfo"] = std::move(info);
  fact.body["time"] = "2026-01-31T13:05:59Z";
  fact.acknowledge = std::move(done);
  return fact;
}

TEST(JointInference, ReportsReachTheStatusAreAcknowledgedAfterwardsAndOnceAMinute) {
  TestGm gm;
  with_digits(gm).workers_ready();
  int acknowledged = 0;
  const auto put = [&](Fact fact) {
    gm.inbox().put("default/digits", std::move(fact));
    gm.queue().add("default/digits");
  };
  put(report("uid-1", 1, 100, 20, [&] { ++acknowledged; }));
  EXPECT_EQ(acknowledged, 0);
  gm.settle();
  EXPECT_EQ(acknowledged, 1);
  auto status = *api::object_at(gm.service(), {"status"});
  EXPECT_EQ(json::write(status["metrics"]),
            R"([{"key":"hardExampleNumber","value":"20"},{"key":"inferenceNumber","value":"100"},)"
            R"({"key":"uploadCloudRatio","value":"0.25"}])");

  put(report("uid-1", 2, 200, 40, [&] { ++acknowledged; }));
  put(report("uid-2", 1, 100, 10, [&] { ++acknowledged; }));
  gm.settle();
  EXPECT_EQ(acknowledged, 1) << "within the minute they wait";
  gm.clock.advance(60s);
  gm.settle();
  EXPECT_EQ(acknowledged, 3);
  status = *api::object_at(gm.service(), {"status"});
  EXPECT_EQ(api::int_at(status, {"total", "inferences"}), 300);
  EXPECT_EQ(api::int_at(status, {"total", "hardExamples"}), 50);
  EXPECT_EQ(api::array_at(status, {"edgeWorkers"})->size(), 2U);

  gm.clock.advance(60s);
  put(report("uid-1", 2, 200, 40, [&] { ++acknowledged; }));
  const std::string version(api::resource_version_of(gm.service()));
  gm.settle();
  EXPECT_EQ(acknowledged, 4) << "a duplicate is acknowledged";
  EXPECT_EQ(api::resource_version_of(gm.service()), version) << "and changes nothing";
}

TEST(JointInference, ReportsOfAServiceThatIsGoneAreAcknowledged) {
  TestGm gm;
  int acknowledged = 0;
  gm.inbox().put("default/digits", report("uid-1", 1, 1, 1, [&] { ++acknowledged; }));
  gm.queue().add("default/digits");
  gm.settle();
  EXPECT_EQ(acknowledged, 1);
}

}  // namespace
}  // namespace sedna::gm
