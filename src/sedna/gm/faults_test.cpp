// GM dies at every one of its writes, or the server answers badly: in the end everything is there once, and the status
// says what is true.
#include <set>

#include <gmock/gmock.h>

#include "sedna/control/test_server.hpp"
#include "sedna/gm/test_gm.hpp"

namespace sedna::gm {
namespace {

using namespace api::kinds;
using control::testing::FaultyServer;
using testing::TestGm;
using namespace std::chrono_literals;

/// The process is gone: nobody catches it but the test.
struct Died {};

/// Passes calls on and dies at the n-th write, before it or (`after`) once it was carried out.
class DyingServer final : public store::ApiServer {
 public:
  DyingServer(store::ApiServer& under, int die_at, bool after) : under_(under), die_at_(die_at), after_(after) {}
  using Object = api::Object;
  using Kind = api::Kind;
  store::Outcome<Object> get(const Kind& kind, std::string_view ns, std::string_view name) override {
    return under_.get(kind, ns, name);
  }
  store::Outcome<store::ListResult> list(const Kind& kind, const store::ListOptions& options) override {
    return under_.list(kind, options);
  }
  store::Outcome<std::unique_ptr<store::Watch>> watch(const Kind& kind, const store::WatchOptions& options) override {
    return under_.watch(kind, options);
  }
  store::Outcome<Object> create(const Kind& kind, const Object& object, const store::WriteOptions& o) override {
    return write([&] { return under_.create(kind, object, o); });
  }
  store::Outcome<Object> update(const Kind& kind, const Object& object, const store::WriteOptions& o) override {
    return write([&] { return under_.update(kind, object, o); });
  }
  store::Outcome<Object> update_status(const Kind& kind, const Object& object, const store::WriteOptions& o) override {
    return write([&] { return under_.update_status(kind, object, o); });
  }
  store::Outcome<Object> merge_patch(const Kind& kind, std::string_view ns, std::string_view name,
                                     const store::MergePatch& patch, const store::WriteOptions& o) override {
    return write([&] { return under_.merge_patch(kind, ns, name, patch, o); });
  }
  store::Outcome<Object> merge_patch_status(const Kind& kind, std::string_view ns, std::string_view name,
                                            const store::MergePatch& patch, const store::WriteOptions& o) override {
    return write([&] { return under_.merge_patch_status(kind, ns, name, patch, o); });
  }
  store::Outcome<Object> remove(const Kind& kind, std::string_view ns, std::string_view name,
                                const store::DeleteOptions& o) override {
    return write([&] { return under_.remove(kind, ns, name, o); });
  }

