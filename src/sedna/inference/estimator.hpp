// A model that answers: the seam between the model server (or the edge) and ONNX Runtime, a Python object, or C++ code.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::inference {

/// Shape as metadata tells it: −1 = variable; the batch dimension is included.
struct TensorSpec {
  std::string name;
  tensor::DType dtype = tensor::DType::kFp32;
  tensor::Shape shape;
};

struct ModelMetadata {
  std::string name;
  std::string version = "1";
  std::string platform;            ///< "onnxruntime_onnx", "python", "cpp"
  std::vector<TensorSpec> inputs;  ///< empty: anything (a Python object)
  std::vector<TensorSpec> outputs;
  int max_batch_size = 0;  ///< 0: no batching by the server
};

class Estimator {
 public:
  virtual ~Estimator() = default;
  virtual const ModelMetadata& metadata() const = 0;
  /// Runs the model. Inputs are checked against metadata by the caller and outlive the call. Thread-safe when
  /// concurrency() > 1. Throws Error(kInvalidArgument) for inputs that the model refuses, kInternal when it breaks.
  virtual std::vector<tensor::Tensor> infer(std::span<const tensor::Tensor> inputs, Deadline deadline) = 0;
  /// How many calls may run at once.
  virtual int concurrency() const { return 1; }
  /// True when a call takes so little time that a hand-over to another thread would cost more (< 50 µs; < 2 ms where
  /// there is one processor only).
  virtual bool run_inline() const { return false; }
};

using EstimatorPtr = std::shared_ptr<Estimator>;

}  // namespace sedna::inference
