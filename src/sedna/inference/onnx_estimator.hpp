// A model file in the ONNX format, run by ONNX Runtime in this process. Made by sedna-worker, the Python package and
// C++ programs; served by ModelServer or called directly at the edge.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/inference/estimator.hpp"

namespace sedna::inference {

struct OnnxOptions {
  OnnxOptions() {}
  std::string name;  ///< metadata name; the file's stem when empty
  std::string version = "1";
  int intra_threads = 1;        ///< threads inside one run; more callers are the better parallelism on small models
  bool spinning = false;        ///< idle threads of the intra-op pool burn CPU while they wait
  bool memory_arena = false;    ///< the arena keeps what the largest batch ever needed
  int concurrency = 0;          ///< runs at once; 0: the machine's cores
  int max_batch_size = 0;       ///< > 0: the first dimension is a batch that the server may fill from several requests
  int warmup_runs = 3;          ///< at load, with zeros, variable dimensions 1; failures of warm-up fail the load
  std::string expected_sha256;  ///< refuse another file (lower-case hex); empty: any
};

class OnnxEstimator final : public Estimator {
 public:
  /// Loads, checks and warms up. Throws Error whose subject is the file: kNotFound, kInvalidArgument (truncated, not
  /// ONNX, an opset that this library does not know, no tensor inputs or outputs), kDataLoss (checksum), kUnavailable
  /// (no ONNX Runtime; lists where it was looked for).
  static std::shared_ptr<OnnxEstimator> load(const std::string& file, OnnxOptions options = {});
  /// From memory; `label` stands for the file in errors.
  static std::shared_ptr<OnnxEstimator> load(std::span<const std::byte> model, std::string label,
                                             OnnxOptions options = {});
  ~OnnxEstimator() override;

  const ModelMetadata& metadata() const override;
  /// Inputs by name (or by position when none is named) in any order. Received bytes are used in place; outputs are the
  /// library's own memory, kept alive by their Bytes.
  std::vector<tensor::Tensor> infer(std::span<const tensor::Tensor> inputs, Deadline deadline) override;
  int concurrency() const override;
  bool run_inline() const override;

  /// sha256 of the model's bytes, lower-case hex: what a calibration belongs to.
  const std::string& checksum() const;
  /// Median of the warm-up runs.
  SteadyClock::duration warm_latency() const;

 private:
  struct Impl;
  explicit OnnxEstimator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Does the shape fit the declared one? −1 fits anything; the ranks must agree (a declared rank of 0 with no dimensions
/// known fits all).
bool shape_fits(std::span<const std::int64_t> declared, std::span<const std::int64_t> actual);
/// "[-1, 3, 224, 224]".
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace sedna::inference
