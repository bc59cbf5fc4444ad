// Features as MistNet's clients send them: randomised before they leave, so that what arrives says little about any one
// sample (local differential privacy), and turned into unbiased estimates by the server. Called by the Python package.
//
//   MistNet: cut the network, send noised features once, train the rest at the server (Wang et al., "MistNet: Towards
//     Private Neural Network Training with Local Differential Privacy", 2020; plato's mistnet is the form upstream
//     uses).
//   Unary encodings: T. Wang, J. Blocki, N. Li, S. Jha, "Locally Differentially Private Protocols for Frequency
//     Estimation", USENIX Security 2017. A feature is its sign, one bit x; what is sent is y with
//       P(y = 1 | x = 1) = p,  P(y = 1 | x = 0) = q;  E[(y - q) / (p - q)] = x
//     symmetric: p = e^(ε/2) / (e^(ε/2) + 1), q = 1 - p     optimised: p = 1/2, q = 1 / (e^ε + 1)
//   Laplace: C. Dwork, F. McSherry, K. Nissim, A. Smith, "Calibrating Noise to Sensitivity in Private Data Analysis",
//   TCC
//     2006; in whole steps of a grid (A. Ghosh, T. Roughgarden, M. Sundararajan, 2009), because the low bits of
//     floating-point Laplace noise give the value away (I. Mironov, CCS 2012).
//
// ε: those papers' ε is that of a one-hot vector, of which two bits differ. Of a sample's features all D may differ, so
// the ε of a sample is D times that of one value (sequential composition): epsilon_of_sample() says it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sedna/tensor/tensor.hpp"

namespace sedna::federated {

enum class Mechanism : std::uint8_t { kNone = 0, kSymmetric = 1, kOptimised = 2, kLaplace = 3 };

/// "none", "symmetric", "optimised", "laplace". Throws Error(kInvalidArgument) listing them.
Mechanism mechanism_from(std::string_view name);
std::string_view mechanism_name(Mechanism mechanism);

/// How one sample's features are written. Travels beside them, as a tensor.
struct FeatureLayout {
  Mechanism mechanism = Mechanism::kNone;
  double epsilon = 0;   ///< the mechanism's parameter; Laplace: of one value
  double clip = 1;      ///< Laplace: values are cut to [-clip, clip]
  tensor::Shape shape;  ///< of one sample

  /// With a budget for a whole sample instead of the mechanism's parameter.
  static FeatureLayout for_sample(Mechanism mechanism, double budget, double clip, tensor::Shape shape);
  std::size_t values() const;
  double epsilon_of_value() const;   ///< of one bit or value; infinite without noise
  double epsilon_of_sample() const;  ///< of all of them
  double p() const;
  double q() const;
  Result<void> validate() const;
  /// FP64 [3 + dimensions]: mechanism, ε, clip, shape.
  tensor::Tensor to_tensor() const;
  static Result<FeatureLayout> from_tensor(const tensor::Tensor& tensor);
};

/// The largest number of values of a sample that is accepted.
inline constexpr std::int64_t kMaxFeatureValues = std::int64_t{1} << 32;

/// Features [n, shape…] (FP32, FP64) as they are sent: bits packed (UINT8 [n, ceil(D / 8)], lowest bit first) for the
/// unary encodings, FP32 otherwise. Throws Error for features that are no numbers.
tensor::Tensor randomize(const tensor::Tensor& features, const FeatureLayout& layout);
/// And back: FP32 [n, shape…], unbiased estimates of the bits, or of the cut values. Throws Error.
tensor::Tensor estimate(const tensor::Tensor& sent, const FeatureLayout& layout);
/// Whether a tensor is what randomize() gives for some number of samples; that number.
Result<std::int64_t> check_sent(const tensor::Tensor& sent, const FeatureLayout& layout);

}  // namespace sedna::federated
