// Arithmetic over whole models, element by element in float64, results in the model's dtype. Internal to the
// algorithms.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/federated/aggregation.hpp"

namespace sedna::federated {

/// One float64 for each element of each tensor: what a server optimiser keeps between rounds.
using Moments = std::vector<std::vector<double>>;

inline std::size_t elements_of(const tensor::Tensor& tensor) {
  return tensor.data.size() / tensor::dtype_size(tensor.dtype);
}

/// Calls f(T()) with the C++ type of FP32 or FP64.
template <class F>
decltype(auto) with_float(tensor::DType dtype, F&& f) {
  return dtype == tensor::DType::kFp32 ? f(float()) : f(double());
}

/// A tensor like `like` whose element k is f(k, element k of `like`).
template <class F>
tensor::Tensor map_tensor(const tensor::Tensor& like, F&& f) {
  tensor::Tensor out = like;
  AlignedBuffer buffer(like.data.size());
  with_float(like.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto in = like.as<T>();
    T* const to = reinterpret_cast<T*>(buffer.data());
    for (std::size_t k = 0; k < in.size(); ++k) to[k] = static_cast<T>(f(k, static_cast<double>(in[k])));
  });
  out.data = std::move(buffer).freeze();
  return out;
}

/// A tensor like `a` whose element k is f(k, a_k, b_k); b has a's dtype and shape.
template <class F>
tensor::Tensor map_tensors(const tensor::Tensor& a, const tensor::Tensor& b, F&& f) {
  tensor::Tensor out = a;
  AlignedBuffer buffer(a.data.size());
  with_float(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto x = a.as<T>();
    const auto y = b.as<T>();
    T* const to = reinterpret_cast<T*>(buffer.data());
    for (std::size_t k = 0; k < x.size(); ++k) {
      to[k] = static_cast<T>(f(k, static_cast<double>(x[k]), static_cast<double>(y[k])));
    }
  });
  out.data = std::move(buffer).freeze();
  return out;
}

/// A tensor like `a` whose element k is f(a_k, b_k, c_k); b and c have a's dtype and shape.
template <class F>
tensor::Tensor map_tensors(const tensor::Tensor& a, const tensor::Tensor& b, const tensor::Tensor& c, F&& f) {
  tensor::Tensor out = a;
  AlignedBuffer buffer(a.data.size());
  with_float(a.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto x = a.as<T>();
    const auto y = b.as<T>();
    const auto z = c.as<T>();
    T* const to = reinterpret_cast<T*>(buffer.data());
    for (std::size_t k = 0; k < x.size(); ++k) {
      to[k] = static_cast<T>(f(static_cast<double>(x[k]), static_cast<double>(y[k]), static_cast<double>(z[k])));
    }
  });
  out.data = std::move(buffer).freeze();
  return out;
}

/// Zeros, one list for each tensor.
inline Moments zeros_like(const Weights& weights, double value = 0) {
  Moments out;
  out.reserve(weights.size());
  for (const auto& tensor : weights) out.emplace_back(elements_of(tensor), value);
  return out;
}

inline tensor::Tensor zero_tensor(const tensor::Tensor& like) {
  return map_tensor(like, [](std::size_t, double) { return 0.0; });
}

/// Moments as tensors "<prefix>.<i>", and back. Throws Error(kDataLoss) when a list is missing.
Weights moments_to_tensors(const Moments& moments, const std::string& prefix);
Moments moments_from_tensors(const Weights& tensors, const std::string& prefix);

/// The Euclidean norm of a − b over all tensors; of a alone when b is null.
double distance(const Weights& a, const Weights* b);

}  // namespace sedna::federated
