#include "sedna/cluster/rollout.hpp"

#include <gtest/gtest.h>

#include "sedna/cluster/test_objects.hpp"

namespace sedna::cluster {
namespace {

using control::ObjectPtr;
using namespace std::chrono_literals;

/// A Deployment and its Pods, and the loop's steps carried out on them without a server.
class Rollout : public ::testing::Test {
 protected:
  void SetUp() override {
    deployment = test::object(R"({"apiVersion":"apps/v1","kind":"Deployment",
      "metadata":{"name":"web","namespace":"default","uid":"d1","generation":1},
      "spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},
        "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"a"}]}}}})");
  }
  std::vector<ObjectPtr> pointers() const {
    std::vector<ObjectPtr> out;
    for (const auto& pod : pods) out.push_back(test::pointer(pod));
    return out;
  }
  RolloutPlan step() {
    auto plan = plan_rollout(deployment, pointers(), now);
    for (const auto& name : plan.remove)
      std::erase_if(pods, [&](const Object& pod) { return api::name_of(pod) == name; });
    for (auto& pod : plan.create) {
      auto& metadata = pod["metadata"].as_object();
      metadata["name"] = std::string(metadata["generateName"].as_string()) + std::to_string(++made);
      metadata["creationTimestamp"] = api::format_time(now);
      pods.push_back(pod);
    }
    for (const auto& a : plan.annotations)
      api::make_object(deployment, {"metadata", "annotations"})[a.key()] = a.value();
    deployment["status"] = plan.status;
    return plan;
  }
  void set_ready(Object& pod, bool ready = true) {
    pod["spec"].as_object()["nodeName"] = "n";
    pod["status"] = json::object{
        {"phase", "Running"},
        {"conditions",
         json::array{json::object{
             {"type", "Ready"}, {"status", ready ? "True" : "False"}, {"lastTransitionTime", api::format_time(now)}}}}};
  }
  void all_ready() {
    for (auto& pod : pods) set_ready(pod);
  }
  void new_template(std::string_view image) {
    deployment["spec"].at("template").at("spec").at("containers").at(0).as_object()["image"] = image;
    api::make_object(deployment, {"metadata"})["generation"] = api::generation_of(deployment) + 1;
  }
  std::string reason(std::string_view type) const {
    const auto* c = condition(deployment, type);
    return c == nullptr ? "" : std::string(api::string_at(*c, {"reason"}));
  }
  std::int64_t status(std::string_view name) const { return api::int_at(deployment, {"status", name}, 0); }

