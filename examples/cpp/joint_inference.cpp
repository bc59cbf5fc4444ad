// Joint inference from C++ in thirty lines: a small ONNX model here, a big one behind `sedna-worker infer`.
//   joint_inference edge.onnx 127.0.0.1 5000
#include "sedna/inference/joint_inference.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sedna/inference/onnx_estimator.hpp"

int main(int argc, char** argv) try {
  if (argc != 4) return std::fprintf(stderr, "usage: joint_inference EDGE.onnx HOST PORT\n"), 2;
  sedna::metrics::Registry registry;
  sedna::inference::CloudClientOptions cloud;
  cloud.host = argv[2];
  cloud.port = static_cast<std::uint16_t>(std::atoi(argv[3]));
  sedna::inference::JointInference joint({}, sedna::inference::OnnxEstimator::load(argv[1]),
                                         sedna::algo::make_filter("MSP", {{"threshold", "0.3"}}),
                                         std::make_shared<sedna::inference::CloudClient>(cloud, registry), registry);

  sedna::AlignedBuffer pixels(64 * sizeof(float));  // one 8×8 image, all grey
  for (int i = 0; i < 64; ++i) reinterpret_cast<float*>(pixels.data())[i] = 0.5F;
  sedna::tensor::Tensor image{"input", sedna::tensor::DType::kFp32, {1, 64}, std::move(pixels).freeze()};

  const auto result = joint.infer({&image, 1});
  const auto label = sedna::inference::label_of(result.final());
  std::printf("digit %lld, answered by the %s (%s)\n", static_cast<long long>(label.value_or(-1)),
              result.source == sedna::inference::Source::kCloud ? "cloud" : "edge",
              std::string(sedna::algo::reason_name(result.reason)).c_str());
  return 0;
} catch (const std::exception& e) {
  return std::fprintf(stderr, "joint_inference: %s\n", e.what()), 1;
}
