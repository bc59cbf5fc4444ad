// Joint inference over a fake edge model and an imposter cloud: verdicts, policies, fallbacks, and counters that add
// up.
#include "sedna/inference/joint_inference.hpp"

#include <future>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/inference/cloud_imposter.hpp"
#include "sedna/inference/joint_estimator.hpp"

namespace sedna::inference {
namespace {

using namespace std::chrono_literals;
using algo::Reason;
using sedna::testing::http_answer;
using sedna::testing::ImposterRequest;
using sedna::testing::ImposterServer;
using sedna::testing::Script;
using test::easy;
using test::hard;

struct Rig {
  explicit Rig(Script script, JointOptions options = {}, std::string filter = "MSP")
      : cloud(std::move(script)),
        edge(std::make_shared<test::FakeEdge>()),
        client(std::make_shared<CloudClient>(test::client_of(cloud.port()), registry)),
        joint(options, edge, algo::make_filter(filter, {{"threshold", "0.3"}}), client, registry) {}
  std::string metric(const std::string& line) const {
    const std::string text = registry.render();
    const auto at = text.find("\n" + line + " ");
    if (at == std::string::npos) return "absent";
    const auto from = at + line.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }
  void expect_sum() const {
    const JointCounts counts = joint.counts();
    EXPECT_EQ(counts.edge + counts.cloud, counts.inferences);
    EXPECT_LE(counts.uploaded, counts.hard);
    EXPECT_LE(counts.cloud, counts.uploaded);
  }

