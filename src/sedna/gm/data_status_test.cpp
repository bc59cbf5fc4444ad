#include "sedna/gm/data_status.hpp"

#include <gmock/gmock.h>

#include "sedna/gm/conditions.hpp"
#include "sedna/gm/config.hpp"
#include "sedna/gm/edge_state.hpp"
#include "sedna/gm/no_controller.hpp"
#include "sedna/gm/test_gm.hpp"

namespace sedna::gm {
namespace {

using namespace api::kinds;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

const Deadline kNow(SteadyClock::time_point::min());

/// The controllers of Datasets and Models and the board, stepped.
class Data : public ::testing::Test {
 protected:
  Data() {
    dataset_controller_.watch(caches_.datasets);
    models_.watch(model_controller_);
    edge_.watch(edge_controller_);
  }
  static store::embedded::EmbeddedOptions embedded(const Clock& clock) {
    store::embedded::EmbeddedOptions options;
    options.clock = &clock;
    return options;
  }
  static control::ControllerOptions named(const char* name, const Clock& clock) {
    control::ControllerOptions options;
    options.name = name;
    options.clock = &clock;
    return options;
  }
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (control::Informer* informer : caches_.all()) {
        while (informer->step(kNow)) busy = true;
      }
      for (auto* c : {&dataset_controller_, &model_controller_, &edge_controller_}) busy = c->drain() > 0 || busy;
    }
  }
  void apply(std::string_view yaml) {
    for (const auto& object : testing::objects_of(yaml)) server_.create(*api::find_kind(object), object, {}).value();
    settle();
  }
  void count(std::uint64_t sequence, json::object body, std::string node = "edge0") {
    Fact fact;
    fact.node = std::move(node);
    fact.source = "lc";
    fact.sequence = sequence;
    fact.body = std::move(body);
    fact.acknowledge = [this] { ++acknowledged_; };
    datasets_.inbox().put("default/d", std::move(fact));
    dataset_controller_.queue().add("default/d");
    settle();
  }
  json::object status(const api::Kind& kind, std::string_view name) {
    const auto object = server_.get(kind, "default", name).value();
    const auto* found = api::object_at(object, {"status"});
    return found == nullptr ? json::object() : *found;
  }
  json::object ready() {
    const auto s = status(kDataset, "d");
    const auto* list = api::array_at(s, {"conditions"});
    const auto* entry = list == nullptr ? nullptr : find_condition(*list, "Ready");
    return entry == nullptr ? json::object() : *entry;
  }

  static constexpr std::string_view kD = R"(
apiVersion: sedna.io/v1alpha1
kind: Dataset
metadata: {name: d, namespace: default}
spec: {url: /data/d.txt, format: txt, nodeName: edge0}
)";
  sedna::testing::FakeClock clock_;
  store::embedded::EmbeddedServer server_{embedded(clock_)};
  Caches caches_{server_, ""};
  link::StateBoard board_;
  std::set<std::string> connected_{"edge0"};
  int acknowledged_ = 0;
  DatasetController datasets_{server_, caches_, [this](const std::string& node) { return connected_.contains(node); },
                              clock_};
  ModelController models_{server_, caches_, clock_};
  EdgeState edge_{server_, caches_, board_};
  control::Controller dataset_controller_{datasets_, named("dataset", clock_)};
  control::Controller model_controller_{models_, named("model", clock_)};
  control::Controller edge_controller_{edge_, named("edge", clock_)};
};

TEST_F(Data, ACountBecomesStatusOnce) {
  apply(kD);
  count(1, json::object{{"numberOfSamples", 40}});
  EXPECT_EQ(acknowledged_, 1);
  EXPECT_EQ(api::int_at(status(kDataset, "d"), {"numberOfSamples"}), 40);
  EXPECT_EQ(api::string_at(ready(), {"status"}), "True");
  EXPECT_EQ(api::string_at(status(kDataset, "d"), {"updateTime"}), "2026-01-31T13:05:59Z");
  const auto before = server_.get(kDataset, "default", "d").value();
  clock_.advance(1h);
  count(1, json::object{{"numberOfSamples", 7}});
  count(2, json::object{{"numberOfSamples", 40}});
  count(3, json::object{{"numberOfSamples", 9}}, "edge1");
  EXPECT_EQ(acknowledged_, 4) << "a duplicate, the same again, a node that is not the dataset's";
  EXPECT_EQ(server_.get(kDataset, "default", "d").value(), before) << "none of them is a write";
}

