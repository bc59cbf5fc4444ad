#include "sedna/inference/predict_json.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace sedna::inference {
namespace {

using tensor::DType;
using tensor::Tensor;

/// The inputs for {"data": <data>}.
Result<std::vector<Tensor>> inputs_for(const ModelMetadata& model, const std::string& data) {
  auto parsed = tensor::parse_predict_body(Bytes::from_string("{\"data\": " + data + "}"), "application/json", {});
  return predict_inputs(model, std::get<tensor::PredictBody>(std::move(parsed)));
}

ModelMetadata model_of(DType dtype, tensor::Shape shape) {
  ModelMetadata m;
  m.name = "m";
  m.inputs.push_back({"x", dtype, std::move(shape)});
  return m;
}

// JI-2.5
TEST(PredictInputs, ConvertsToTheModelsTypeAndAddsTheBatch) {
  auto inputs = inputs_for(model_of(DType::kFp32, {-1, 2}), "[1, 2.5]");
  ASSERT_TRUE(inputs) << inputs.error().what();
  EXPECT_EQ((*inputs)[0].shape, (tensor::Shape{1, 2}));
  EXPECT_EQ((*inputs)[0].as<float>()[1], 2.5F);
  inputs = inputs_for(model_of(DType::kUint8, {-1, 1, 2}), "[[[0, 255]], [[1, 2]]]");
  ASSERT_TRUE(inputs) << inputs.error().what();
  EXPECT_EQ((*inputs)[0].as<std::uint8_t>()[1], 255);
}

// JI-7.8
TEST(PredictInputs, SaysWhereAValueDoesNotFit) {
  const auto error = [](DType dtype, tensor::Shape shape, const std::string& data) {
    const auto inputs = inputs_for(model_of(dtype, std::move(shape)), data);
    return inputs ? std::string("fits") : std::string(inputs.error().what());
  };
  EXPECT_EQ(error(DType::kUint8, {-1, 2}, "[[0, 1], [2, 256]]"), "data[1][1]: does not fit UINT8");
  EXPECT_EQ(error(DType::kInt64, {-1}, "[1, 1.5]"), "data[1]: does not fit INT64");
  EXPECT_NE(error(DType::kInt64, {-1}, "[9223372036854775808.0]"), "fits");
  EXPECT_NE(error(DType::kFp32, {-1, 3}, "[[1, 2]]").find("[1, 2]"), std::string::npos);
  EXPECT_NE(error(DType::kFp32, {-1}, "[\"a\"]").find("[0] is a string"), std::string::npos);
  EXPECT_NE(error(DType::kFp32, {-1, -1}, "[[1, 2], [3]]"), "fits");
}

TEST(PredictInputs, StringsAndSeveralInputs) {
  auto inputs = inputs_for(model_of(DType::kBytes, {-1}), R"(["a", "bc"])");
  ASSERT_TRUE(inputs) << inputs.error().what();
  EXPECT_EQ(tensor::bytes_elements((*inputs)[0]).value()[1], "bc");
  ModelMetadata two = model_of(DType::kFp32, {-1});
  two.inputs.push_back({"y", DType::kInt64, {-1}});
  inputs = inputs_for(two, "[[1.5], [2]]");
  ASSERT_TRUE(inputs) << inputs.error().what();
  EXPECT_EQ((*inputs)[1].as<std::int64_t>()[0], 2);
  for (const char* text : {"[[1]]", "[[1], [2], [3]]", "[1, 2]", "[]"}) EXPECT_FALSE(inputs_for(two, text)) << text;
}

TEST(PredictResult, OneOutputIsTheResultSeveralAreAList) {
  const float values[] = {1.5F, 2.0F};
  const Tensor t{"y", DType::kFp32, {1, 2}, Bytes::copy_of(std::as_bytes(std::span(values)))};
  EXPECT_EQ(predict_result(std::span(&t, 1)).value(), R"({"result":[[1.5,2.0]]})");
  const Tensor both[] = {t, t};
  EXPECT_EQ(predict_result(both).value(), R"({"result":[[[1.5,2.0]],[[1.5,2.0]]]})");
  const float bad[] = {std::numeric_limits<float>::quiet_NaN()};
  const Tensor nan{"y", DType::kFp32, {1}, Bytes::copy_of(std::as_bytes(std::span(bad)))};
  EXPECT_FALSE(predict_result(std::span(&nan, 1)));
}

}  // namespace
}  // namespace sedna::inference
