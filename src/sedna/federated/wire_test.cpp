// Upstream's messages, byte for byte as they were recorded, and what else may come.
#include "sedna/federated/wire.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using test::doubles;
using test::fp32;
using test::fp64;

constexpr std::size_t kMax = std::size_t{1} << 20;

Frame parse(std::string_view text) {
  auto frame = parse_frame(text, kMax);
  if (!frame) throw Error(frame.error());
  return std::move(*frame);
}

// FL-3.1
TEST(FederatedWire, ReadsAnUpdateAsUpstreamSendsIt) {
  const Frame frame = parse(R"({"type": "update_weight", "client": "train-0", "data": {"num_samples": 10, "weights": )"
                            R"([[[2.0, 2.5], [-3.0, 1]], [11, 12], 6.0]}, "job_name": "surface"})");
  EXPECT_EQ(frame.type, "update_weight");
  EXPECT_FALSE(frame.unusable);
  EXPECT_EQ(samples_of(frame), 10);
  EXPECT_EQ(text_member(frame.members, "job_name"), "surface");
  ASSERT_TRUE(frame.weights);
  ASSERT_EQ(frame.weights->size(), 3u);
  EXPECT_EQ((*frame.weights)[0].shape, (tensor::Shape{2, 2}));
  EXPECT_THAT(doubles((*frame.weights)[0]), testing::ElementsAre(2.0, 2.5, -3.0, 1.0));
  EXPECT_THAT(doubles((*frame.weights)[1]), testing::ElementsAre(11.0, 12.0));
  EXPECT_TRUE((*frame.weights)[2].shape.empty());
}

// FL-3.1
TEST(FederatedWire, ReadsDataThatComesBeforeTheType) {
  const Frame frame = parse(R"({"data": {"weights": [[1]], "num_samples": "7"}, "type": "update_weight"})");
  EXPECT_EQ(samples_of(frame), 7);
  ASSERT_TRUE(frame.weights);
  EXPECT_THAT(doubles(frame.weights->front()), testing::ElementsAre(1.0));
}

// FL-3.2
TEST(FederatedWire, SaysWhyAMessageIsNoUpdate) {
  const auto why = [](std::string_view data) {
    const Frame frame = parse(R"({"type": "update_weight", "data": )" + std::string(data) + "}");
    return frame.unusable ? std::string(frame.unusable->what()) : std::string();
  };
  EXPECT_THAT(why("null"), testing::HasSubstr("data"));
  EXPECT_THAT(why("{}"), testing::HasSubstr("data.weights"));
  EXPECT_THAT(why(R"({"weights": {}})"), testing::HasSubstr("must be a list of arrays"));
  EXPECT_THAT(why(R"({"weights": [[1], "x"]})"), testing::HasSubstr("data.weights[1]"));
  EXPECT_THAT(why(R"({"weights": [[1, [2]]]})"), testing::HasSubstr("data.weights[0]"));
  EXPECT_THAT(why(R"({"weights": [[1], ["a]", 2]]})"), testing::HasSubstr("data.weights[1]"));
  EXPECT_EQ(why(R"({"weights": [], "num_samples": 1})"), "");
}

// FL-3.2
TEST(FederatedWire, RefusesWhatIsNoObject) {
  for (const char* text : {"not json", "\"text\"", "[1]", "{\"type\": \"x\"", "{\"type\": \"x\"} y", "",
                           R"({"type": "update_weight", "data": {"weights": [[1, 2})"}) {
    EXPECT_FALSE(parse_frame(text, kMax)) << text;
  }
  EXPECT_FALSE(parse_frame(R"({"type": "hello", "data": 1})", 5));
}

// FL-3.2
TEST(FederatedWire, ReadsNotANumberForTheCheckToRefuse) {
  const Frame frame =
      parse(R"({"type": "update_weight", "data": {"num_samples": 1, "weights": [[1, NaN], Infinity]}})");
  ASSERT_TRUE(frame.weights);
  EXPECT_TRUE(std::isnan(doubles(frame.weights->front())[1]));
  EXPECT_FALSE(check_update(Update{"a", 1, *frame.weights}, Manifest()));
}

// FL-3.1
TEST(FederatedWire, WritesAModelAsUpstreamDoes) {
  const Frame update = parse(
      R"({"type": "update_weight", "client": "b", "data": {"num_samples": 1, "weights": [[3]]}, "job_name": "j"})");
  Aggregate model;
  model.weights = {fp64({2}, {1.25, 2.25}), fp64({1, 1}, {3.25}), fp64({}, {6})};
  model.total_weight = 8;
  EXPECT_EQ(write_model(update.members, model, 1, false),
            R"({"type": "recv_weight", "client": "b", "data": {"total_sample": 8, "round_number": 1, "weights": )"
            R"([[1.25, 2.25], [[3.25]], 6.0], "exit_flag": "continue"}, "job_name": "j", "round_number": 1})");
  model.none = true;
  model.total_weight = 0;
  EXPECT_EQ(write_model(update.members, model, 1, true),
            R"({"type": "recv_weight", "client": "b", "data": {"total_sample": 0, "round_number": 1, "weights": null, )"
            R"("exit_flag": "ok"}, "job_name": "j", "round_number": 1})");
}

// FL-3.1
TEST(FederatedWire, WritesWhatClientsSend) {
  EXPECT_EQ(write_subscribe("train-0", std::nullopt), R"({"type": "subscribe", "client_id": "train-0"})");
  EXPECT_EQ(write_subscribe("a", 3), R"({"type": "subscribe", "client_id": "a", "round_number": 3})");
  EXPECT_EQ(write_joined("train-1"), R"({"type": "CLIENT_JOIN", "data": "train-1"})");
  const Weights weights = {fp32({1, 2}, {2, 0.1F}), fp64({}, {6})};
  EXPECT_EQ(write_update("train-0", 10, weights, "surface", std::nullopt),
            R"({"type": "update_weight", "client": "train-0", "data": {"num_samples": 10, "weights": )"
            R"([[[2.0, 0.10000000149011612]], 6.0]}, "job_name": "surface"})");
  const Frame back = parse(write_update("a", 3, weights, "j", 4));
  EXPECT_EQ(integer_member(back.members, "round_number"), 4);
}

// FL-3.1
TEST(FederatedWire, CarriesEveryDoubleThereAndBack) {
  const std::vector<double> values = {0.1, -0.0, 5e-324, 1.7976931348623157e308, 1.0 / 3, 123456789.123456789, 1e16};
  Aggregate model;
  model.weights = {fp64({7}, values)};
  model.total_weight = 1.5;
  const Frame back = parse(write_model({}, model, 2, true));
  ASSERT_TRUE(back.weights);
  EXPECT_EQ(back.weights->front().data.text(), model.weights.front().data.text());
  EXPECT_EQ(text_member(back.data, "exit_flag"), "ok");
  EXPECT_EQ(integer_member(back.data, "round_number"), 2);
}

}  // namespace
}  // namespace sedna::federated