TEST_F(Data, WhatIsWrongWithAFileIsACondition) {
  apply(kD);
  count(1, json::object{{"reason", "FileNotFound"}, {"message", "/data/d.txt: is not there"}});
  EXPECT_EQ(api::string_at(ready(), {"status"}), "False");
  EXPECT_EQ(api::string_at(ready(), {"reason"}), "FileNotFound");
  EXPECT_EQ(api::string_at(ready(), {"message"}), "node edge0: /data/d.txt: is not there");
  count(2, json::object{{"numberOfSamples", 1}});
  EXPECT_EQ(api::string_at(ready(), {"status"}), "True");
}

TEST_F(Data, ANodeThatIsNotThereIsSaidAfterAWhile) {
  connected_.clear();
  apply(kD);
  EXPECT_TRUE(ready().empty());
  clock_.advance(11s);
  settle();
  EXPECT_EQ(api::string_at(ready(), {"reason"}), "NotConnected");
  EXPECT_THAT(std::string(api::string_at(ready(), {"message"})), HasSubstr("node edge0"));
  connected_.insert("edge0");
  dataset_controller_.queue().add("default/d");
  settle();
  EXPECT_EQ(api::string_at(ready(), {"reason"}), "Counting");
}

TEST_F(Data, NodesAreToldWhatTheyNeed) {
  apply(testing::kModels);
  apply(testing::kService);
  apply(kD);
  EXPECT_TRUE(board_.knows("edge0", {"Dataset", "default/d"}));
  EXPECT_TRUE(board_.knows("edge0", {"JointInferenceService", "default/digits"}));
  EXPECT_FALSE(board_.knows("cloud0", {"JointInferenceService", "default/digits"}));
  EXPECT_TRUE(board_.knows("edge0", {"Model", "default/small"}));
  EXPECT_TRUE(board_.knows("cloud0", {"Model", "default/big"}));
  EXPECT_FALSE(board_.knows("cloud0", {"Model", "default/small"}));
  server_.remove(kJointInferenceService, "default", "digits", {}).value();
  settle();
  EXPECT_FALSE(board_.knows("edge0", {"Model", "default/small"}));
  EXPECT_FALSE(board_.knows("edge0", {"JointInferenceService", "default/digits"}));
}

TEST_F(Data, AccessToAStoreGoesToTheNodeAsUpstreamPutsIt) {
  apply(R"(
apiVersion: v1
kind: Secret
metadata: {name: access, namespace: default, annotations: {s3-endpoint: "s3:9000", s3-usehttps: "0"}}
data: {ACCESS_KEY_ID: YWFh, SECRET_ACCESS_KEY: YmJi}
---
apiVersion: sedna.io/v1alpha1
kind: Dataset
metadata: {name: d, namespace: default}
spec: {url: "s3://bucket/d.txt", format: txt, nodeName: edge0, credentialName: access}
)");
  const auto entries = board_.changes("edge0", 0, 10);
  ASSERT_EQ(entries.size(), 1U);
  const auto credential = json::parse(*api::annotation(*entries[0].object, "sedna.io/credential")).value();
  EXPECT_EQ(credential.at("s3-endpoint"), "s3:9000");
  EXPECT_EQ(credential.at("ACCESS_KEY_ID"), "aaa");
  EXPECT_EQ(credential.at("SECRET_ACCESS_KEY"), "bbb");
  EXPECT_FALSE(api::annotation(server_.get(kDataset, "default", "d").value(), "sedna.io/credential"));
}

TEST_F(Data, AModelShowsWhatItsNodesSee) {
  apply(testing::kModels);
  apply(testing::kService);
  const auto tell = [&](const char* node, json::object body) {
    Fact fact;
    fact.node = node;
    fact.source = "lc";
    fact.body = std::move(body);
    models_.inbox().put("default/small", std::move(fact));
    model_controller_.queue().add("default/small");
    settle();
  };
  tell("edge0", json::object{{"exists", true}, {"bytes", 3}, {"digest", "sha256:ab"}});
  tell("stranger", json::object{{"exists", true}});
  auto s = status(kModel, "small");
  ASSERT_EQ(api::array_at(s, {"nodes"})->size(), 1U);
  const auto entry = api::array_at(s, {"nodes"})->at(0).as_object();
  EXPECT_EQ(api::string_at(entry, {"node"}), "edge0");
  EXPECT_EQ(api::int_at(entry, {"bytes"}), 3);
  server_.remove(kJointInferenceService, "default", "digits", {}).value();
  settle();
  EXPECT_EQ(api::array_at(status(kModel, "small"), {"nodes"}), nullptr) << "nobody uses it there any more";
}

