// What the controller of FederatedLearningJob makes and tells, over an embedded API server and a clock that stands
// still.
#include <algorithm>

#include <gmock/gmock.h>

#include "sedna/gm/children.hpp"
#include "sedna/gm/federated_settings.hpp"
#include "sedna/gm/test_gm.hpp"

namespace sedna::gm {
namespace {

using namespace api::kinds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Federated : public ::testing::Test {
 protected:
  void begin(std::string_view extra = {}) {
    gm_.apply_all(testing::kFederatedData);
    gm_.apply_all(std::string(testing::kFederatedJob) + std::string(extra));
    gm_.settle();
  }
  api::Object job() { return gm_.get(kFederatedLearningJob, "digits"); }
  std::vector<api::Object> pods() {
    store::ListOptions options;
    options.ns = "default";
    return gm_.server.list(kPod, options).value().items;
  }
  /// The Pod of the worker ("aggregation", "one", "two").
  api::Object pod_of(std::string_view worker) {
    const std::string key = worker == "aggregation" ? "aggregation" : "train/" + std::string(worker);
    for (const auto& pod : pods()) {
      if (api::annotation(pod, kWorkerKey) == key && !api::is_deleting(pod)) return pod;
    }
    ADD_FAILURE() << "no Pod of " << key;
    return {};
  }
  void set_pod(std::string_view worker, std::string_view phase, std::string_view more = "{}") {
    api::Object pod = pod_of(worker);
    json::object status = json::parse(more).value().get_object();
    status["phase"] = phase;
    if (phase == "Running" && !status.contains("conditions")) {
      status["conditions"] = json::array{json::object{{"type", "Ready"}, {"status", "True"}}};
    }
    pod["status"] = std::move(status);
    gm_.server.update_status(kPod, pod, {}).value();
    gm_.settle();
  }
  void all(std::string_view phase) {
    for (const char* worker : {"aggregation", "one", "two"}) set_pod(worker, phase);
  }
  void remove(std::string_view worker) {
    store::DeleteOptions options;
    options.grace_period_seconds = 0;
    gm_.server.remove(kPod, "default", api::name_of(pod_of(worker)), options).value();
    gm_.settle();
  }
  std::size_t events(std::string_view reason) {
    const auto all = gm_.server.list(kEvent, {}).value().items;
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const api::Object& e) { return api::string_at(e, {"reason"}) == reason; }));
  }
  /// What is being deleted ends when its node says so.
  void nodes_end_pods() {
    store::DeleteOptions options;
    options.grace_period_seconds = 0;
    for (const auto& pod : pods()) {
      if (api::is_deleting(pod)) gm_.server.remove(kPod, "default", api::name_of(pod), options).value();
    }
    gm_.settle();
  }
  json::object condition(std::string_view type) {
    const auto object = job();
    if (const auto* list = api::array_at(object, {"status", "conditions"})) {
      for (const auto& entry : *list) {
        if (api::string_at(entry.get_object(), {"type"}) == type) return entry.get_object();
      }
    }
    return {};
  }
  std::string state_of_condition(std::string_view type) {
    return std::string(api::string_at(condition(type), {"status"}, "absent"));
  }
  std::string phase() { return std::string(api::string_at(job(), {"status", "phase"})); }
  void report(const std::string& worker, std::string_view body) {
    Fact fact;
    fact.node = "edge1";
    fact.worker = worker;
    fact.body = json::parse(body).value().get_object();
    fact.acknowledge = [this] { ++acknowledged_; };
    gm_.federated_inbox().put("default/digits", std::move(fact));
    gm_.federated_queue().add("default/digits");
    gm_.settle();
  }
  std::optional<std::string> env(const api::Object& pod, std::string_view name) { return env_value(pod, name); }
  /// Lets what waits for a time be due.
  void later(SteadyClock::duration by) {
    gm_.clock.advance(by);
    gm_.federated_queue().add("default/digits");
    gm_.settle();
  }
  void edit(const std::function<void(json::object& spec)>& change) {
    api::Object object = job();
    change(object["spec"].get_object());
    gm_.server.update(kFederatedLearningJob, object, {}).value();
    gm_.settle();
  }

  testing::TestGm gm_;
  int acknowledged_ = 0;
};

