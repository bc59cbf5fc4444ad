// Smaller updates: what a client sends is the change of the model, coded. The codec is the job's (its plan names it);
// what coding loses stays with the client and goes along next time (error feedback). Called by clients (encode) and by
// the aggregation server (decode), which then sees an update like any other.
//   bf16, fp16   half the bytes
//   int8         a quarter: blocks of 1024 with one float32 scale, the largest magnitude of the block / 127
//   int4         an eighth: the same with 15 levels, two values a byte
//   topk         the largest share of the values (0.1 unless said), as index and bf16
//   sign         an eighth of int8: one bit a value and the mean magnitude of its block of 1024
// Seide et al., "1-Bit Stochastic Gradient Descent", Interspeech 2014 (error feedback); Lin et al., "Deep Gradient
// Compression", ICLR 2018 (top-k).
#pragma once

#include <string>
#include <vector>

#include "sedna/federated/aggregation.hpp"

namespace sedna::federated {

enum class CodecKind : std::uint8_t { kNone, kBf16, kFp16, kInt8, kInt4, kTopK, kSign };

struct Codec {
  Codec() {}
  /// "", "none", "bf16", "int8", "topk,share=0.01", … Throws Error(kInvalidArgument).
  explicit Codec(const std::string& text);
  std::string text() const;  ///< "" for none
  bool none() const { return kind == CodecKind::kNone; }

  CodecKind kind = CodecKind::kNone;
  double share = 0.1;  ///< topk
};

/// What coding has not sent yet; belongs to a client and survives its restarts. Empty: nothing.
using Residual = std::vector<std::vector<float>>;

/// The change from `base` to `weights`, plus `residual`, coded; `residual` is then what was lost. Tensors keep their
/// places: "weights.0" may come with "scale.weights.0" or "index.weights.0".
Weights encode_change(const Weights& weights, const Weights& base, const Codec& codec, Residual& residual);
/// base plus what was coded. An error names the tensor when it does not fit the base.
Result<Weights> decode_change(const std::vector<tensor::Tensor>& coded, const Weights& base, const Codec& codec);

/// IEEE half and bfloat16, rounded to nearest even.
std::uint16_t to_bf16(float value);
float from_bf16(std::uint16_t bits);
std::uint16_t to_fp16(float value);
float from_fp16(std::uint16_t bits);

}  // namespace sedna::federated