TEST_F(Data, KindsWithoutAControllerSaySo) {
  apply(R"(
apiVersion: sedna.io/v1alpha1
kind: ReidJob
metadata: {name: r, namespace: default}
spec: {template: {spec: {containers: [{name: c, image: i}]}}}
)");
  for (const auto& informer : caches_.others) {
    NoController absent(server_, *informer, clock_);
    absent.reconcile("default/r");
    informer->step(kNow);
    absent.reconcile("default/r");
  }
  const auto s = status(kReidJob, "r");
  ASSERT_EQ(api::array_at(s, {"conditions"})->size(), 1U);
  const auto& entry = api::array_at(s, {"conditions"})->at(0).as_object();
  EXPECT_EQ(api::string_at(entry, {"reason"}), "NoController");
  EXPECT_EQ(api::string_at(entry, {"status"}), "False");
}

TEST(Config, ReadsUpstreamsFile) {
  const Config config = parse_config(R"(
kubeConfig: ""
master: ""
namespace: ""
websocket:
  address: 0.0.0.0
  port: 9000
localController:
  server: http://localhost:9100
knowledgeBaseServer:
  server: http://kb.sedna:9020
minResyncPeriodSeconds: 30
)",
                                     "gm.yaml");
  EXPECT_EQ(config.link_port, 9000);
  EXPECT_EQ(config.lc_server, "http://localhost:9100");
  EXPECT_EQ(config.knowledge_base_server, "http://kb.sedna:9020");
  EXPECT_FALSE(config.security_required);
  EXPECT_FALSE(config.legacy_allow);
  EXPECT_TRUE(config.warnings.empty());
}

TEST(Config, ReadsOursAndSaysWhatIsWrong) {
  const Config config = parse_config(
      "security: required\nlegacyLocalControllers: deny\nwebsocket: {tokenFile: /t}\nnoise: 1\n", "gm.yaml");
  EXPECT_TRUE(config.security_required);
  EXPECT_EQ(config.legacy_allow, false);
  EXPECT_EQ(config.link_token_file, "/t");
  EXPECT_THAT(config.warnings, ::testing::ElementsAre("noise means nothing to sedna-gm"));
  for (const auto& [yaml, subject] : {std::pair{"security: maybe", "security"},
                                      {"websocket: 3", "websocket"},
                                      {"websocket: {port: high}", "websocket.port"},
                                      {"namespace: [a]", "namespace"}}) {
    try {
      parse_config(yaml, "gm.yaml");
      ADD_FAILURE() << yaml;
    } catch (const Error& e) {
      EXPECT_EQ(e.subject(), subject);
    }
  }
}

TEST(Conditions, OneOfAType) {
  json::array list;
  EXPECT_TRUE(set_condition(list, {"Pending", true, "r", "m"}, "t1", true));
  EXPECT_FALSE(set_condition(list, {"Pending", true, "r", "m"}, "t2", true));
  EXPECT_TRUE(set_condition(list, {"Running", true, "", ""}, "t3", true));
  EXPECT_TRUE(set_condition(list, {"Pending", false, "r", "m"}, "t4", false));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(
      json::write(list[0]),
      R"({"type":"Pending","status":"False","lastHeartbeatTime":"t4","lastTransitionTime":"t4","reason":"r","message":"m"})");
  EXPECT_TRUE(set_condition(list, {"Pending", false, "r2", "m"}, "t5", true));
  EXPECT_EQ(api::string_at(list[1].as_object(), {"type"}), "Pending") << "moved last";
  EXPECT_EQ(api::string_at(list[1].as_object(), {"lastTransitionTime"}), "t4");
}

// Upstream appends: the log becomes one entry of each type.
TEST(Conditions, UpstreamsLogIsTakenOver) {
  json::array list;
  for (const char* type : {"Running", "Failed", "Running"}) {
    list.push_back(json::object{{"type", type}, {"status", "True"}, {"lastTransitionTime", "old"}});
  }
  EXPECT_TRUE(set_condition(list, {"Running", true, "", ""}, "now", true));
  EXPECT_TRUE(set_condition(list, {"Failed", false, "Recovered", ""}, "now", false));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(api::string_at(list[1].as_object(), {"type"}), "Running");
  EXPECT_FALSE(is_true(list, "Failed"));
}

}  // namespace
}  // namespace sedna::gm