// FJ-1.1
TEST_F(Federated, ThePodsAndTheServiceAreUpstreams) {
  begin();
  ASSERT_EQ(pods().size(), 3U);
  const auto aggregation = pod_of("aggregation"), one = pod_of("one");
  EXPECT_THAT(std::string(api::name_of(aggregation)), StartsWith("digits-aggregation-"));
  EXPECT_THAT(std::string(api::name_of(one)), StartsWith("digits-train-"));
  EXPECT_EQ(api::label(one, "federatedlearningjob.sedna.io/worker-type"), "train");
  EXPECT_EQ(api::string_at(one, {"spec", "restartPolicy"}), "OnFailure");
  EXPECT_TRUE(api::find(one, {"spec", "hostNetwork"})->as_bool());
  EXPECT_EQ(api::find(aggregation, {"spec", "hostNetwork"}), nullptr);
  EXPECT_EQ(env(one, "AGG_IP"), "digits-aggregation.default");
  EXPECT_EQ(env(one, "AGG_PORT"), "7363");
  EXPECT_EQ(env(one, "TRAIN_DATASET_URL"), "/home/data/data/one.npz");
  EXPECT_EQ(env(one, "MODEL_NAME"), "digits");
  EXPECT_EQ(env(one, "DATASET_NAME"), "one");
  EXPECT_EQ(env(one, "AGG_PROTOCOL"), std::nullopt);
  EXPECT_EQ(env(aggregation, "PARTICIPANTS_COUNT"), "2");
  EXPECT_EQ(env(aggregation, "AGG_BIND_PORT"), "7363");
  EXPECT_EQ(env(aggregation, "TRANSMITTER"), "ws");
  EXPECT_EQ(env(aggregation, "EXIT_ROUND"), std::nullopt) << "the script's own, as upstream";
  EXPECT_THAT(env(aggregation, "SEDNA_FL_STATE").value_or(""), StartsWith("/var/lib/sedna/federated/run-1-"));
  const auto service = gm_.get(kService, "digits-aggregation");
  EXPECT_EQ(api::find(service, {"spec", "ports"})->at(0).at("port"), 7363);
  EXPECT_EQ(api::int_at(job(), {"status", "active"}), 3);
  EXPECT_EQ(phase(), "Pending");
  EXPECT_EQ(events("Rebuilt"), 0);
}

// FJ-1.2
TEST_F(Federated, RunsThenCompletes) {
  begin();
  all("Running");
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(state_of_condition("Training"), "True");
  all("Succeeded");
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_EQ(state_of_condition("Complete"), "True");
  const auto object = job();
  EXPECT_EQ(object.at("status").at("conditions").as_array().back().at("type"), "Complete") << "upstream reads the last";
  EXPECT_FALSE(api::string_at(object, {"status", "completionTime"}).empty());
  EXPECT_EQ(api::int_at(object, {"status", "succeeded"}), 3);
  EXPECT_EQ(api::string_at(object, {"status", "model", "url"}), "/models/digits");
  // Nothing is done any more: a Pod that is cleaned away stays away.
  remove("one");
  EXPECT_EQ(pods().size(), 2U);
  EXPECT_EQ(phase(), "Succeeded");
}

// FJ-1.4
TEST_F(Federated, ALostWorkerIsMadeAgainUnderItsName) {
  begin();
  all("Running");
  const auto before = pod_of("one");
  const auto name = env(before, "WORKER_NAME"), other = env(pod_of("two"), "WORKER_NAME");
  EXPECT_NE(name, other);
  remove("one");
  const auto after = pod_of("one");
  EXPECT_NE(api::uid_of(after), api::uid_of(before));
  EXPECT_EQ(env(after, "WORKER_NAME"), name);
  EXPECT_EQ(events("Rebuilt"), 1);
  remove("aggregation");
  EXPECT_EQ(env(pod_of("aggregation"), "SEDNA_FL_STATE").value_or("").substr(0, 29), "/var/lib/sedna/federated/run-");
  // Another GM finds the same: nothing lay in its memory.
  gm_.start();
  gm_.settle();
  remove("one");
  EXPECT_EQ(env(pod_of("one"), "WORKER_NAME"), name);
  EXPECT_EQ(pods().size(), 3U);
}

