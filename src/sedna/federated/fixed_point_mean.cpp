#include "sedna/federated/fixed_point_mean.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sedna/federated/elementwise.hpp"
#include "sedna/federated/kernels.hpp"
#include "sedna/federated/partial_sum.hpp"

namespace sedna::federated {

namespace {

/// The least power of two that is not below `value`.
double power_of_two(double value) {
  return std::exp2(std::ceil(std::log2(value)));
}

}  // namespace

FixedPointMean::FixedPointMean(const Weights* base, FixedPointOptions options)
    : options_(options), default_limit_(power_of_two(options.headroom)) {
  if (!(options_.total_weight >= 1 && options_.total_weight <= 0x1p52) || !(options_.headroom >= 1)) {
    throw Error(ErrorCode::kInvalidArgument, "the samples or the headroom make no sense", "strict");
  }
  if (base == nullptr) return;
  for (const auto& tensor : *base) {
    double largest = 1 / options_.headroom;
    with_float(tensor.dtype, [&](auto zero) {
      const auto values = tensor.as<decltype(zero)>();
      largest = std::max(largest, static_cast<double>(kernels::largest(values.data(), values.size())));
    });
    limits_.push_back(power_of_two(options_.headroom * largest));
  }
}

double FixedPointMean::limit_of(std::size_t tensor) const {
  return tensor < limits_.size() ? limits_[tensor] : default_limit_;
}

int FixedPointMean::scale_of(std::size_t tensor) const {
  // limit · total · 2^s <= 2^62: no sum leaves 64 bits.
  return 62 - static_cast<int>(std::ceil(std::log2(limit_of(tensor) * power_of_two(options_.total_weight))));
}

bool FixedPointMean::small(std::size_t tensor) const {
  return std::log2(limit_of(tensor)) + scale_of(tensor) <= 50;
}

Result<void> FixedPointMean::check(const Update& update) const {
  if (update.weight != std::floor(update.weight)) {
    return Error(ErrorCode::kInvalidArgument, "must be a whole number: the sum is exact", "num_samples");
  }
  if (update.weight + total_weight() > options_.total_weight) {
    return Error(ErrorCode::kInvalidArgument,
                 "with those of the others is more than the round was planned for (" +
                     std::to_string(static_cast<std::int64_t>(options_.total_weight)) + ")",
                 "num_samples");
  }
  for (std::size_t i = 0; i < update.weights.size(); ++i) {
    const double limit = limit_of(i);
    bool inside = true;
    with_float(update.weights[i].dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto values = update.weights[i].as<T>();
      // A power of two: the same in T, or beyond everything that T holds.
      const auto bound = static_cast<T>(std::min(limit, static_cast<double>(std::numeric_limits<T>::max())));
      inside = kernels::within(values.data(), values.size(), bound);
    });
    if (!inside) {
      return Error(ErrorCode::kInvalidArgument,
                   "has values beyond ±" + std::to_string(limit) + ", the range fixed for this round",
                   Manifest::label(i, update.weights[i].name));
    }
  }
  return {};
}

void FixedPointMean::accumulate(Update update) {
  if (count_ == 0) {
    manifest_ = Manifest::of(update.weights);
    for (const auto& tensor : update.weights) sums_.emplace_back(elements_of(tensor), 0);
  }
  const auto weight = static_cast<std::int64_t>(update.weight);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const double scale = std::exp2(scale_of(i));
    std::int64_t* const sum = sums_[i].data();
    with_float(update.weights[i].dtype, [&](auto zero) {
      const auto values = update.weights[i].template as<decltype(zero)>();
      if (small(i)) {
        kernels::add_fixed(sum, values.data(), values.size(), weight, scale);
        return;
      }
      for (std::size_t k = 0; k < values.size(); ++k) {
        sum[k] += weight * static_cast<std::int64_t>(std::nearbyint(static_cast<double>(values[k]) * scale));
      }
    });
  }
  total_ += weight;
  ++count_;
}

void FixedPointMean::merge_with(FixedPointMean&& other) {
  if (other.count_ == 0) return;
  if (count_ == 0) {
    *this = std::move(other);
    return;
  }
  bool same = sums_.size() == other.sums_.size() && limits_ == other.limits_;
  for (std::size_t i = 0; same && i < sums_.size(); ++i) same = sums_[i].size() == other.sums_[i].size();
  if (!same) throw Error(ErrorCode::kInvalidArgument, "the two sums are of different models", "merge");
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    for (std::size_t k = 0; k < sums_[i].size(); ++k) sums_[i][k] += other.sums_[i][k];
  }
  total_ += other.total_;
  count_ += other.count_;
  other.count_ = 0;
}

