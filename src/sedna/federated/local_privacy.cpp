#include "sedna/federated/local_privacy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "sedna/federated/secure_words.hpp"

namespace sedna::federated {

using tensor::DType;
using tensor::Shape;
using tensor::Tensor;

namespace {

constexpr std::size_t kHead = 3;  ///< values of the layout before the shape
constexpr double kSteps = 1024;   ///< of Laplace's grid, from 0 to `clip`
constexpr double kTwo64 = 0x1p64;
constexpr double kTwoMinus53 = 0x1p-53;  ///< uniforms have 53 bits

Error wrong(std::string why, std::string subject) {
  return {ErrorCode::kInvalidArgument, std::move(why), std::move(subject)};
}

bool unary(Mechanism mechanism) {
  return mechanism == Mechanism::kSymmetric || mechanism == Mechanism::kOptimised;
}

/// True with a probability of `threshold` / 2^64, exactly; of most words only a byte is used.
class Coin {
 public:
  bool below(std::uint64_t threshold) {
    const auto top = static_cast<unsigned>(threshold >> 56);
    const unsigned byte = next_byte();
    if (byte != top) return byte < top;
    return (words_.next() >> 8) < (threshold & 0x00ff'ffff'ffff'ffff);
  }

 private:
  unsigned next_byte() {
    if (left_ == 0) {
      word_ = words_.next();
      left_ = 8;
    }
    const auto byte = static_cast<unsigned>(word_ & 0xff);
    word_ >>= 8;
    --left_;
    return byte;
  }
  SecureWords words_;
  std::uint64_t word_ = 0;
  int left_ = 0;
};

/// A probability as a threshold, never 0: a chance of 1e-22 that became none would be an infinite ε.
std::uint64_t threshold_of(double probability) {
  const double scaled = std::ceil(probability * kTwo64);
  if (scaled >= kTwo64) return std::numeric_limits<std::uint64_t>::max();
  return scaled < 1 ? 1 : static_cast<std::uint64_t>(scaled);
}

template <class F>
void for_values(const Tensor& features, F&& each) {
  if (features.dtype == DType::kFp32) {
    std::size_t i = 0;
    for (const float value : features.as<float>()) each(i++, static_cast<double>(value));
  } else {
    std::size_t i = 0;
    for (const double value : features.as<double>()) each(i++, value);
  }
}

void pack_bits(const Tensor& features, const FeatureLayout& layout, std::span<std::byte> out) {
  const std::size_t values = layout.values();
  const std::size_t row = (values + 7) / 8;
  const std::uint64_t flip_up = threshold_of(layout.q());        // 0 → 1
  const std::uint64_t flip_down = threshold_of(1 - layout.p());  // 1 → 0
  std::ranges::fill(out, std::byte{0});
  Coin coin;
  for_values(features, [&](std::size_t i, double value) {
    const bool bit = value > 0 ? !coin.below(flip_down) : coin.below(flip_up);
    if (!bit) return;
    const std::size_t within = i % values;
    out[i / values * row + within / 8] |= static_cast<std::byte>(1U << (within % 8));
  });
}

/// Failures before the first success, P(k) = (1 - r) r^k.
double geometric(SecureWords& words, double log_r) {
  const double u = (static_cast<double>(words.next() >> 11) + 1) * kTwoMinus53;  // in (0, 1]
  return std::floor(std::log(u) / log_r);
}

void add_laplace(const Tensor& features, const FeatureLayout& layout, std::span<float> out) {
  SecureWords words;
  const double step = layout.clip / kSteps;
  // Two values differ by at most 2 * kSteps steps; P(noise = k) is proportional to r^|k|.
  const double log_r = -layout.epsilon / (2 * kSteps);
  for_values(features, [&](std::size_t i, double value) {
    const double scaled = std::clamp(value, -layout.clip, layout.clip) / step;
    double whole = std::floor(scaled);
    // Up or down by chance: the mean is the value's own. Another value's choice changes nothing of ε.
    if (static_cast<double>(words.next() >> 11) * kTwoMinus53 < scaled - whole) whole += 1;
    out[i] = static_cast<float>((whole + geometric(words, log_r) - geometric(words, log_r)) * step);
  });
}

Shape with_samples(std::int64_t samples, const Shape& shape) {
  Shape out = {samples};
  out.insert(out.end(), shape.begin(), shape.end());
  return out;
}

}  // namespace

Mechanism mechanism_from(std::string_view name) {
  for (const auto mechanism : {Mechanism::kNone, Mechanism::kSymmetric, Mechanism::kOptimised, Mechanism::kLaplace}) {
    if (mechanism_name(mechanism) == name) return mechanism;
  }
  throw wrong("is '" + std::string(name) + "'; there are none, symmetric, optimised and laplace", "mechanism");
}

std::string_view mechanism_name(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kNone:
      return "none";
    case Mechanism::kSymmetric:
      return "symmetric";
    case Mechanism::kOptimised:
      return "optimised";
    case Mechanism::kLaplace:
      return "laplace";
  }
  return "none";
}

FeatureLayout FeatureLayout::for_sample(Mechanism mechanism, double budget, double clip, Shape shape) {
  FeatureLayout layout{mechanism, 1, clip, std::move(shape)};
  if (const auto fits = layout.validate(); !fits) throw Error(fits.error());
  const double each = budget / static_cast<double>(layout.values());
  if (mechanism == Mechanism::kSymmetric) layout.epsilon = 2 * each;
  if (mechanism == Mechanism::kOptimised) layout.epsilon = each + std::log(2 - std::exp(-each));  // ln(2 e^each - 1)
  if (mechanism == Mechanism::kLaplace) layout.epsilon = each;
  if (const auto fits = layout.validate(); !fits) throw Error(fits.error());
  return layout;
}

std::size_t FeatureLayout::values() const {
  std::size_t out = 1;
  for (const std::int64_t n : shape) out *= static_cast<std::size_t>(n);
  return out;
}

double FeatureLayout::p() const {
  return mechanism == Mechanism::kOptimised ? 0.5 : 1 - q();
}

double FeatureLayout::q() const {
  return 1 / (std::exp(mechanism == Mechanism::kOptimised ? epsilon : epsilon / 2) + 1);
}

double FeatureLayout::epsilon_of_value() const {
  switch (mechanism) {
    case Mechanism::kNone:
      return std::numeric_limits<double>::infinity();
    case Mechanism::kSymmetric:
      return epsilon / 2;  // p / q
    case Mechanism::kOptimised:
      return epsilon + std::log1p(std::exp(-epsilon)) - std::log(2.0);  // p / q; (1 - q) / (1 - p) is smaller
    case Mechanism::kLaplace:
      return epsilon;
  }
  return std::numeric_limits<double>::infinity();
}

double FeatureLayout::epsilon_of_sample() const {
  return epsilon_of_value() * static_cast<double>(values());
}

Result<void> FeatureLayout::validate() const {
  std::int64_t count = 1;
  for (const std::int64_t n : shape) {
    if (n < 1 || n > kMaxFeatureValues / count) return wrong("has a dimension that cannot be", "layout.shape");
    count *= n;
  }
  if (mechanism != Mechanism::kNone && !(epsilon > 0 && epsilon <= 1e6)) {
    return wrong("must be above 0 and at most 1000000", "layout.epsilon");
  }
  if (!(clip > 0 && clip <= 1e30)) return wrong("must be above 0 and finite", "layout.clip");
  return {};
}

Tensor FeatureLayout::to_tensor() const {
  AlignedBuffer buffer((kHead + shape.size()) * sizeof(double));
  auto* const out = reinterpret_cast<double*>(buffer.data());
  out[0] = static_cast<double>(mechanism);
  out[1] = epsilon;
  out[2] = clip;
  for (std::size_t i = 0; i < shape.size(); ++i) out[kHead + i] = static_cast<double>(shape[i]);
  Tensor tensor;
  tensor.dtype = DType::kFp64;
  tensor.shape = {static_cast<std::int64_t>(kHead + shape.size())};
  tensor.data = std::move(buffer).freeze();
  return tensor;
}

Result<FeatureLayout> FeatureLayout::from_tensor(const Tensor& tensor) {
  if (tensor.dtype != DType::kFp64 || tensor.shape.size() != 1 || !tensor.validate().has_value()) {
    return wrong("must be a vector of FP64", "layout");
  }
  const auto in = tensor.as<double>();
  if (in.size() < kHead || in.size() > kHead + 8) return wrong("has no known length", "layout");
  if (!(in[0] == 0 || in[0] == 1 || in[0] == 2 || in[0] == 3))
    return wrong("is none that is known", "layout.mechanism");
  FeatureLayout layout;
  layout.mechanism = static_cast<Mechanism>(static_cast<int>(in[0]));
  layout.epsilon = in[1];
  layout.clip = in[2];
  for (const double n : in.subspan(kHead)) {
    if (!(n >= 1 && n <= static_cast<double>(kMaxFeatureValues)) || n != std::floor(n)) {
      return wrong("has a dimension that cannot be", "layout.shape");
    }
    layout.shape.push_back(static_cast<std::int64_t>(n));
  }
  if (const auto fits = layout.validate(); !fits) return fits.error();
  return layout;
}

Tensor randomize(const Tensor& features, const FeatureLayout& layout) {
  if (const auto fits = layout.validate(); !fits) throw Error(fits.error());
  const bool floats = features.dtype == DType::kFp32 || features.dtype == DType::kFp64;
  if (!floats || features.shape.empty())
    throw wrong("must be an array of floating-point numbers, a row a sample", "features");
  if (const auto valid = features.validate(); !valid) throw valid.error().within("features");
  if (features.shape != with_samples(features.shape[0], layout.shape)) {
    throw wrong("have another shape than their layout says", "features");
  }
  bool finite = true;
  for_values(features, [&](std::size_t, double value) { finite &= std::isfinite(value); });
  if (!finite) throw wrong("hold NaN or infinities", "features");
  const auto samples = static_cast<std::size_t>(features.shape[0]);
  Tensor out;
  if (unary(layout.mechanism)) {
    const std::size_t row = (layout.values() + 7) / 8;
    AlignedBuffer buffer(samples * row);
    pack_bits(features, layout, buffer.span());
    out.dtype = DType::kUint8;
    out.shape = {features.shape[0], static_cast<std::int64_t>(row)};
    out.data = std::move(buffer).freeze();
    return out;
  }
  AlignedBuffer buffer(samples * layout.values() * sizeof(float));
  const std::span<float> values(reinterpret_cast<float*>(buffer.data()), samples * layout.values());
  if (layout.mechanism == Mechanism::kLaplace) {
    add_laplace(features, layout, values);
  } else {
    for_values(features, [&](std::size_t i, double value) { values[i] = static_cast<float>(value); });
  }
  out.dtype = DType::kFp32;
  out.shape = features.shape;
  out.data = std::move(buffer).freeze();
  return out;
}

Result<std::int64_t> check_sent(const Tensor& sent, const FeatureLayout& layout) {
  if (const auto fits = layout.validate(); !fits) return fits.error();
  if (sent.shape.empty() || sent.shape[0] < 1) return wrong("has no samples", "features");
  const bool bits = unary(layout.mechanism);
  const auto row = static_cast<std::int64_t>((layout.values() + 7) / 8);
  const Shape want = bits ? Shape{sent.shape[0], row} : with_samples(sent.shape[0], layout.shape);
  if (sent.dtype != (bits ? DType::kUint8 : DType::kFp32)) {
    return wrong("is " + std::string(tensor::dtype_name(sent.dtype)) + "; '" +
                     std::string(mechanism_name(layout.mechanism)) + "' features are " + (bits ? "UINT8" : "FP32"),
                 "features");
  }
  if (sent.shape != want) return wrong("has another shape than its layout says", "features");
  if (const auto valid = sent.validate(); !valid) return valid.error().within("features");
  if (!bits) {
    bool finite = true;
    for (const float value : sent.as<float>()) finite &= std::isfinite(value);
    if (!finite) return wrong("hold NaN or infinities", "features");
  }
  return sent.shape[0];
}

Tensor estimate(const Tensor& sent, const FeatureLayout& layout) {
  const auto samples = check_sent(sent, layout);
  if (!samples) throw Error(samples.error());
  Tensor out;
  out.dtype = DType::kFp32;
  out.shape = with_samples(*samples, layout.shape);
  if (!unary(layout.mechanism)) {
    out.data = sent.data;
    return out;
  }
  const std::size_t values = layout.values();
  const std::size_t row = (values + 7) / 8;
  const double p = layout.p();
  const double q = layout.q();
  const auto one = static_cast<float>((1 - q) / (p - q));
  const auto zero = static_cast<float>(-q / (p - q));
  AlignedBuffer buffer(static_cast<std::size_t>(*samples) * values * sizeof(float));
  auto* to = reinterpret_cast<float*>(buffer.data());
  const auto bytes = sent.as<std::uint8_t>();
  for (std::size_t s = 0; s < static_cast<std::size_t>(*samples); ++s) {
    for (std::size_t i = 0; i < values; ++i) *to++ = (bytes[s * row + i / 8] >> (i % 8) & 1) != 0 ? one : zero;
  }
  out.data = std::move(buffer).freeze();
  return out;
}

}  // namespace sedna::federated