// FJ-1.4
TEST_F(Federated, AFailedPodIsMadeAgainAfterAPause) {
  begin();
  all("Running");
  const auto before = pod_of("one");
  set_pod("one", "Failed", R"({"reason":"Evicted","message":"The node was low on memory."})");
  EXPECT_EQ(phase(), "Running") << "the other one trains on";
  EXPECT_EQ(state_of_condition("Degraded"), "True");
  EXPECT_THAT(std::string(api::string_at(condition("Degraded"), {"message"})), HasSubstr("on edge1"));
  EXPECT_EQ(api::uid_of(pod_of("one")), api::uid_of(before));
  later(std::chrono::seconds(12));
  const auto after = pod_of("one");
  EXPECT_NE(api::uid_of(after), api::uid_of(before));
  EXPECT_EQ(env(after, "WORKER_NAME"), env(before, "WORKER_NAME"));
  set_pod("one", "Running");
  EXPECT_EQ(state_of_condition("Degraded"), "False");
  EXPECT_EQ(job().at("status").at("workers").at(1).at("rebuilt"), 1);
}

// FJ-1.5
TEST_F(Federated, AFailureNamesTheWorkerAndIsLeftAgain) {
  begin();
  all("Running");
  set_pod(
      "aggregation", "Running",
      R"({"conditions":[{"type":"Ready","status":"False"}],"containerStatuses":[{"name":"aggregate","restartCount":4,
              "state":{"waiting":{"reason":"CrashLoopBackOff"}},
              "lastState":{"terminated":{"exitCode":3,"message":"no module named numpy"}}}]})");
  EXPECT_EQ(phase(), "Failed");
  const auto failed = condition("Failed");
  EXPECT_EQ(api::string_at(failed, {"reason"}), "workerFailed");
  for (const char* text :
       {"aggregation worker digits-aggregation-", "on cloud0", "exit code 3", "no module named numpy", "Hint:"}) {
    EXPECT_THAT(std::string(api::string_at(failed, {"message"})), HasSubstr(text));
  }
  set_pod("aggregation", "Running");
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(state_of_condition("Failed"), "False");
}

// FJ-1.5
TEST_F(Federated, WhatIsMissingIsNamedAndWaitedFor) {
  gm_.apply_all(testing::kFederatedJob);
  gm_.settle();
  EXPECT_EQ(phase(), "Pending") << "what is applied together arrives one after the other";
  later(std::chrono::seconds(11));
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(api::string_at(condition("Failed"), {"reason"}), "ModelNotFound");
  EXPECT_TRUE(pods().empty());
  gm_.apply_all(testing::kFederatedData);
  gm_.settle();
  EXPECT_EQ(pods().size(), 3U);
  EXPECT_EQ(phase(), "Pending");
}

// FJ-1.5
TEST_F(Federated, TheEndIsNotHeldUpByAWorkerThatIsLost) {
  begin();
  all("Running");
  set_pod("aggregation", "Succeeded");
  set_pod("one", "Succeeded");
  EXPECT_EQ(phase(), "Running") << "the other one may still be saving the model";
  later(std::chrono::minutes(6));
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_THAT(std::string(api::string_at(condition("Complete"), {"message"})),
              HasSubstr(env(pod_of("two"), "WORKER_NAME").value_or("?")));
}

// FJ-1.4
TEST_F(Federated, AModelThatNobodyFetchedIsHandedOutAgain) {
  begin();
  all("Running");
  const auto before = pod_of("aggregation");
  set_pod("aggregation", "Succeeded");
  later(std::chrono::minutes(6));
  EXPECT_EQ(phase(), "Pending");
  const auto after = pod_of("aggregation");
  EXPECT_NE(api::uid_of(after), api::uid_of(before));
  EXPECT_EQ(env(after, "SEDNA_FL_STATE"), env(before, "SEDNA_FL_STATE")) << "it goes on at its end";
}

