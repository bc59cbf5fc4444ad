// A cloud for tests: an imposter that speaks just enough of the Open Inference Protocol, or of upstream's JSON, to be
// asked. For tests only.
#pragma once

#include <atomic>
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "sedna/inference/cloud_client.hpp"
#include "sedna/inference/estimator.hpp"
#include "sedna/tensor/oip.hpp"
#include "sedna/testing/imposter_server.hpp"

namespace sedna::inference::test {

inline tensor::Tensor floats(std::string name, const std::vector<float>& values) {
  tensor::Tensor t;
  t.name = std::move(name);
  t.dtype = tensor::DType::kFp32;
  t.shape = {1, static_cast<std::int64_t>(values.size())};
  t.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return t;
}

/// Why a test that forks beside other threads is left out, if it is. ThreadSanitizer cannot follow such a child.
#if defined(__SANITIZE_THREAD__)
inline constexpr const char* kNoFork = "the thread sanitizer does not support a fork beside other threads";
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr const char* kNoFork = "the thread sanitizer does not support a fork beside other threads";
#else
inline constexpr const char* kNoFork = nullptr;
#endif
#else
inline constexpr const char* kNoFork = nullptr;
#endif

/// Probabilities of a cloud that always says class 2.
inline std::string oip_answer() {
  tensor::oip::InferResponse response;
  response.model = "big";
  response.version = "1";
  response.outputs.push_back(floats("probabilities", {0.05F, 0.05F, 0.9F}));
  tensor::oip::InferRequest request;
  request.binary_data_output = true;
  const auto body = tensor::oip::encode_response(response, request).value();
  return testing::http_answer(
      200, body.to_string(),
      std::string(tensor::oip::kHeaderLengthField) + ": " + std::to_string(*body.header_length) + "\r\n");
}

/// Answers the small documents as our server does, and inferences with `infer`.
inline testing::Script::Answer oip_cloud(testing::Script::Answer infer) {
  return [infer = std::move(infer)](const testing::ImposterRequest& request) -> std::string {
    if (request.target == "/v2") return testing::http_answer(200, R"({"name":"sedna","version":"1","extensions":[]})");
    if (request.target == "/v2/health/ready") return testing::http_answer(200, "");
    if (request.target == "/v2/repository/index") return testing::http_answer(200, R"([{"name":"big"}])");
    if (request.target == "/v2/models/big") {
      return testing::http_answer(200, R"({"name":"big","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}]})");
    }
    if (request.target == "/v2/models/big/infer") return infer(request);
    return testing::http_answer(404, R"({"error":"no such route"})");
  };
}

inline testing::Script good_cloud() {
  return testing::Script::serve(oip_cloud([](const testing::ImposterRequest&) { return oip_answer(); }));
}

/// The inference that a request holds; throws when it is none.
inline tensor::oip::InferRequest read_infer(const testing::ImposterRequest& request) {
  std::optional<std::size_t> length;
  if (const auto field = request.headers.find(tensor::oip::kHeaderLengthField)) {
    length = std::stoul(std::string(*field));
  }
  return tensor::oip::decode_request(Bytes::copy_of(request.body), length).value();
}

inline CloudClientOptions client_of(std::uint16_t port) {
  CloudClientOptions options;
  options.port = port;
  options.deadline = std::chrono::seconds(5);
  return options;
}

inline CloudCall sample_call() {
  CloudCall call;
  call.inputs.push_back(floats("input", {1, 2}));
  return call;
}

/// An edge model whose certainty is its input's first number, and whose class is 1.
class FakeEdge final : public Estimator {
 public:
  FakeEdge() {
    metadata_.name = "small";
    metadata_.inputs = {{"input", tensor::DType::kFp32, {-1, 2}}};
    metadata_.outputs = {{"probabilities", tensor::DType::kFp32, {-1, 3}}};
  }
  const ModelMetadata& metadata() const override { return metadata_; }
  std::vector<tensor::Tensor> infer(std::span<const tensor::Tensor> inputs, Deadline) override {
    ++runs;
    const float p = inputs.front().as<float>()[0];
    return {floats("probabilities", {(1 - p) / 2, p, (1 - p) / 2})};
  }
  int concurrency() const override { return 8; }
  std::atomic<int> runs{0};

 private:
  ModelMetadata metadata_;
};

inline std::vector<tensor::Tensor> easy() {
  return {floats("input", {0.99F, 0})};
}
inline std::vector<tensor::Tensor> hard() {
  return {floats("input", {0.4F, 0})};
}

}  // namespace sedna::inference::test
