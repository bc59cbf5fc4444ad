#include "sedna/cli/live_figures.hpp"

#include <gtest/gtest.h>

#include "sedna/cli/fake_cluster.hpp"
#include "sedna/cli/top.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/testing/fake_clock.hpp"

namespace sedna::cli {
namespace {

json::object object(std::string_view yaml) {
  return json::parse_yaml_one(yaml).value().as_object();
}

constexpr const char* kTarget = "/api/v1/nodes/edge0:9100/proxy/sedna/workers";

class LiveFiguresTest : public ::testing::Test {
 protected:
  LiveFiguresTest() {
    auto pod = object(R"(
apiVersion: v1
kind: Pod
metadata: {name: digits-edge-1, namespace: default, labels: {jointinferenceservice.sedna.io/name: digits,
  jointinferenceservice.sedna.io/worker-type: edge}}
spec: {nodeName: edge0, containers: [{name: main, image: x}]}
)");
    uid_ = api::uid_of(cluster.api().create(api::kinds::kPod, pod, {}).value());
  }
  void answer(int inferences, const std::string& time) {
    cluster.bodies[kTarget] = R"({"node":"edge0","workers":[{"service":"default/digits","worker":")" + uid_ +
                              R"(","time":")" + time + R"(","figures":{"inferences":)" + std::to_string(inferences) +
                              R"(,"hardExamples":9,"uploads":9,"uploadRatio":0.09,"fallbacks":1,)"
                              R"("errors":{"timeout":1}}}]})";
  }
  std::string entry(int inferences, const std::string& more = {}) const {
    return "{name: digits-edge-1, uid: \"" + uid_ + R"(", node: edge0, ready: true, updateTime: "2026-01-01T00:00:30Z",
      figures: {inferences: )" +
           std::to_string(inferences) + ", uploads: 4, errors: {timeout: 3}" + more + "}}";
  }
  std::vector<EdgeFigures> rows(const std::string& status) {
    return edge_figures_of(object("status: {" + status + "}"));
  }

  FakeCluster cluster;
  sedna::testing::FakeClock clock;
  LiveFigures live{cluster, clock};
  std::string uid_;
};

// HOME-1.9
TEST_F(LiveFiguresTest, WhatALocalControllerSaysStandsBeforeTheStatus) {
  answer(100, "2026-01-01T00:01:00Z");
  live.refresh("");
  auto got = rows("edgeWorkers: [" + entry(40) + "]");
  live.put_into("default/digits", got);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].inferences, 100);
  EXPECT_EQ(got[0].worker, "digits-edge-1");
  EXPECT_TRUE(got[0].live && got[0].ready);
  EXPECT_EQ(live.trouble("edge0"), "");
  // A first report is there before the status has it.
  got.clear();
  live.put_into("default/digits", got);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].worker, "digits-edge-1");
  // Another service's workers are none of this one's.
  got.clear();
  live.put_into("default/other", got);
  EXPECT_TRUE(got.empty());
}

// HOME-1.9
TEST_F(LiveFiguresTest, TheTotalIsOfThoseFiguresAndOfWorkersThatAreGone) {
  answer(100, "2026-01-01T00:01:00Z");
  live.refresh("");
  auto got =
      rows("edgeWorkers: [" + entry(40) +
           ", {name: gone, uid: u, node: edge1, figures: {inferences: 7}}], total: {inferences: 1047, uploads: 14, "
           "errors: {timeout: 3, refused: 2}}, ended: {inferences: 1000}");
  live.put_into("default/digits", got);
  ASSERT_EQ(got.size(), 3U);
  const EdgeFigures& total = got.back();
  EXPECT_TRUE(total.is_total);
  EXPECT_EQ(total.inferences, 1107);
  EXPECT_EQ(total.uploads, 19);
  EXPECT_EQ(total.causes, (std::map<std::string, std::int64_t>{{"refused", 2}, {"timeout", 1}}));
  EXPECT_EQ(total.errors, 3);
}

// HOME-1.9
TEST_F(LiveFiguresTest, OlderThanTheStatusOrNotReachedTheStatusStands) {
  answer(10, "2026-01-01T00:00:10Z");  // a worker that came before: its local controller has not heard of this one yet
  live.refresh("");
  auto got = rows("edgeWorkers: [" + entry(40) + "]");
  live.put_into("default/digits", got);
  EXPECT_EQ(got.at(0).inferences, 40);
  EXPECT_FALSE(got.at(0).live);
  cluster.bodies.clear();
  live.refresh("");
  got = rows("edgeWorkers: [" + entry(40) + "]");
  live.put_into("default/digits", got);
  EXPECT_EQ(got.at(0).inferences, 40);
  EXPECT_NE(live.trouble("edge0").find("is not there"), std::string::npos) << live.trouble("edge0");
  // Not asked at each look, but again after a while.
  answer(100, "2026-01-01T00:01:00Z");
  live.refresh("");
  live.put_into("default/digits", got);
  EXPECT_EQ(got.at(0).inferences, 40);
  clock.advance(std::chrono::seconds(31));
  live.refresh("");
  live.put_into("default/digits", got);
  EXPECT_EQ(got.at(0).inferences, 100);
  cluster.bodies[kTarget] = "<html>";
  clock.advance(std::chrono::seconds(31));
  live.refresh("");
  EXPECT_NE(live.trouble("edge0"), "");
}

// HOME-1.9
TEST_F(LiveFiguresTest, TopSaysWhatIsNotOfNow) {
  auto made = cluster.api()
                  .create(api::kinds::kJointInferenceService, object(R"(
apiVersion: sedna.io/v1alpha1
kind: JointInferenceService
metadata: {name: digits, namespace: default}
spec:
  edgeWorker: {model: {name: little}, hardExampleMining: {name: MSP}, template: {spec: {containers: [{name: e, image: x}]}}}
  cloudWorker: {model: {name: big}, template: {spec: {containers: [{name: c, image: x}]}}}
)"),
                          {})
                  .value();
  made["status"] = object("edgeWorkers: [" + entry(40) + "]");
  ASSERT_TRUE(cluster.api().update_status(api::kinds::kJointInferenceService, made, {}).ok());
  const auto look = [this] {
    std::string out, err;
    Console console = Console::capture(out, err);
    TopOptions options;
    options.once = true;
    EXPECT_EQ(top(cluster, console, options), 0);
    return out;
  };
  EXPECT_NE(look().find("digits-edge-1: from the service's status, "), std::string::npos) << look();
  answer(100, "2026-01-01T00:01:00Z");
  const std::string live_look = look();
  EXPECT_EQ(live_look.find("from the service's status"), std::string::npos) << live_look;
  EXPECT_NE(live_look.find("100"), std::string::npos) << live_look;
}

}  // namespace
}  // namespace sedna::cli
