// The stream: order, bounds, and a cloud that is slow, hung or late without slowing the edge.
#include "sedna/inference/offload_stream.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/inference/cloud_imposter.hpp"

namespace sedna::inference {
namespace {

using namespace std::chrono_literals;
using algo::Reason;
using sedna::testing::ImposterRequest;
using sedna::testing::ImposterServer;
using sedna::testing::Script;

/// A cloud whose inferences wait until the test lets them go.
class Gate {
 public:
  Script script() {
    return Script::serve(test::oip_cloud([this](const ImposterRequest&) {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
      return test::oip_answer();
    }));
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for(int calls) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, 20s, [&] { return waiting_ >= calls; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

struct Rig {
  explicit Rig(Script script, SteadyClock::duration deadline = 20s, int in_flight = 4)
      : cloud(std::move(script)), edge(std::make_shared<test::FakeEdge>()) {
    auto options = test::client_of(cloud.port());
    options.max_in_flight = in_flight;
    JointOptions joint_options;
    joint_options.deadline = deadline;
    client = std::make_shared<CloudClient>(options, registry);
    joint = std::make_unique<JointInference>(joint_options, edge, algo::make_filter("MSP", {{"threshold", "0.3"}}),
                                             client, registry);
  }
  metrics::Registry registry;
  ImposterServer cloud;
  std::shared_ptr<test::FakeEdge> edge;
  std::shared_ptr<CloudClient> client;
  std::unique_ptr<JointInference> joint;
};

// JI-5.10
TEST(OffloadStream, TheEdgeGoesOnAndOrderIsKept) {
  Gate gate;
  Rig rig(gate.script());
  OffloadStream stream(*rig.joint);
  EXPECT_EQ(stream.submit(test::hard()), 0U);
  for (int i = 1; i < 20; ++i) stream.submit(i == 10 ? test::hard() : test::easy());
  gate.wait_for(2);
  EXPECT_EQ(rig.edge->runs, 20);  // all done while the first sample is still in flight
  EXPECT_FALSE(stream.try_next());
  EXPECT_EQ(stream.pending(), 20U);
  gate.open();
  stream.close();
  int taken = 0;
  while (auto result = stream.next()) {
    const bool hard = taken == 0 || taken == 10;
    EXPECT_EQ(result->source, hard ? Source::kCloud : Source::kEdge) << taken;
    EXPECT_EQ(result->is_hard, hard);
    ++taken;
  }
  EXPECT_EQ(taken, 20);
  const JointCounts counts = rig.joint->counts();
  EXPECT_EQ(counts.inferences, 20U);
  EXPECT_EQ(counts.cloud, 2U);
  EXPECT_THROW(stream.submit(test::easy()), Error);
}

// JI-5.10
TEST(OffloadStream, TheWindowPushesBack) {
  Gate gate;
  Rig rig(gate.script());
  OffloadStreamOptions options;
  options.window = 3;
  OffloadStream stream(*rig.joint, options);
  stream.submit(test::hard());
  stream.submit(test::easy());
  EXPECT_FALSE(stream.full());
  stream.submit(test::easy());
  EXPECT_TRUE(stream.full());
  std::atomic<bool> submitted{false};
  std::thread submitter([&] {
    stream.submit(test::easy());  // waits until somebody takes one
    submitted = true;
  });
  EXPECT_FALSE(submitted);
  gate.open();
  EXPECT_EQ(stream.next()->source, Source::kCloud);
  submitter.join();
  EXPECT_TRUE(submitted);
  EXPECT_EQ(stream.pending(), 3U);
}

// JI-5.10, JI-7.2
TEST(OffloadStream, AHungCloudCostsEachSampleItsDeadlineAtMost) {
  Rig rig(Script::hang(), 150ms, 16);
  OffloadStream stream(*rig.joint);
  const auto start = SteadyClock::now();
  for (int i = 0; i < 16; ++i) stream.submit(test::hard());
  stream.close();
  int taken = 0;
  while (auto result = stream.next()) {
    EXPECT_EQ(result->source, Source::kEdge);
    EXPECT_EQ(result->reason, Reason::kDeadline);
    EXPECT_FALSE(result->message.empty());
    EXPECT_EQ(label_of(result->final()), 1);
    ++taken;
  }
  EXPECT_EQ(taken, 16);
  EXPECT_LT(SteadyClock::now() - start, 15 * 150ms);  // together, not one after the other
  const JointCounts counts = rig.joint->counts();
  EXPECT_EQ(counts.inferences, 16U);
  EXPECT_EQ(counts.edge, 16U);
}

// JI-5.10
TEST(OffloadStream, BeyondTheCallsInFlightACameraKeepsItsRate) {
  Gate gate;
  Rig rig(gate.script(), 20s, 2);
  OffloadStreamOptions options;
  options.wait_for_cloud = false;
  OffloadStream stream(*rig.joint, options);
  for (int i = 0; i < 5; ++i) stream.submit(test::hard());
  gate.open();
  stream.close();
  int cloud = 0;
  int queue = 0;
  while (auto result = stream.next()) {
    cloud += result->source == Source::kCloud;
    queue += result->reason == Reason::kQueue;
  }
  EXPECT_EQ(cloud, 2);
  EXPECT_EQ(queue, 3);
}

// JI-5.10
TEST(OffloadStream, ARecordingWaitsForTheCloudInstead) {
  Rig rig(test::good_cloud(), 20s, 2);
  OffloadStream stream(*rig.joint);
  int cloud = 0;
  for (int i = 0; i < 50; ++i) {
    stream.submit(test::hard());
    while (auto result = stream.try_next()) cloud += result->source == Source::kCloud;
  }
  stream.close();
  while (auto result = stream.next()) cloud += result->source == Source::kCloud;
  EXPECT_EQ(cloud, 50);
}

// JI-5.10
TEST(OffloadStream, DecidedSamplesTravelWithTheirOrder) {
  Rig rig(test::good_cloud());
  OffloadStream stream(*rig.joint);
  algo::Verdict verdict;
  verdict.hard = true;
  verdict.reason = Reason::kHard;
  const Decision go = rig.joint->decide(verdict, 8);
  ASSERT_TRUE(go.offload);
  EXPECT_EQ(stream.submit_decided(go, test::sample_call()), 0U);
  EXPECT_EQ(stream.submit_decided(rig.joint->decide(algo::Verdict(), 8), CloudCall()), 1U);
  EXPECT_EQ(stream.next()->source, Source::kCloud);
  EXPECT_EQ(stream.next()->source, Source::kEdge);
  EXPECT_EQ(rig.joint->counts().inferences, 2U);
}

// JI-5.10
TEST(OffloadStream, CanBeDroppedWithSamplesInFlight) {
  Gate gate;
  Rig rig(gate.script());
  {
    OffloadStream stream(*rig.joint);
    stream.submit(test::hard());
    gate.wait_for(1);
  }
  const std::weak_ptr<CloudClient> client = rig.client;
  rig.client.reset();
  std::thread opener([&] { gate.open(); });
  rig.joint.reset();  // waits for the call, whose answer finds nobody
  // Neither client nor metrics are in use any more: both may go here, on the owner's thread.
  EXPECT_TRUE(client.expired());
  opener.join();
}

}  // namespace
}  // namespace sedna::inference