  Object deployment;
  std::vector<Object> pods;
  TimePoint now = *api::parse_time("2026-01-01T00:00:00Z");
  int made = 0;
};

TEST_F(Rollout, MakesPodsThatItOwns) {
  const auto plan = step();
  ASSERT_EQ(plan.create.size(), 3U);
  const auto& pod = plan.create[0];
  EXPECT_TRUE(api::string_at(pod, {"metadata", "generateName"}).starts_with("web-"));
  EXPECT_EQ(api::label(pod, "app"), "web");
  EXPECT_TRUE(api::label(pod, kTemplateHashLabel).has_value());
  EXPECT_EQ(api::controller_of(pod)->uid, "d1");
  EXPECT_EQ(plan.annotations.at(kRevisionAnnotation).as_string(), "1");
  EXPECT_EQ(reason("Progressing"), "NewReplicaSetCreated");
  EXPECT_EQ(reason("Available"), "MinimumReplicasUnavailable");
}

TEST_F(Rollout, SaysCompleteAsKubectlReadsIt) {
  step();
  now += 1s;
  step();
  all_ready();
  now += 1s;
  step();
  EXPECT_EQ(status("observedGeneration"), 1);
  EXPECT_EQ(status("updatedReplicas"), 3);
  EXPECT_EQ(status("availableReplicas"), 3);
  EXPECT_FALSE(deployment["status"].as_object().contains("unavailableReplicas"));
  EXPECT_EQ(reason("Available"), "MinimumReplicasAvailable");
  EXPECT_EQ(reason("Progressing"), "NewReplicaSetAvailable");
  const auto* progressing = condition(deployment, "Progressing");
  const auto message = std::string(api::string_at(*progressing, {"message"}));
  EXPECT_TRUE(message.starts_with("ReplicaSet \"web-")) << message;
  EXPECT_TRUE(message.ends_with("\" has successfully progressed.")) << message;
  now += 1h;
  EXPECT_FALSE(step().status_changed);
}

TEST_F(Rollout, AnUpdateKeepsEnoughPodsAvailable) {
  step();
  all_ready();
  step();
  new_template("b");
  // 25 % of 3: one more at a time, none fewer.
  int rounds = 0;
  do {
    ASSERT_LT(++rounds, 30);
    now += 1s;
    step();
    EXPECT_LE(pods.size(), 4U);
    EXPECT_GE(std::ranges::count_if(pods, [](const Object& p) { return is_ready(p); }), 3);
    for (auto& pod : pods) {
      if (!is_ready(pod)) {
        set_ready(pod);
        break;
      }
    }
  } while (status("updatedReplicas") < 3 || pods.size() > 3);
  now += 1s;
  step();
  EXPECT_EQ(reason("Progressing"), "NewReplicaSetAvailable");
  EXPECT_EQ(api::annotation(deployment, kRevisionAnnotation), "2");
}

TEST_F(Rollout, BrokenOldPodsGoFirstAndABrokenNewTemplateDoesNotTakeTheOldOnes) {
  step();
  all_ready();
  set_ready(pods[1], false);
  const std::string broken(api::name_of(pods[1]));
  new_template("b");
  auto plan = step();
  EXPECT_EQ(plan.create.size(), 1U);
  now += 1s;
  for (int i = 0; i < 5; ++i) step();  // the new one never gets ready
  const auto ready = std::ranges::count_if(pods, [](const Object& p) { return is_ready(p); });
  EXPECT_EQ(ready, 2);
  now += 11min;
  step();
  EXPECT_EQ(reason("Progressing"), "ProgressDeadlineExceeded");
}

TEST_F(Rollout, RecreateWaitsUntilTheOldOnesAreGone) {
  deployment["spec"].as_object()["strategy"] = json::object{{"type", "Recreate"}};
  step();
  all_ready();
  step();
  new_template("b");
  auto plan = plan_rollout(deployment, pointers(), now);
  EXPECT_TRUE(plan.create.empty());
  EXPECT_EQ(plan.remove.size(), 3U);
  for (auto& pod : pods) pod["metadata"].as_object()["deletionTimestamp"] = api::format_time(now);
  EXPECT_TRUE(plan_rollout(deployment, pointers(), now).create.empty());
  pods.clear();
  EXPECT_EQ(plan_rollout(deployment, pointers(), now).create.size(), 3U);
}

TEST_F(Rollout, ScalingDownTakesWhatIsWorthLeast) {
  step();
  all_ready();
  set_ready(pods[2], false);
  const std::string worst(api::name_of(pods[2]));
  deployment["spec"].as_object()["replicas"] = 2;
  const auto plan = plan_rollout(deployment, pointers(), now);
  ASSERT_EQ(plan.remove.size(), 1U);
  EXPECT_EQ(plan.remove[0], worst);
}

TEST_F(Rollout, PodsThatKeepEndingAreMadeMoreSlowly) {
  deployment["spec"].as_object()["replicas"] = 1;
  step();
  for (int i = 0; i < 3; ++i) {
    pods.back()["status"] = json::object{{"phase", "Failed"}};
    const auto plan = plan_rollout(deployment, pointers(), now);
    EXPECT_TRUE(plan.create.empty());
    ASSERT_TRUE(plan.again.has_value());
    EXPECT_EQ(plan.again->count(), 5 << i);
    now += *plan.again;
    EXPECT_EQ(step().create.size(), 1U);
  }
}

TEST_F(Rollout, MinReadySecondsDelayAvailability) {
  deployment["spec"].as_object()["minReadySeconds"] = 10;
  step();
  all_ready();
  const auto plan = step();
  EXPECT_EQ(status("readyReplicas"), 3);
  EXPECT_EQ(status("availableReplicas"), 0);
  ASSERT_TRUE(plan.again.has_value());
  EXPECT_EQ(plan.again->count(), 10);
  now += 10s;
  step();
  EXPECT_EQ(status("availableReplicas"), 3);
}

TEST(TemplateHash, DoesNotDependOnOrderOrNulls) {
  EXPECT_EQ(template_hash(json::parse(R"({"a":1,"b":{"c":[1,2],"d":null}})").value()),
            template_hash(json::parse(R"({"b":{"c":[1,2]},"a":1})").value()));
  EXPECT_NE(template_hash(json::parse(R"({"a":[1,2]})").value()), template_hash(json::parse(R"({"a":[12]})").value()));
}

TEST(IntOrPercent, RoundsAsKubernetes) {
  const json::value percent("25%"), number(2);
  EXPECT_EQ(resolve_int_or_percent(&percent, 3, true, 0), 1);
  EXPECT_EQ(resolve_int_or_percent(&percent, 3, false, 0), 0);
  EXPECT_EQ(resolve_int_or_percent(&number, 3, false, 0), 2);
  EXPECT_EQ(resolve_int_or_percent(nullptr, 3, false, 7), 7);
}

}  // namespace
}  // namespace sedna::cluster
