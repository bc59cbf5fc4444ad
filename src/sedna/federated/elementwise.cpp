#include "sedna/federated/elementwise.hpp"

#include <cmath>

#include "sedna/federated/kernels.hpp"

namespace sedna::federated {

Weights moments_to_tensors(const Moments& moments, const std::string& prefix) {
  Weights out;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    tensor::Tensor tensor;
    tensor.name = prefix + "." + std::to_string(i);
    tensor.dtype = tensor::DType::kFp64;
    tensor.shape = {static_cast<std::int64_t>(moments[i].size())};
    tensor.data = Bytes::copy_of(std::as_bytes(std::span(moments[i])));
    out.push_back(std::move(tensor));
  }
  return out;
}

Moments moments_from_tensors(const Weights& tensors, const std::string& prefix) {
  Moments out;
  for (const auto& tensor : tensors) {
    if (!tensor.name.starts_with(prefix + ".")) continue;
    if (tensor.dtype != tensor::DType::kFp64 || tensor.name != prefix + "." + std::to_string(out.size())) {
      throw Error(ErrorCode::kDataLoss, "is not where the algorithm left it", tensor.name);
    }
    const auto values = tensor.as<double>();
    out.emplace_back(values.begin(), values.end());
  }
  return out;
}

double distance(const Weights& a, const Weights* b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    with_float(a[i].dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto x = a[i].as<T>();
      sum += kernels::squared_distance(x.data(), b == nullptr ? nullptr : (*b)[i].as<T>().data(), x.size());
    });
  }
  return std::sqrt(sum);
}

}  // namespace sedna::federated