 private:
  template <class F>
  store::Outcome<Object> write(F call) {
    const bool last = ++writes_ == die_at_;
    if (last && !after_) throw Died();
    auto outcome = call();
    if (last) throw Died();
    return outcome;
  }
  store::ApiServer& under_;
  int die_at_, writes_ = 0;
  bool after_;
};

/// False once GM has fewer writes to make than that.
bool die_and_come_back(int step, bool after, const std::function<void(TestGm&)>& before_death,
                       const std::function<void(TestGm&)>& then) {
  TestGm gm({}, [&](store::ApiServer& server) { return std::make_unique<DyingServer>(server, step, after); });
  bool died = false;
  try {
    before_death(gm);
  } catch (const Died&) {
    died = true;
  }
  if (!died) return false;
  gm.start(true);
  gm.settle();
  then(gm);
  return true;
}

void expect_whole(TestGm& gm) {
  EXPECT_EQ(gm.server.list(kDeployment, {}).value().items.size(), 2U);
  EXPECT_EQ(gm.server.list(kService, {}).value().items.size(), 1U);
  EXPECT_EQ(gm.server.list(kHorizontalPodAutoscaler, {}).value().items.size(), 1U);
  EXPECT_EQ(gm.last_condition(), "Pending");
  gm.workers_ready();
  EXPECT_EQ(gm.last_condition(), "Running");
  EXPECT_TRUE(gm.condition("Failed").empty());
}

api::Object scaled_service() {
  auto service = testing::objects_of(testing::kService)[0];
  service["spec"].at("cloudWorker").get_object()["hpa"] = json::object{{"maxReplicas", 3}};
  return service;
}

TEST(GmFaults, KilledAtEveryWriteOfANewServiceItMakesEachThingOnce) {
  for (const bool after : {false, true}) {
    int step = 1;
    while (die_and_come_back(
        step, after,
        [](TestGm& gm) {
          gm.apply_all(testing::kModels);
          gm.apply(scaled_service()).value();
          gm.settle();
        },
        [&](TestGm& gm) {
          SCOPED_TRACE("write " + std::to_string(step) + (after ? " carried out" : " not carried out"));
          expect_whole(gm);
        })) {
      ++step;
    }
    EXPECT_GE(step - 1, 5) << "two Deployments, a Service, an autoscaler, a status";
  }
}

TEST(GmFaults, KilledAtEveryWriteOfAChangeItRollsOutOnce) {
  for (const bool after : {false, true}) {
    for (int step = 6; step < 12; ++step) {
      SCOPED_TRACE("write " + std::to_string(step) + (after ? " carried out" : " not carried out"));
      die_and_come_back(
          step, after,
          [](TestGm& gm) {
            gm.apply_all(testing::kModels);
            gm.apply(scaled_service()).value();
            gm.settle();
            api::Object service = gm.service();
            for (const char* worker : {"edgeWorker", "cloudWorker"}) {
              service["spec"].at(worker).at("template").at("spec").at("containers").at(0).get_object()["image"] = "v2";
            }
            service["spec"].at("cloudWorker").at("hpa").get_object()["maxReplicas"] = 5;
            gm.server.update(kJointInferenceService, service, {}).value();
            gm.settle();
          },
          [](TestGm& gm) {
            expect_whole(gm);
            for (const char* name : {"digits-deployment-edge", "digits-deployment-cloud"}) {
              const auto deployment = gm.get(kDeployment, name);
              EXPECT_EQ(api::generation_of(deployment), 2) << name << " rolled once";
              const auto& containers = *api::array_at(deployment, {"spec", "template", "spec", "containers"});
              EXPECT_EQ(api::string_at(containers[0].get_object(), {"image"}), "v2");
            }
            EXPECT_EQ(
                api::int_at(gm.get(kHorizontalPodAutoscaler, "hpa-digits-deployment-cloud"), {"spec", "maxReplicas"}),
                5);
          });
    }
  }
}

TEST(GmFaults, AReportIsAcknowledgedOnlyOnceItIsWritten) {
  for (const bool after : {false, true}) {
    int acknowledged = 0;
    const auto report = [&](TestGm& gm) {
      Fact fact;
      fact.node = "edge0";
      fact.source = "lc";
      fact.sequence = 7;
      fact.worker = "w";
      fact.body["worker"] = "w";
      fact.body["ownerInfo"] = json::object{{"inferenceNumber", 10}, {"hardExampleNumber", 4}};
      fact.acknowledge = [&] { ++acknowledged; };
      gm.inbox().put("default/digits", std::move(fact));
      gm.queue().add("default/digits");
      gm.settle();
    };
    constexpr int kStatusWrite = 6;  // after the five of a new service
    ASSERT_TRUE(die_and_come_back(
        kStatusWrite, after,
        [&](TestGm& gm) {
          gm.apply_all(testing::kModels);
          gm.apply(scaled_service()).value();
          gm.settle();
          report(gm);
        },
        [&](TestGm& gm) {
          EXPECT_EQ(acknowledged, 0) << "GM died before it could";
          report(gm);  // the local controller sends it again
          EXPECT_EQ(acknowledged, 1);
          EXPECT_EQ(api::int_at(gm.service(), {"status", "total", "inferences"}), 10) << "counted once";
        }));
  }
}

TEST(GmFaults, AServerThatAnswersBadlyOnlyDelays) {
  for (int every : {2, 3, 5}) {
    int n = 0;
    bool bad = true;
    TestGm gm({}, [&](store::ApiServer& server) {
      auto faulty = std::make_unique<FaultyServer>(server);
      faulty->on_call = [&n, &bad, every](std::string_view, const api::Kind&) -> std::optional<store::Status> {
        if (bad && ++n % every == 0) return FaultyServer::unavailable();
        return std::nullopt;
      };
      return faulty;
    });
    gm.apply_all(testing::kModels);
    gm.apply(scaled_service()).value();
    for (int i = 0; i < 40; ++i) {
      gm.settle();
      gm.clock.advance(30s);
    }
    bad = false;
    gm.clock.advance(2min);
    gm.settle();
    expect_whole(gm);
  }
}

TEST(GmFaults, WhatTheServerForbidsIsSaidAndTheRestIsMade) {
  TestGm gm({}, [](store::ApiServer& server) {
    auto faulty = std::make_unique<FaultyServer>(server);
    faulty->on_call = [](std::string_view verb, const api::Kind& kind) -> std::optional<store::Status> {
      if (verb != "create" || &kind != &kHorizontalPodAutoscaler) return std::nullopt;
      store::Status status;
      status.code = 403;
      status.reason = "Forbidden";
      status.message = "horizontalpodautoscalers.autoscaling is forbidden";
      return status;
    };
    return faulty;
  });
  gm.apply_all(testing::kModels);
  gm.apply(scaled_service()).value();
  gm.settle();
  EXPECT_TRUE(gm.exists(kDeployment, "digits-deployment-edge")) << "upstream stops at the autoscaler";
  EXPECT_EQ(api::string_at(gm.condition("Failed"), {"reason"}), "Forbidden");
  gm.workers_ready();
  EXPECT_EQ(gm.last_condition(), "Running") << "it works all the same, and says what is missing";
  EXPECT_EQ(api::string_at(gm.condition("Running"), {"reason"}), "Forbidden");
}

std::vector<api::Object> federated_pods(TestGm& gm) {
  store::ListOptions options;
  options.label_selector = name_label(kFederatedLearningJob);
  return gm.server.list(kPod, options).value().items;
}

/// Each worker has one Pod, and each has a name of its own.
void expect_whole_job(TestGm& gm) {
  std::set<std::string> keys, names;
  for (const auto& pod : federated_pods(gm)) {
    keys.emplace(api::annotation(pod, kWorkerKey).value_or(""));
    names.insert(env_value(pod, "WORKER_NAME").value_or(""));
  }
  EXPECT_THAT(keys, ::testing::ElementsAre("aggregation", "train/one", "train/two"));
  EXPECT_EQ(names.size(), 3U);
  EXPECT_EQ(federated_pods(gm).size(), 3U);
  EXPECT_TRUE(gm.exists(kService, "digits-aggregation"));
  EXPECT_EQ(api::string_at(gm.get(kFederatedLearningJob, "digits"), {"status", "phase"}), "Pending");
}

// FJ-1.12
TEST(GmFaults, KilledAtEveryWriteOfANewJobItMakesEachWorkerOnce) {
  for (const bool after : {false, true}) {
    int step = 1;
    while (die_and_come_back(
        step, after,
        [](TestGm& gm) {
          gm.apply_all(testing::kFederatedData);
          gm.apply_all(testing::kFederatedJob);
          gm.settle();
        },
        expect_whole_job)) {
      ++step;
    }
    EXPECT_GE(step, 6) << "three Pods, a Service, a status";
  }
}

// FJ-1.12
TEST(GmFaults, KilledWhileItMakesAFailedPodAgain) {
  for (const bool after : {false, true}) {
    for (int step = 6; step < 14; ++step) {
      die_and_come_back(
          step, after,
          [](TestGm& gm) {
            gm.apply_all(testing::kFederatedData);
            gm.apply_all(testing::kFederatedJob);
            gm.settle();
            for (api::Object pod : federated_pods(gm)) {
              pod["status"] = json::object{{"phase", "Failed"}, {"reason", "Evicted"}};
              gm.server.update_status(kPod, pod, {}).value();
            }
            gm.settle();
            gm.clock.advance(15s);
            gm.federated_queue().add("default/digits");
            gm.settle();
          },
          [](TestGm& gm) {
            gm.clock.advance(15s);
            gm.federated_queue().add("default/digits");
            gm.settle();
            expect_whole_job(gm);
          });
    }
  }
}

}  // namespace
}  // namespace sedna::gm