  metrics::Registry registry;
  ImposterServer cloud;
  std::shared_ptr<test::FakeEdge> edge;
  std::shared_ptr<CloudClient> client;
  JointInference joint;
};

// JI-5.1
TEST(JointInference, EasyStaysHardGoes) {
  Rig rig(test::good_cloud());
  const JointResult stayed = rig.joint.infer(easy());
  EXPECT_FALSE(stayed.is_hard);
  EXPECT_EQ(stayed.source, Source::kEdge);
  EXPECT_EQ(stayed.reason, Reason::kEasy);
  EXPECT_NEAR(stayed.score, 0.01, 1e-6);
  EXPECT_EQ(label_of(stayed.final()), 1);
  EXPECT_EQ(stayed.bytes_up, 0U);
  const JointResult went = rig.joint.infer(hard());
  EXPECT_TRUE(went.is_hard);
  EXPECT_EQ(went.source, Source::kCloud);
  EXPECT_EQ(went.reason, Reason::kHard);
  EXPECT_EQ(label_of(went.edge), 1);
  EXPECT_EQ(label_of(went.cloud), 2);
  EXPECT_EQ(label_of(went.final()), 2);
  EXPECT_GT(went.bytes_up, 0U);
  const JointCounts counts = rig.joint.counts();
  EXPECT_EQ(counts.inferences, 2U);
  EXPECT_EQ(counts.hard, 1U);
  EXPECT_EQ(counts.uploaded, 1U);
  EXPECT_EQ(counts.cloud, 1U);
  EXPECT_EQ(rig.metric(R"(sedna_ji_requests_total{decision="edge",reason="easy"})"), "1");
  EXPECT_EQ(rig.metric(R"(sedna_ji_requests_total{decision="cloud",reason="hard"})"), "1");
  EXPECT_EQ(rig.metric("sedna_ji_agreement_ratio"), "0");
  EXPECT_EQ(rig.metric("sedna_ji_offload_ratio"), "0.5");
}

// JI-5.1
TEST(JointInference, WithoutCloudEverythingStays) {
  metrics::Registry registry;
  JointInference joint({}, std::make_shared<test::FakeEdge>(), algo::make_filter("CloudOnly", {}), nullptr, registry);
  const JointResult result = joint.infer(easy());
  EXPECT_TRUE(result.is_hard);
  EXPECT_EQ(result.source, Source::kEdge);
  EXPECT_EQ(joint.counts().uploaded, 0U);
}

struct Failing {
  const char* name;
  Script script;
  Reason reason;
};
class EdgeAnswerRemains : public ::testing::TestWithParam<Failing> {};

// JI-5.9, JI-5.12, JI-7.1
TEST_P(EdgeAnswerRemains, WithTheReason) {
  JointOptions options;
  options.deadline = 200ms;
  Rig rig(GetParam().script, options);
  const auto start = SteadyClock::now();
  const JointResult result = rig.joint.infer(hard());
  EXPECT_LT(SteadyClock::now() - start, 200ms + 3s);  // what waits for this cloud waits 5 s or for ever
  EXPECT_TRUE(result.is_hard);
  EXPECT_EQ(result.source, Source::kEdge);
  EXPECT_EQ(result.reason, GetParam().reason) << result.message;
  EXPECT_FALSE(result.message.empty());
  EXPECT_TRUE(result.cloud.empty());
  EXPECT_EQ(label_of(result.final()), 1);
  rig.expect_sum();
}

INSTANTIATE_TEST_SUITE_P(
    Faults, EdgeAnswerRemains,
    ::testing::Values(
        Failing{"hung", Script::hang(), Reason::kDeadline}, Failing{"reset", Script::reset(), Reason::kTransport},
        Failing{"garbage", Script::serve(test::oip_cloud([](const ImposterRequest&) { return http_answer(200, "?"); })),
                Reason::kInvalid},
        Failing{"no", Script::serve(test::oip_cloud([](const ImposterRequest&) { return http_answer(422, "{}"); })),
                Reason::kRefused},
        Failing{"error", Script::serve(test::oip_cloud([](const ImposterRequest&) { return http_answer(500, "{}"); })),
                Reason::kTransport},
        Failing{"busy", Script::serve(test::oip_cloud([](const ImposterRequest&) {
                  return http_answer(503, "{}", "Retry-After: 9\r\n");
                })),
                Reason::kQueue}),
    [](const auto& test) { return test.param.name; });

// JI-5.8
TEST(JointInference, BreakerOpenIsAReason) {
  Rig rig(test::good_cloud());
  rig.cloud.refuse();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rig.joint.infer(hard()).reason, Reason::kTransport);
  EXPECT_EQ(rig.joint.infer(hard()).reason, Reason::kBreaker);
  EXPECT_EQ(rig.metric("sedna_ji_breaker_state"), "1");
  EXPECT_EQ(rig.joint.counts().uploaded, 0U);
  EXPECT_EQ(rig.joint.counts().hard, 6U);
  rig.expect_sum();
}

// JI-4.8
TEST(JointInference, BudgetsHoldBackAndSaySo) {
  JointOptions options;
  options.requests_per_second = 0.001;
  options.requests_burst = 3;
  Rig rig(test::good_cloud(), options);
  int sent = 0;
  for (int i = 0; i < 201; ++i) {
    const JointResult result = rig.joint.infer(hard());
    sent += result.source == Source::kCloud;
    if (result.source == Source::kEdge) {
      EXPECT_EQ(result.reason, Reason::kBudget);
    }
  }
  EXPECT_EQ(sent, 3);
  EXPECT_TRUE(rig.joint.budget_holds_back());
  EXPECT_DOUBLE_EQ(rig.joint.wanted_ratio(), 1);
  EXPECT_EQ(rig.metric("sedna_ji_wanted_ratio"), "1");
  rig.expect_sum();
}

// JI-4.8
TEST(JointInference, ByteBudgetDoesNotChargeTheOtherForARefusedSample) {
  JointOptions options;
  options.requests_per_second = 0.001;
  options.requests_burst = 2;
  options.bytes_per_second = 0.001;
  options.bytes_burst = 8;  // one sample's payload
  Rig rig(test::good_cloud(), options);
  EXPECT_EQ(rig.joint.infer(hard()).source, Source::kCloud);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rig.joint.infer(hard()).reason, Reason::kBudget);
}

