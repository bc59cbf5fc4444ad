#include "sedna/federated/mean.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "sedna/base/buffer.hpp"
#include "sedna/federated/kernels.hpp"
#include "sedna/federated/partial_sum.hpp"

namespace sedna::federated {

using tensor::DType;
using tensor::Tensor;

namespace {

/// (high, low) += value, exactly but for the last bits of low (Knuth's two-sum).
inline void add_exactly(double& high, double& low, double value) {
  const double sum = high + value;
  const double part = sum - high;
  const double error = (high - (sum - part)) + (value - part);
  high = sum;
  low += error;
}

/// The upper 26 bits of the mantissa: products of it and of the rest with weights below 2^26 are exact.
inline double upper_half(double value) {
  constexpr std::uint64_t kMask = ~((std::uint64_t{1} << 27) - 1);
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) & kMask);
}

/// The nearest double to (high + low) / divisor: one division, then what it left over divided again.
inline double divide(double high, double low, double divisor) {
  const double quotient = (high + low) / divisor;
  if (!std::isfinite(quotient)) return quotient;
  const double rest = std::fma(-quotient, divisor, high) + low;
  return quotient + rest / divisor;
}

}  // namespace

void WeightedMean::add_weight(double weight) {
  add_exactly(total_, total_low_, weight);
}

void WeightedMean::accumulate(Update update) {
  const bool first = count_ == 0;
  if (first) {
    manifest_ = Manifest::of(update.weights);
    sums_.resize(update.weights.size());
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      const Tensor& tensor = update.weights[i];
      const std::size_t elements = tensor.data.size() / tensor::dtype_size(tensor.dtype);
      sums_[i].high = AlignedBuffer(elements * sizeof(double));
      if (tensor.dtype == DType::kFp64) sums_[i].low = AlignedBuffer(elements * sizeof(double));
    }
  }
  const double weight = update.weight;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Tensor& tensor = update.weights[i];
    double* const high = sums_[i].at_high();
    if (tensor.dtype == DType::kFp32) {
      const auto values = tensor.as<float>();
      if (first) {
        kernels::set_weighted(high, values.data(), values.size(), weight);
      } else {
        kernels::add_weighted(high, values.data(), values.size(), weight);
      }
      continue;
    }
    double* const low = sums_[i].at_low();
    const auto values = tensor.as<double>();
    if (first) std::fill_n(high, values.size(), 0.0);
    if (first) std::fill_n(low, values.size(), 0.0);
    for (std::size_t k = 0; k < values.size(); ++k) {
      const double upper = upper_half(values[k]);
      add_exactly(high[k], low[k], weight * upper);
      add_exactly(high[k], low[k], weight * (values[k] - upper));
    }
  }
  add_weight(weight);
  ++count_;
}

void WeightedMean::merge_with(WeightedMean&& other) {
  if (other.count_ == 0) return;
  if (count_ == 0) {
    *this = std::move(other);
    return;
  }
  bool same = sums_.size() == other.sums_.size();
  for (std::size_t i = 0; same && i < sums_.size(); ++i) {
    same = manifest_.tensors[i].dtype == other.manifest_.tensors[i].dtype &&
           manifest_.tensors[i].shape == other.manifest_.tensors[i].shape;
  }
  if (!same) throw Error(ErrorCode::kInvalidArgument, "the two sums are of different models", "merge");
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    Sum& into = sums_[i];
    Sum& from = other.sums_[i];
    if (manifest_.tensors[i].dtype == DType::kFp32) {
      for (std::size_t k = 0; k < into.size(); ++k) into.at_high()[k] += from.at_high()[k];
      continue;
    }
    for (std::size_t k = 0; k < into.size(); ++k) {
      add_exactly(into.at_high()[k], into.at_low()[k], from.at_high()[k]);
      into.at_low()[k] += from.at_low()[k];
    }
  }
  add_weight(other.total_);
  total_low_ += other.total_low_;
  count_ += other.count_;
  other = WeightedMean();
}

Result<void> WeightedMean::check_sum(const PartialSum& part) const {
  if (part.kind == PartialSum::Kind::kMean) return {};
  return Error(ErrorCode::kInvalidArgument, "is strict; this job's is mean", "__metadata__.sum");
}

void WeightedMean::merge_sum(const PartialSum& part) {
  WeightedMean other;
  other.manifest_ = part.manifest;
  other.sums_.resize(part.sums.size());
  std::size_t low = 0;
  const auto copy = [](const Tensor& tensor) {
    AlignedBuffer buffer(tensor.data.size());
    std::ranges::copy(tensor.data.span(), buffer.data());
    return buffer;
  };
  for (std::size_t i = 0; i < part.sums.size(); ++i) {
    other.sums_[i].high = copy(part.sums[i]);
    if (part.manifest.tensors[i].dtype == DType::kFp64) other.sums_[i].low = copy(part.lows.at(low++));
  }
  other.total_ = part.total;
  other.total_low_ = part.total_low;
  other.count_ = part.clients;
  merge_with(std::move(other));
}

PartialSum WeightedMean::take_sum() {
  PartialSum out;
  out.kind = PartialSum::Kind::kMean;
  out.total = total_;
  out.total_low = total_low_;
  out.clients = count_;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Manifest::Entry& entry = manifest_.tensors[i];
    out.sums.push_back({entry.name, DType::kFp64, entry.shape, std::move(sums_[i].high).freeze()});
    if (entry.dtype == DType::kFp64) {
      out.lows.push_back({entry.name, DType::kFp64, entry.shape, std::move(sums_[i].low).freeze()});
    }
  }
  out.manifest = std::move(manifest_);
  *this = WeightedMean();
  return out;
}

Aggregate WeightedMean::report() {
  Aggregate out;
  out.total_weight = total_weight();
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Manifest::Entry& entry = manifest_.tensors[i];
    Sum& sum = sums_[i];
    const double* const high = sum.at_high();
    Tensor tensor;
    tensor.name = entry.name;
    tensor.dtype = entry.dtype;
    tensor.shape = entry.shape;
    AlignedBuffer buffer(sum.size() * tensor::dtype_size(entry.dtype));
    if (entry.dtype == DType::kFp32) {
      kernels::divide(reinterpret_cast<float*>(buffer.data()), high, sum.size(), out.total_weight);
    } else {
      auto* const values = reinterpret_cast<double*>(buffer.data());
      const double* const low = sum.at_low();
      for (std::size_t k = 0; k < sum.size(); ++k) values[k] = divide(high[k], low[k], out.total_weight);
    }
    tensor.data = std::move(buffer).freeze();
    out.weights.push_back(std::move(tensor));
  }
  return out;
}

}  // namespace sedna::federated