// FJ-1.3
TEST_F(Federated, ProgressOfTheAggregatorBecomesStatus) {
  begin();
  all("Running");
  const std::string uid(api::uid_of(pod_of("aggregation")));
  report(uid, R"({"worker":"aggworker-x","podUid":")" + uid +
                  R"(","time":"2026-01-31T13:05:59Z","statistics":{"federated":{"round":3,"rounds":10,"arrived":1,
                  "selected":2,"stragglers":["trainworker-b"],"bytesReceived":1000,"bytesSent":2000,
                  "metrics":{"accuracy":0.9,"loss":0.25},"epsilon":1.5,"stalled":"disk full"}}})");
  const auto status = job().at("status").get_object();
  const auto& progress = status.at("progress");
  EXPECT_EQ(progress.at("round"), 3);
  EXPECT_EQ(progress.at("arrived"), 1);
  EXPECT_EQ(progress.at("selected"), 2);
  EXPECT_EQ(progress.at("stragglers").at(0), "trainworker-b");
  EXPECT_EQ(progress.at("metrics").at("accuracy"), 0.9);
  EXPECT_EQ(progress.at("stalled"), "disk full");
  EXPECT_EQ(acknowledged_, 1);
  // The next round: what was said before and no more is gone.
  gm_.clock.advance(std::chrono::seconds(5));
  report(uid, R"({"podUid":")" + uid + R"(","statistics":{"federated":{"round":4,"arrived":0,"selected":2}}})");
  EXPECT_EQ(job().at("status").at("progress").at("round"), 4);
  EXPECT_FALSE(job().at("status").at("progress").get_object().contains("stragglers"));
  EXPECT_FALSE(job().at("status").at("progress").get_object().contains("stalled"));
}

// FJ-1.3
TEST_F(Federated, ReportsOfUpstreamsWorkersBecomeConditionsAndMetrics) {
  begin();
  all("Running");
  const std::string name = env(pod_of("one"), "WORKER_NAME").value_or("");
  report(name, R"({"worker":")" + name +
                   R"(","ownerInfo":{"currentRound":2,"updateTime":"2026-01-31 13:00:00"},
                   "results":[{"format":"npz","url":"/models/digits/m.npz","metrics":{"loss":[0.5,0.25],"note":"x"}}]})");
  const auto training = condition("Training");
  EXPECT_EQ(api::string_at(training, {"reason"}), "DoTraining");
  EXPECT_EQ(api::string_at(training, {"message"}), "Round 2 reaches at 2026-01-31 13:00:00");
  EXPECT_FALSE(training.contains("lastTransitionTime")) << "this kind's conditions have none";
  EXPECT_TRUE(training.contains("lastProbeTime"));
  const auto status = job().at("status").get_object();
  EXPECT_EQ(status.at("progress").at("round"), 2);
  EXPECT_EQ(status.at("progress").at("metrics").at("loss"), 0.25);
  EXPECT_EQ(status.at("workers").at(1).at("round"), 2);
  EXPECT_EQ(status.at("model").at("url"), "/models/digits/m.npz");
  const auto model = gm_.get(kModel, "digits");
  EXPECT_EQ(json::write(model.at("status").at("metrics")),
            R"([{"key":"loss","value":"[0.5,0.25]"},{"key":"note","value":"x"}])");
}

