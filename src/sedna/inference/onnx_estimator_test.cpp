#include "sedna/inference/onnx_estimator.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/inference/onnx_test_models.hpp"
#include "sedna/inference/ort_library.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// The library's own background thread ends beside its own static objects at exit; it is not ours and not instrumented.
extern "C" const char* __tsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "race:libonnxruntime\n";
}
#endif
#endif

namespace sedna::inference {
namespace {

using tensor::DType;
using tensor::Tensor;
using ::testing::HasSubstr;

bool have_onnxruntime() {
  static const bool have = [] {
    try {
      OrtLibrary::get();
      return true;
    } catch (const Error&) {
      return false;
    }
  }();
  return have;
}

#define NEED_ONNXRUNTIME() \
  if (!have_onnxruntime()) GTEST_SKIP() << "ONNX Runtime is not installed: left out (script/bootstrap installs it)"

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::shared_ptr<OnnxEstimator> load(const std::string& model, OnnxOptions options = {}) {
  return OnnxEstimator::load(bytes_of(model), "test", std::move(options));
}

Tensor floats(std::string name, tensor::Shape shape, std::vector<float> values) {
  return {std::move(name), DType::kFp32, std::move(shape), Bytes::copy_of(std::as_bytes(std::span(values)))};
}

/// The error of a call, as text; "none" without.
template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

// JI-3.2, JI-3.8
TEST(OnnxEstimator, ReadsMetadataFromTheSession) {
  NEED_ONNXRUNTIME();
  const auto model = load(test::two_port_model(), [] {
    OnnxOptions o;
    o.name = "pair";
    return o;
  }());
  const ModelMetadata& m = model->metadata();
  EXPECT_EQ(m.name, "pair");
  EXPECT_EQ(m.platform, "onnxruntime_onnx");
  ASSERT_EQ(m.inputs.size(), 2U);
  EXPECT_EQ(m.inputs[1].name, "b");
  EXPECT_EQ(m.inputs[1].shape, (tensor::Shape{-1, 3}));
  ASSERT_EQ(m.outputs.size(), 2U);
  EXPECT_EQ(m.outputs[0].name, "sum");
  EXPECT_EQ(model->checksum().size(), 64U);
  EXPECT_GT(model->warm_latency().count(), 0);
}

// JI-3.2
TEST(OnnxEstimator, RunsOnReceivedBytesInAnyOrderOfInputs) {
  NEED_ONNXRUNTIME();
  const auto model = load(test::two_port_model());
  const Tensor inputs[] = {floats("b", {1, 3}, {10, 20, 30}), floats("a", {1, 3}, {1, 2, 3})};
  const auto out = model->infer(inputs, {});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_THAT(out[0].as<float>(), ::testing::ElementsAre(11, 22, 33));
  EXPECT_THAT(out[1].as<float>(), ::testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(out[0].shape, (tensor::Shape{1, 3}));
}

// JI-3.2
TEST(OnnxEstimator, UnalignedBytesGiveTheSameAnswer) {
  NEED_ONNXRUNTIME();
  const auto model = load(test::doubling_model());
  AlignedBuffer buffer(1 + 8);
  const float values[] = {1.5F, -3};
  std::memcpy(buffer.data() + 1, values, 8);
  const Tensor t{"x", DType::kFp32, {1, 2}, std::move(buffer).freeze().slice(1, 8)};
  EXPECT_THAT(model->infer(std::span(&t, 1), {})[0].as<float>(), ::testing::ElementsAre(3, -6));
}

// JI-3.2
TEST(OnnxEstimator, OutputsOutliveTheEstimator) {
  NEED_ONNXRUNTIME();
  std::vector<Tensor> out;
  {
    const auto model = load(test::doubling_model());
    const Tensor t = floats("x", {1, 2}, {1, 2});
    out = model->infer(std::span(&t, 1), {});
  }
  EXPECT_THAT(out[0].as<float>(), ::testing::ElementsAre(2, 4));
}

// JI-3.2
TEST(OnnxEstimator, StringsAndEmptyBatchesPass) {
  NEED_ONNXRUNTIME();
  const auto model = load(test::string_model());
  const std::string_view texts[] = {"", "cat", "é中"};
  Tensor t = tensor::make_bytes_tensor("x", texts);
  EXPECT_THAT(tensor::bytes_elements(model->infer(std::span(&t, 1), {})[0]).value(), testing::ElementsAreArray(texts));
  const std::string_view nul[] = {std::string_view("a\0b", 3)};
  t = tensor::make_bytes_tensor("x", nul);
  EXPECT_THAT(error_of([&] { model->infer(std::span(&t, 1), {}); }), HasSubstr("NUL"));
  const auto doubling = load(test::doubling_model());
  t = floats("x", {0, 2}, {});
  EXPECT_EQ(doubling->infer(std::span(&t, 1), {})[0].shape, (tensor::Shape{0, 2}));
}

// JI-7.10
TEST(OnnxEstimator, RefusesInputsThatDoNotFit) {
  NEED_ONNXRUNTIME();
  const auto model = load(test::doubling_model());
  const auto refused = [&](Tensor t) { return error_of([&] { model->infer(std::span(&t, 1), {}); }); };
  EXPECT_THAT(refused(floats("x", {1, 3}, {1, 2, 3})), HasSubstr("inputs.x: expected FP32 [-1, 2], got FP32 [1, 3]"));
  EXPECT_THAT(refused(floats("z", {1, 2}, {1, 2})), HasSubstr("inputs.z: the model has no such input"));
  Tensor lying = floats("x", {4, 2}, {1, 2});
  EXPECT_NE(refused(lying), "none");  // eight elements promised, two there
  EXPECT_THAT(error_of([&] { model->infer({}, {}); }), HasSubstr("has 1 inputs, got 0"));
  EXPECT_THAT(error_of([&] {
                const Tensor t = floats("x", {1, 2}, {1, 2});
                model->infer(std::span(&t, 1), Deadline(SteadyClock::now()));
              }),
              HasSubstr("deadline"));
}

// JI-7.10
TEST(OnnxEstimator, WrongFilesAreNamedWithTheReason) {
  NEED_ONNXRUNTIME();
  const std::string whole = test::doubling_model();
  EXPECT_THAT(error_of([&] { load(whole.substr(0, whole.size() / 2)); }),
              HasSubstr("test: is not an ONNX model, or is cut short"));
  EXPECT_THAT(error_of([&] { load("PK\x03\x04 this is a zip"); }), HasSubstr("test: is not an ONNX model"));
  EXPECT_THAT(error_of([&] { load(""); }), HasSubstr("is empty"));
  const std::string future = test::onnx_model({{"Identity", {"x"}, {"y"}}}, {{"x", 1, {1}}}, {{"y", 1, {1}}}, 9999);
  EXPECT_THAT(error_of([&] { load(future); }), HasSubstr("pset"));
  const std::string unknown = test::onnx_model({{"NoSuchOperator", {"x"}, {"y"}}}, {{"x", 1, {1}}}, {{"y", 1, {1}}});
  EXPECT_THAT(error_of([&] { load(unknown); }), HasSubstr("NoSuchOperator"));
  EXPECT_THAT(error_of([] { OnnxEstimator::load("/nowhere/m.onnx"); }),
              HasSubstr("/nowhere/m.onnx: no such model file"));
  OnnxOptions pinned;
  pinned.expected_sha256 = std::string(64, '0');
  EXPECT_THAT(error_of([&] { load(whole, pinned); }), HasSubstr("expected 0000"));
  OnnxOptions batched;
  batched.max_batch_size = 8;
  const std::string fixed = test::onnx_model({{"Identity", {"x"}, {"y"}}}, {{"x", 1, {1, 2}}}, {{"y", 1, {1, 2}}});
  EXPECT_THAT(error_of([&] { load(fixed, batched); }), HasSubstr("cannot be batched"));
}

// JI-7.10
TEST(OnnxEstimator, EveryTruncationIsAnErrorNotACrash) {
  NEED_ONNXRUNTIME();
  const std::string whole = test::two_port_model();
  for (std::size_t n = 0; n < whole.size(); n += 7) {
    // Some prefixes are models (protocol buffers have no end mark); all others are refused.
    try {
      load(whole.substr(0, n));
    } catch (const Error& error) {
      EXPECT_EQ(error.subject(), "test") << n;
    }
  }
}

// JI-3.3
TEST(OnnxEstimator, ManyThreadsShareOneSession) {
  NEED_ONNXRUNTIME();
  const auto model = load(test::doubling_model());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&model, i] {
      for (int n = 0; n < 200; ++n) {
        const Tensor t = floats("x", {1, 2}, {static_cast<float>(i), static_cast<float>(n)});
        const auto out = model->infer(std::span(&t, 1), {});
        ASSERT_EQ(out[0].as<float>()[0], 2.0F * static_cast<float>(i));
        ASSERT_EQ(out[0].as<float>()[1], 2.0F * static_cast<float>(n));
      }
    });
  }
  for (auto& t : threads) t.join();
}

// JI-3.1
TEST(OrtLibrary, ReportsVersionAndPath) {
  NEED_ONNXRUNTIME();
  EXPECT_FALSE(OrtLibrary::get().version().empty());
  EXPECT_FALSE(OrtLibrary::get().path().empty());
}

TEST(ShapeFits, VariableDimensionsFitAnything) {
  EXPECT_TRUE(shape_fits(tensor::Shape{-1, 3}, tensor::Shape{7, 3}));
  EXPECT_FALSE(shape_fits(tensor::Shape{-1, 3}, tensor::Shape{7, 4}));
  EXPECT_FALSE(shape_fits(tensor::Shape{-1}, tensor::Shape{}));
  EXPECT_EQ(shape_text(tensor::Shape{-1, 3}), "[-1, 3]");
}

}  // namespace
}  // namespace sedna::inference