Result<void> FixedPointMean::check_sum(const PartialSum& part) const {
  if (part.kind != PartialSum::Kind::kStrict) {
    return Error(ErrorCode::kInvalidArgument, "is mean; this job's is strict", "__metadata__.sum");
  }
  if (part.total_low != 0 || part.total != std::floor(part.total) || part.total < static_cast<double>(part.clients)) {
    return Error(ErrorCode::kInvalidArgument, "must be a whole number, 1 or more for each client",
                 "__metadata__.sum.weight");
  }
  if (part.total + total_weight() > options_.total_weight) {
    return Error(ErrorCode::kInvalidArgument,
                 "with those of the others is more than the round was planned for (" +
                     std::to_string(static_cast<std::int64_t>(options_.total_weight)) + ")",
                 "__metadata__.sum.weight");
  }
  for (std::size_t i = 0; i < part.sums.size(); ++i) {
    if (part.scales[i] != scale_of(i)) {
      return Error(ErrorCode::kInvalidArgument,
                   "has " + std::to_string(part.scales[i]) + " for tensor " + std::to_string(i) + ", this round's is " +
                       std::to_string(scale_of(i)) + ": the sum began with another model",
                   "__metadata__.sum.scales");
    }
    // Each value is limit · 2^s at most, a whole power of two; with the weights it stays below 2^62.
    const std::int64_t bound = static_cast<std::int64_t>(part.total) *
                               static_cast<std::int64_t>(std::exp2(std::log2(limit_of(i)) + scale_of(i)));
    const auto values = part.sums[i].as<std::int64_t>();
    bool inside = true;
    for (const std::int64_t value : values) inside &= value <= bound && value >= -bound;
    if (!inside) {
      return Error(ErrorCode::kInvalidArgument,
                   "has sums beyond ±" + std::to_string(limit_of(i)) + " a sample, the range fixed for this round",
                   Manifest::label(i, part.manifest.tensors[i].name));
    }
  }
  return {};
}

void FixedPointMean::merge_sum(const PartialSum& part) {
  if (count_ == 0) {
    manifest_ = part.manifest;
    for (const auto& tensor : part.sums) sums_.emplace_back(tensor.data.size() / sizeof(std::int64_t), 0);
  }
  bool same = sums_.size() == part.sums.size();
  for (std::size_t i = 0; same && i < sums_.size(); ++i) {
    same = sums_[i].size() == part.sums[i].data.size() / sizeof(std::int64_t);
  }
  if (!same) throw Error(ErrorCode::kInvalidArgument, "the two sums are of different models", "merge");
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const auto values = part.sums[i].as<std::int64_t>();
    for (std::size_t k = 0; k < values.size(); ++k) sums_[i][k] += values[k];
  }
  total_ += static_cast<std::int64_t>(part.total);
  count_ += part.clients;
}

PartialSum FixedPointMean::take_sum() {
  PartialSum out;
  out.kind = PartialSum::Kind::kStrict;
  out.total = static_cast<double>(total_);
  out.clients = count_;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Manifest::Entry& entry = manifest_.tensors[i];
    AlignedBuffer buffer(sums_[i].size() * sizeof(std::int64_t));
    std::ranges::copy(std::as_bytes(std::span(sums_[i])), buffer.data());
    out.sums.push_back({entry.name, tensor::DType::kInt64, entry.shape, std::move(buffer).freeze()});
    out.scales.push_back(scale_of(i));
  }
  out.manifest = std::move(manifest_);
  sums_.clear();
  total_ = 0;
  count_ = 0;
  return out;
}

Aggregate FixedPointMean::report() {
  Aggregate out;
  const std::int64_t total = total_;
  out.total_weight = static_cast<double>(total);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Manifest::Entry& entry = manifest_.tensors[i];
    tensor::Tensor tensor;
    tensor.name = entry.name;
    tensor.dtype = entry.dtype;
    tensor.shape = entry.shape;
    const double scale = std::exp2(-scale_of(i));
    AlignedBuffer buffer(sums_[i].size() * tensor::dtype_size(entry.dtype));
    with_float(entry.dtype, [&](auto zero) {
      using T = decltype(zero);
      T* const to = reinterpret_cast<T*>(buffer.data());
      if (small(i)) {
        kernels::divide_fixed(to, sums_[i].data(), sums_[i].size(), total, scale);
        return;
      }
      for (std::size_t k = 0; k < sums_[i].size(); ++k) {
        // Quotient and rest apart: a sum of 62 bits is more than a double holds, its quotient mostly is not.
        const std::int64_t quotient = sums_[i][k] / total;
        const std::int64_t rest = sums_[i][k] % total;
        const double value = static_cast<double>(quotient) + static_cast<double>(rest) / static_cast<double>(total);
        to[k] = static_cast<T>(value * scale);
      }
    });
    tensor.data = std::move(buffer).freeze();
    out.weights.push_back(std::move(tensor));
  }
  return out;
}

}  // namespace sedna::federated