// FJ-1.3
TEST_F(Federated, MetricsAreTheAggregatorsOrElseTheWorkers) {
  begin();
  all("Running");
  const std::string uid(api::uid_of(pod_of("aggregation")));
  const std::string name = env(pod_of("one"), "WORKER_NAME").value_or("");
  const auto by_worker = [&](int round, const char* loss) {
    gm_.clock.advance(std::chrono::seconds(5));
    report(name, R"({"worker":")" + name + R"(","ownerInfo":{"currentRound":)" + std::to_string(round) +
                     R"(},"results":[{"metrics":{"loss":)" + loss + "}}]}");
  };
  const auto progress = [&] { return job().at("status").at("progress").get_object(); };
  // Upstream's clients tell an aggregator no metrics.
  report(uid, R"({"podUid":")" + uid + R"(","statistics":{"federated":{"round":2,"arrived":0,"selected":2}}})");
  EXPECT_FALSE(progress().contains("metrics"));
  by_worker(2, "0.5");
  EXPECT_EQ(progress().at("metrics").at("loss"), 0.5);
  EXPECT_EQ(progress().at("metricsFrom"), "workers");
  EXPECT_EQ(progress().at("round"), 2);
  // One that has metrics of a whole round is not overruled by one worker's.
  gm_.clock.advance(std::chrono::seconds(5));
  report(uid,
         R"({"podUid":")" + uid + R"(","statistics":{"federated":{"round":3,"selected":2,"metrics":{"loss":0.3}}}})");
  by_worker(3, "0.1");
  EXPECT_EQ(progress().at("metrics").at("loss"), 0.3);
  EXPECT_EQ(progress().at("metricsFrom"), "aggregator");
}

// FJ-1.3
TEST_F(Federated, ProgressIsInTheMetrics) {
  begin();
  all("Running");
  const std::string uid(api::uid_of(pod_of("aggregation")));
  report(uid, R"({"podUid":")" + uid + R"(","statistics":{"federated":{"round":7,"arrived":1,"selected":2,
                  "stragglers":["w"],"metrics":{"accuracy":0.9}}}})");
  const std::string text = gm_.registry().render();
  EXPECT_THAT(text, HasSubstr("sedna_gm_federated_round{namespace=\"default\",job=\"digits\"} 7"));
  EXPECT_THAT(text, HasSubstr("sedna_gm_federated_stragglers{namespace=\"default\",job=\"digits\"} 1"));
  EXPECT_THAT(text, HasSubstr("sedna_gm_federated_accuracy{namespace=\"default\",job=\"digits\"} 0.9"));
}

// FJ-1.3
TEST_F(Federated, WhoIsNotEvenConnectedIsAStraggler) {
  begin();
  all("Running");
  set_pod("two", "Failed", R"({"reason":"Evicted"})");
  const std::string uid(api::uid_of(pod_of("aggregation")));
  report(uid, R"({"podUid":")" + uid + R"(","statistics":{"federated":{"round":1,"arrived":1,"selected":2}}})");
  EXPECT_EQ(job().at("status").at("progress").at("stragglers").at(0),
            json::value(env(pod_of("two"), "WORKER_NAME").value_or("?")));
}

// FJ-1.6
TEST_F(Federated, AChangedSpecificationRollsWhatItConcerns) {
  begin();
  all("Running");
  const auto aggregation = pod_of("aggregation"), one = pod_of("one"), two = pod_of("two");
  edit([](json::object& spec) {
    spec["trainingWorkers"].at(0).at("template").at("spec").at("containers").at(0).get_object()["image"] = "train:v2";
  });
  nodes_end_pods();
  EXPECT_EQ(api::uid_of(pod_of("aggregation")), api::uid_of(aggregation));
  EXPECT_EQ(api::uid_of(pod_of("two")), api::uid_of(two));
  EXPECT_NE(api::uid_of(pod_of("one")), api::uid_of(one));
  EXPECT_EQ(pod_of("one").at("spec").at("containers").at(0).at("image"), "train:v2");
  EXPECT_EQ(env(pod_of("one"), "WORKER_NAME"), env(one, "WORKER_NAME"));
}

// FJ-1.6
TEST_F(Federated, AJobThatHasEndedBeginsAgainWhenItIsChanged) {
  begin();
  all("Running");
  all("Succeeded");
  const auto before = env(pod_of("aggregation"), "SEDNA_FL_STATE");
  edit([](json::object& spec) { spec["rounds"] = 20; });
  nodes_end_pods();
  EXPECT_EQ(state_of_condition("Complete"), "False");
  EXPECT_EQ(job().at("status").at("run"), 2);
  EXPECT_EQ(pods().size(), 3U);
  EXPECT_EQ(env(pod_of("aggregation"), "EXIT_ROUND"), "20");
  EXPECT_NE(env(pod_of("aggregation"), "SEDNA_FL_STATE"), before);
}