// JI-4.9
TEST(JointInference, TargetRatioFollowsTheShare) {
  JointOptions options;
  options.target_ratio = 0.2;
  options.target_step = 0.02;
  metrics::Registry registry;
  JointInference joint(options, nullptr, algo::make_filter("MSP", {{"threshold", "0.9"}}), nullptr, registry);
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(0, 0.6);
  int hard_count = 0;
  for (int i = 0; i < 4000; ++i) {
    const double p = 1 - uniform(random);
    const std::vector<double> values{p, (1 - p) * 0.5, (1 - p) * 0.5};
    algo::EdgeResult result;
    result.values = values;
    hard_count += joint.judge(result, 100).is_hard;
  }
  EXPECT_NEAR(hard_count / 4000.0, 0.2, 0.03);
}

// JI-5.2
TEST(JointInference, MinesFirstWhenAsked) {
  JointOptions options;
  options.mode = MiningMode::kMiningThenInference;
  // Mined first, the filter reads the input: [0.99, 0.01] is certain, [0.5, 0.5] is not.
  Rig rig(test::good_cloud(), options);
  const std::vector<tensor::Tensor> sure{test::floats("input", {0.99F, 0.01F})};
  const std::vector<tensor::Tensor> unsure{test::floats("input", {0.5F, 0.5F})};
  EXPECT_EQ(rig.joint.infer(sure).source, Source::kEdge);
  EXPECT_EQ(rig.edge->runs, 1);
  const JointResult went = rig.joint.infer(unsure);
  EXPECT_EQ(went.source, Source::kCloud);
  EXPECT_TRUE(went.edge.empty());
  EXPECT_EQ(rig.edge->runs, 1);  // the edge model was spared
  rig.cloud.refuse();
  const JointResult fallback = rig.joint.infer(unsure);
  EXPECT_EQ(fallback.source, Source::kEdge);
  EXPECT_EQ(fallback.reason, Reason::kTransport);
  EXPECT_EQ(label_of(fallback.final()), 1);
  EXPECT_EQ(rig.edge->runs, 2);
  EXPECT_EQ(rig.joint.counts().inferences, 3U);  // once a sample, in both modes
  rig.expect_sum();
}

// JI-5.9
TEST(JointInference, ASlowCloudIsNotAskedWhenItCannotAnswerInTime) {
  Rig rig(test::good_cloud());
  ASSERT_EQ(rig.joint.infer(hard(), Deadline::after(10s)).source, Source::kCloud);  // now the client has an estimate
  int kept = 0;
  for (int i = 0; i < 15; ++i) kept += rig.joint.infer(hard(), Deadline::after(1ns)).reason == Reason::kDeadline;
  EXPECT_EQ(kept, 15);
  EXPECT_EQ(rig.client->breaker_state(), BreakerState::kClosed);
}

// JI-4.3, JI-5.12
TEST(JointInference, UnreadableResultsStayAndAreCounted) {
  JointOptions options;
  options.score_output = "no such output";
  Rig rig(test::good_cloud(), options);
  const JointResult result = rig.joint.infer(hard());
  EXPECT_FALSE(result.is_hard);
  EXPECT_EQ(result.reason, Reason::kInvalid);
  rig.expect_sum();
}

// JI-5.11
TEST(JointInference, AsyncGivesTheSameAnswers) {
  Rig rig(test::good_cloud());
  std::promise<JointResult> promise;
  rig.joint.infer_async(hard(), Deadline::after(10s),
                        [&](JointResult result) { promise.set_value(std::move(result)); });
  const JointResult went = promise.get_future().get();
  EXPECT_EQ(went.source, Source::kCloud);
  EXPECT_EQ(label_of(went.edge), 1);
  bool called = false;
  rig.joint.infer_async(easy(), {}, [&](JointResult result) { called = result.source == Source::kEdge; });
  EXPECT_TRUE(called);
  rig.expect_sum();
}

