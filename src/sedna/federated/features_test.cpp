#include "sedna/federated/features.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "sedna/federated/local_privacy.hpp"
#include "sedna/federated/test_http_job.hpp"

namespace sedna::federated {
namespace {

using namespace test;
using tensor::DType;

tensor::Tensor labels(const std::vector<std::int64_t>& values) {
  tensor::Tensor tensor;
  tensor.dtype = DType::kInt64;
  tensor.shape = {static_cast<std::int64_t>(values.size())};
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return tensor;
}

Weights features(std::int64_t samples, std::int64_t values, Mechanism mechanism = Mechanism::kSymmetric) {
  const FeatureLayout layout{mechanism, 100, 1, {values}};
  const auto raw = fp32({samples, values}, std::vector<float>(static_cast<std::size_t>(samples * values), 1));
  return {randomize(raw, layout), layout.to_tensor(),
          labels(std::vector<std::int64_t>(static_cast<std::size_t>(samples)))};
}

// FL-12.3
TEST(Features, OfAnyNumberOfSamplesAreOneForm) {
  const auto first = update("a", 4, features(4, 10));
  ASSERT_TRUE(check_features(first, FeatureForm()));
  const auto form = FeatureForm::of(first).value();
  EXPECT_TRUE(check_features(update("b", 7, features(7, 10, Mechanism::kLaplace)), form));
}

// FL-12.3
TEST(Features, SayWhatIsWrongWithThem) {
  const auto form = FeatureForm::of(update("a", 4, features(4, 10))).value();
  const auto refused = [&](double samples, Weights weights) {
    const auto result = check_features(update("b", samples, std::move(weights)), form);
    EXPECT_FALSE(result);
    return result ? std::string() : std::string(result.error().what());
  };
  EXPECT_NE(refused(2, {fp32({2}, {1, 2})}).find("features, their layout and targets"), std::string::npos);
  EXPECT_NE(refused(4, features(4, 11)).find("another cut?"), std::string::npos);
  EXPECT_NE(refused(5, features(4, 10)).find("num_samples"), std::string::npos);
  auto short_of_labels = features(4, 10);
  short_of_labels[2] = labels({1, 2, 3});
  EXPECT_NE(refused(4, short_of_labels).find("targets[0]"), std::string::npos);
  auto other_labels = features(4, 10);
  other_labels[2] = fp32({4}, {1, 2, 3, 4});
  EXPECT_NE(refused(4, other_labels).find("another type"), std::string::npos);
  auto unpacked = features(4, 10);
  unpacked[0] = fp32({4, 10}, std::vector<float>(40));
  EXPECT_NE(refused(4, unpacked).find("UINT8"), std::string::npos);
  auto hollow = features(4, 10, Mechanism::kNone);
  hollow[0] = fp32({4, 10}, std::vector<float>(40, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_NE(refused(4, hollow).find("NaN"), std::string::npos);
}

AggregationServerOptions job_on_features(std::vector<std::vector<Update>>& seen) {
  auto options = options_for(2, 1);
  options.features = true;
  options.factory = [&seen] {
    return std::make_unique<CollectedUpdates>([&seen](std::vector<Update> updates) {
      Aggregate out;
      out.weights = {fp32({2}, {5, 6})};
      for (const Update& u : updates) out.total_weight += u.weight;
      seen.push_back(std::move(updates));
      return out;
    });
  };
  return options;
}

// FL-12.3
TEST(FeaturesOverHttp, GoToTheRuleWholeAndWhatItMakesIsTheModel) {
  std::vector<std::vector<Update>> seen;
  Job job(job_on_features(seen));
  const auto send = [&](const std::string& client, std::int64_t samples, std::int64_t values) {
    UpdateInfo info;
    info.round = 1;
    info.samples = static_cast<double>(samples);
    return job.put(client, 1, write_update_file(info, features(samples, values), {}));
  };
  job.call("POST", "/join?client=a");
  EXPECT_EQ(send("a", 3, 10).status, 200);
  const auto other_cut = send("b", 5, 9);
  EXPECT_EQ(other_cut.status, 422);
  EXPECT_NE(other_cut.body.text().find("another cut?"), std::string_view::npos) << other_cut.body.text();
  UpdateInfo info;
  info.round = 1;
  info.samples = 2;
  const auto weights = job.put("b", 1, write_update_file(info, {fp32({2}, {1, 2})}, {}));
  EXPECT_EQ(weights.status, 422) << weights.body.text();
  EXPECT_EQ(send("b", 5, 10).status, 200);
  RoundClient client(job.client("a"));
  client.connect();
  std::optional<RoundTask> task;
  for (int i = 0; i < 200 && !task; ++i) task = client.next(milliseconds(100));
  ASSERT_TRUE(task);
  EXPECT_TRUE(task->finished);
  ASSERT_TRUE(task->model);
  EXPECT_EQ(task->model->weights[0].as<float>()[1], 6);
  EXPECT_EQ(task->samples, 8);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0][1].weights[0].shape, (tensor::Shape{5, 2}));
  EXPECT_EQ(seen[0][1].weights[2].dtype, DType::kInt64);
}

// FL-12.3
TEST(FeaturesOverHttp, NeedARuleThatTrainsOnThem) {
  auto options = options_for(2, 1);
  options.features = true;
  metrics::Registry registry;
  EXPECT_THROW(AggregationServer(options, registry), Error);
}

}  // namespace
}  // namespace sedna::federated
