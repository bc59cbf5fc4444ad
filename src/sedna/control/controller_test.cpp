#include "sedna/control/controller.hpp"

#include <atomic>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/store/embedded/embedded_server.hpp"
#include "sedna/testing/fake_clock.hpp"

namespace sedna::control {
namespace {

using namespace std::chrono_literals;
using namespace api::kinds;

const Deadline kNow(SteadyClock::time_point::min());

class Recorder final : public Reconciler {
 public:
  ReconcileResult reconcile(const std::string& key) override {
    const std::lock_guard lock(mutex);
    keys.push_back(key);
    if (answers.empty()) return ReconcileResult::done();
    auto answer = answers.front();
    answers.erase(answers.begin());
    if (answer.retry == "throw") throw Error(ErrorCode::kUnavailable, "thrown");
    return answer;
  }
  std::mutex mutex;
  std::vector<std::string> keys;
  std::vector<ReconcileResult> answers;
};

ControllerOptions options(const Clock& clock, int workers = 1) {
  ControllerOptions o;
  o.name = "test";
  o.clock = &clock;
  o.workers = workers;
  o.backoff.first = 1s;
  return o;
}

TEST(Controller, AFailureComesAgainLaterEachTimeASuccessForgets) {
  sedna::testing::FakeClock clock;
  Recorder recorder;
  Controller controller(recorder, options(clock));
  recorder.answers = {ReconcileResult::failed("no"), ReconcileResult::failed("throw")};
  controller.queue().add("a");
  EXPECT_EQ(controller.drain(), 1U);
  clock.advance(1s);
  EXPECT_EQ(controller.drain(), 1U);
  clock.advance(1s);
  EXPECT_EQ(controller.drain(), 0U) << "the second wait is longer";
  clock.advance(1s);
  EXPECT_EQ(controller.drain(), 1U);
  EXPECT_EQ(controller.failed(), 2U);
  EXPECT_EQ(controller.queue().failures("a"), 0);
}

TEST(Controller, AResultCanAskForALaterLook) {
  sedna::testing::FakeClock clock;
  Recorder recorder;
  Controller controller(recorder, options(clock));
  recorder.answers = {ReconcileResult::after(30s)};
  controller.queue().add("a");
  controller.drain();
  clock.advance(29s);
  EXPECT_FALSE(controller.step());
  clock.advance(1s);
  EXPECT_TRUE(controller.step());
}

TEST(Controller, OwnedObjectsQueueTheirOwner) {
  store::embedded::EmbeddedServer server;
  Informer deployments(server, kDeployment), services(server, kJointInferenceService);
  Recorder recorder;
  Controller controller(recorder, options(Clock::real()));
  controller.watch_owned(deployments, kJointInferenceService);
  deployments.step(kNow);
  api::Object owner = api::new_object(kJointInferenceService, "default", "digits");
  owner["metadata"].get_object()["uid"] = "u1";
  api::Object child = api::new_object(kConfigMap, "default", "child");
  child["kind"] = "Deployment";
  child["apiVersion"] = "apps/v1";
  child["metadata"].get_object()["resourceVersion"] = "1";
  child["metadata"].get_object()["ownerReferences"] = json::array{api::to_json(api::controller_reference(owner))};
  deployments.remember(child);
  api::Object stranger = child;
  stranger["metadata"].get_object()["name"] = "stranger";
  stranger["metadata"].get_object()["ownerReferences"] = json::array();
  deployments.remember(stranger);
  controller.drain();
  EXPECT_EQ(recorder.keys, (std::vector<std::string>{"default/digits"}));
}

TEST(Controller, ItsWorkersBeginOnceTheInformersKnowEverything) {
  store::embedded::EmbeddedServer server;
  for (int i = 0; i < 20; ++i) {
    server.create(kConfigMap, api::new_object(kConfigMap, "default", "c" + std::to_string(i)), {}).value();
  }
  Informer informer(server, kConfigMap);
  Recorder recorder;
  Controller controller(recorder, options(Clock::real(), 4));
  controller.watch(informer);
  controller.start();
  informer.start();
  const auto give_up = SteadyClock::now() + 10s;
  while (controller.reconciled() < 20 && SteadyClock::now() < give_up) std::this_thread::sleep_for(1ms);
  informer.stop();
  controller.stop();
  EXPECT_EQ(std::set<std::string>(recorder.keys.begin(), recorder.keys.end()).size(), 20U);
}

}  // namespace
}  // namespace sedna::control