// JI-5.11
TEST(JointInference, ACallbackMayDestroyIt) {
  ImposterServer cloud(test::good_cloud());
  std::promise<bool> promise;
  {
    auto registry = std::make_shared<metrics::Registry>();
    auto client = std::make_shared<CloudClient>(test::client_of(cloud.port()), *registry);
    auto joint = std::make_shared<JointInference>(JointOptions(), std::make_shared<test::FakeEdge>(),
                                                  algo::make_filter("MSP", {{"threshold", "0.3"}}), client, *registry);
    JointInference& called = *joint;
    client.reset();
    // What goes last goes on the client's own thread.
    called.infer_async(
        hard(), Deadline::after(10s),
        [registry = std::move(registry), joint = std::move(joint), &promise](JointResult result) mutable {
          joint.reset();
          registry.reset();
          promise.set_value(result.source == Source::kCloud);
        });
  }
  EXPECT_TRUE(promise.get_future().get());
}

// JI-5.2
TEST(JointInference, MiningModesByName) {
  EXPECT_EQ(parse_mining_mode("mining-then-inference"), MiningMode::kMiningThenInference);
  EXPECT_THROW(parse_mining_mode("nonsense"), Error);
}

// JI-5.14
TEST(JointEstimator, AnswersBatchesSampleBySample) {
  metrics::Registry registry;
  ImposterServer cloud(test::good_cloud());
  auto client = std::make_shared<CloudClient>(test::client_of(cloud.port()), registry);
  auto joint = std::make_shared<JointInference>(JointOptions(), std::make_shared<test::FakeEdge>(),
                                                algo::make_filter("MSP", {{"threshold", "0.3"}}), client, registry);
  JointEstimator estimator(joint);
  tensor::Tensor batch = test::floats("input", {0.99F, 0, 0.4F, 0});
  batch.shape = {2, 2};
  const auto outputs = estimator.infer(std::span(&batch, 1), Deadline::after(10s));
  ASSERT_EQ(outputs.size(), 4U);
  EXPECT_EQ(outputs[0].name, "probabilities");
  EXPECT_EQ(outputs[0].shape, (tensor::Shape{2, 3}));
  EXPECT_FLOAT_EQ(outputs[0].as<float>()[1], 0.99F);
  EXPECT_FLOAT_EQ(outputs[0].as<float>()[5], 0.9F);
  EXPECT_EQ(outputs[2].name, "sedna_from_cloud");
  EXPECT_EQ(outputs[2].as<std::uint8_t>()[0], 0);
  EXPECT_EQ(outputs[2].as<std::uint8_t>()[1], 1);
  const auto reasons = tensor::bytes_elements(outputs[3]).value();
  EXPECT_EQ(reasons[0], "easy");
  EXPECT_EQ(reasons[1], "hard");
}

TEST(ResultReader, BoxesScoresAndLabels) {
  tensor::Tensor boxes = test::floats("boxes", {0, 0, 4, 4, 0.9F, 1, 1, 1, 2, 2, 0.3F, 2});
  boxes.shape = {2, 6};
  std::vector<double> values;
  EXPECT_TRUE(default_reader(algo::EdgeResult::Form::kBoxScores)(std::span(&boxes, 1), values));
  ASSERT_EQ(values.size(), 2U);
  EXPECT_FLOAT_EQ(static_cast<float>(values[1]), 0.3F);
  EXPECT_EQ(label_of(std::span(&boxes, 1)), std::nullopt);
  values.clear();
  EXPECT_FALSE(default_reader(algo::EdgeResult::Form::kProbabilities)(std::span(&boxes, 1), values));  // two rows
  const std::int64_t digit = 7;
  tensor::Tensor label;
  label.name = "label";
  label.dtype = tensor::DType::kInt64;
  label.shape = {1};
  label.data = Bytes::copy_of(std::as_bytes(std::span(&digit, 1)));
  EXPECT_EQ(label_of(std::span(&label, 1)), 7);
}

}  // namespace
}  // namespace sedna::inference
