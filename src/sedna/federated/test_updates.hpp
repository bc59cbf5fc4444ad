// Short ways to write updates in tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sedna/federated/aggregation.hpp"

namespace sedna::federated::test {

inline tensor::Tensor fp64(tensor::Shape shape, const std::vector<double>& values) {
  tensor::Tensor tensor;
  tensor.dtype = tensor::DType::kFp64;
  tensor.shape = std::move(shape);
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return tensor;
}

inline tensor::Tensor fp32(tensor::Shape shape, const std::vector<float>& values) {
  tensor::Tensor tensor;
  tensor.dtype = tensor::DType::kFp32;
  tensor.shape = std::move(shape);
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return tensor;
}

inline std::vector<double> doubles(const tensor::Tensor& tensor) {
  const auto values = tensor.as<double>();
  return {values.begin(), values.end()};
}

inline Update update(std::string client, double weight, Weights weights) {
  return Update{std::move(client), weight, std::move(weights)};
}

}  // namespace sedna::federated::test