// FJ-1.7
TEST_F(Federated, TheFieldsOfTheJobBecomeSettings) {
  begin(R"(
  rounds: 50
  stop: {metric: accuracy, target: 0.95, patience: 5, seconds: 600}
  round: {participants: 1, quorum: 1, softDeadlineSeconds: 10, deadlineSeconds: 60, minUpdates: 1, maxStrikes: 3}
  algorithm: {name: FedAdam, parameters: [{key: learningRate, value: "0.03"}]}
  robust: {rule: {name: TrimmedMean, parameters: [{key: b, value: "1"}]}, clip: "10", bucket: 2}
  compression: {name: topk, parameters: [{key: share, value: "0.1"}]}
  privacy: {noiseMultiplier: 1.1, delta: 0.000001}
  durability: {mode: update, path: /mnt/shared}
  selection: {name: oort, parameters: [{key: explore, value: "0.2"}], overSelect: 2, pool: 2, waitSeconds: 30}
  strict: true
  seed: 7
)");
  const auto pod = pod_of("aggregation");
  const std::map<std::string, std::string> wanted{{"EXIT_ROUND", "50"},
                                                  {"exit_round", "50"},
                                                  {"PARTICIPANTS_COUNT", "1"},
                                                  {"SEDNA_FL_STOP_METRIC", "accuracy"},
                                                  {"SEDNA_FL_STOP_PATIENCE", "5"},
                                                  {"SEDNA_FL_STOP_SECONDS", "600"},
                                                  {"SEDNA_FL_SELECT", "oort,explore=0.2"},
                                                  {"SEDNA_FL_SELECT_POOL", "2"},
                                                  {"SEDNA_FL_SELECT_WAIT", "30"},
                                                  {"SEDNA_FL_QUORUM", "1"},
                                                  {"SEDNA_FL_SOFT_DEADLINE", "10"},
                                                  {"SEDNA_FL_ROUND_DEADLINE", "60"},
                                                  {"SEDNA_FL_MAX_STRIKES", "3"},
                                                  {"SEDNA_FL_ALGORITHM", "FedAdam,learningRate=0.03"},
                                                  {"SEDNA_FL_ROBUST", "TrimmedMean,b=1"},
                                                  {"SEDNA_FL_CLIP", "10"},
                                                  {"SEDNA_FL_BUCKET", "2"},
                                                  {"SEDNA_FL_CODEC", "topk,share=0.1"},
                                                  {"SEDNA_FL_STRICT", "true"},
                                                  {"SEDNA_FL_SEED", "7"},
                                                  {"SEDNA_FL_DURABILITY", "update"}};
  for (const auto& [name, value] : wanted) EXPECT_EQ(env(pod, name), value) << name;
  EXPECT_EQ(std::stod(env(pod, "SEDNA_FL_STOP_TARGET").value_or("0")), 0.95);
  EXPECT_EQ(std::stod(env(pod, "SEDNA_FL_OVER_SELECT").value_or("0")), 2);
  EXPECT_THAT(env(pod, "SEDNA_FL_PRIVACY").value_or(""), StartsWith("1.1"));
  EXPECT_EQ(env(pod_of("one"), "AGG_PROTOCOL"), "http") << "compressed updates travel over HTTP";
  const auto* volumes = api::array_at(pod, {"spec", "volumes"});
  EXPECT_THAT(json::write(volumes->back().at("hostPath").at("path")), HasSubstr("/mnt/shared/default/digits-"));
}

// FJ-2.7
TEST_F(Federated, LateUpdatesAndPersonalTensorsAreTheFieldsOfTheJob) {
  begin(R"(
  late: {name: carry, parameters: [{key: maxStaleness, value: "3"}, {key: staleness, value: hinge}]}
  personal: {name: FedPer, parameters: [{key: last, value: "2"}]}
)");
  const auto aggregation = pod_of("aggregation"), one = pod_of("one");
  EXPECT_EQ(env(aggregation, "SEDNA_FL_LATE"), "carry,maxStaleness=3,staleness=hinge");
  EXPECT_EQ(env(aggregation, "SEDNA_FL_PERSONAL"), std::nullopt);
  EXPECT_EQ(env(one, "SEDNA_FL_PERSONAL"), "FedPer,last=2");
  EXPECT_EQ(env(one, "AGG_PROTOCOL"), std::nullopt) << "upstream's messages carry it, too";
  // What stays with a worker outlives its Pod, on its node, and does not lie beside the aggregator's rounds.
  const auto state = env(one, "SEDNA_FL_CLIENT_STATE").value_or("");
  EXPECT_THAT(state, StartsWith("/var/lib/sedna/federated/run-1-"));
  EXPECT_EQ(state, env(aggregation, "SEDNA_FL_STATE"));
  const std::string folder = json::write(api::array_at(one, {"spec", "volumes"})->back().at("hostPath").at("path"));
  EXPECT_THAT(folder, HasSubstr("/var/lib/sedna/federated/default/digits-"));
  EXPECT_THAT(folder, HasSubstr("/workers"));
  // Another part that stays makes another model of the shared one: the rounds begin again.
  edit([](json::object& spec) { spec["personal"] = json::object{{"name", "FedBN"}}; });
  EXPECT_EQ(env(pod_of("one"), "SEDNA_FL_PERSONAL"), "FedBN");
  EXPECT_NE(env(pod_of("aggregation"), "SEDNA_FL_STATE"), state);
  // What becomes of late updates does not.
  const auto rounds = env(pod_of("aggregation"), "SEDNA_FL_STATE");
  edit([](json::object& spec) { spec.erase("late"); });
  EXPECT_EQ(env(pod_of("aggregation"), "SEDNA_FL_LATE"), std::nullopt);
  EXPECT_EQ(env(pod_of("aggregation"), "SEDNA_FL_STATE"), rounds);
}

// FJ-1.7
TEST_F(Federated, WhatCannotGoTogetherIsSaid) {
  begin(R"(
  algorithm: {name: SCAFFOLD}
  transmitter: {ws: {}}
)");
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(api::string_at(condition("Failed"), {"reason"}), "InvalidSpec");
  EXPECT_THAT(std::string(api::string_at(condition("Failed"), {"message"})), HasSubstr("spec.transmitter.ws"));
  edit([](json::object& spec) { spec["transmitter"] = json::object{{"http", json::object()}}; });
  EXPECT_EQ(pods().size(), 3U);
  EXPECT_EQ(state_of_condition("Failed"), "False");
  edit([](json::object& spec) { spec["round"] = json::object{{"participants", 3}}; });
  EXPECT_THAT(std::string(api::string_at(condition("Failed"), {"message"})), HasSubstr("spec.round.participants"));
  edit([](json::object& spec) { spec["trainingWorkers"] = json::array(); });
  EXPECT_EQ(phase(), "Failed");
  EXPECT_THAT(std::string(api::string_at(condition("Failed"), {"message"})), HasSubstr("at least one training worker"));
}

// FJ-1.8
TEST_F(Federated, WithoutDurabilityNothingIsMounted) {
  begin("  durability: {mode: none}\n  personal: {name: FedBN}\n");
  EXPECT_EQ(env(pod_of("aggregation"), "SEDNA_FL_STATE"), std::nullopt);
  EXPECT_EQ(env(pod_of("one"), "SEDNA_FL_CLIENT_STATE"), std::nullopt);
}

// FJ-1.9
TEST_F(Federated, NothingIsWrittenWhileNothingHappens) {
  begin();
  all("Running");
  const std::string before(api::resource_version_of(job()));
  later(std::chrono::seconds(1));
  gm_.start();
  gm_.settle();
  EXPECT_EQ(api::resource_version_of(job()), before);
}

}  // namespace
}  // namespace sedna::gm
