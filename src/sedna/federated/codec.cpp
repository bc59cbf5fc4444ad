#include "sedna/federated/codec.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>

#include "sedna/federated/elementwise.hpp"
#include "sedna/federated/settings.hpp"

namespace sedna::federated {

using tensor::DType;
using tensor::Tensor;

namespace {

constexpr std::size_t kBlock = 1024;

constexpr std::array<std::pair<CodecKind, std::string_view>, 7> kNames = {{{CodecKind::kNone, "none"},
                                                                           {CodecKind::kBf16, "bf16"},
                                                                           {CodecKind::kFp16, "fp16"},
                                                                           {CodecKind::kInt8, "int8"},
                                                                           {CodecKind::kInt4, "int4"},
                                                                           {CodecKind::kTopK, "topk"},
                                                                           {CodecKind::kSign, "sign"}}};

std::size_t blocks_of(std::size_t elements) {
  return (elements + kBlock - 1) / kBlock;
}

template <class T>
Tensor tensor_of(std::string name, DType dtype, const std::vector<T>& values) {
  Tensor out;
  out.name = std::move(name);
  out.dtype = dtype;
  out.shape = {static_cast<std::int64_t>(values.size())};
  out.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return out;
}

std::string name_of(const Tensor& tensor, std::size_t index) {
  return tensor.name.empty() ? "weights." + std::to_string(index) : tensor.name;
}

std::size_t kept(std::size_t elements, double share) {
  if (elements == 0) return 0;
  return std::clamp<std::size_t>(static_cast<std::size_t>(std::ceil(share * static_cast<double>(elements))), 1,
                                 elements);
}

/// One tensor's change in, coded tensors out; `change` becomes what was lost.
class Encoder {
 public:
  Encoder(const Codec& codec, Weights& out) : codec_(codec), out_(out) {}

  void add(const std::string& name, std::vector<float>& change) {
    switch (codec_.kind) {
      case CodecKind::kBf16:
      case CodecKind::kFp16:
        return halves(name, change);
      case CodecKind::kInt8:
        return levels(name, change, 127);
      case CodecKind::kInt4:
        return levels(name, change, 7);
      case CodecKind::kTopK:
        return largest(name, change);
      case CodecKind::kSign:
        return signs(name, change);
      case CodecKind::kNone:
        return;
    }
  }

 private:
  void halves(const std::string& name, std::vector<float>& change) {
    const bool bf16 = codec_.kind == CodecKind::kBf16;
    std::vector<std::uint16_t> coded(change.size());
    for (std::size_t k = 0; k < change.size(); ++k) {
      coded[k] = bf16 ? to_bf16(change[k]) : to_fp16(change[k]);
      change[k] -= bf16 ? from_bf16(coded[k]) : from_fp16(coded[k]);
    }
    out_.push_back(tensor_of(name, bf16 ? DType::kBf16 : DType::kFp16, coded));
  }

  void levels(const std::string& name, std::vector<float>& change, int top) {
    std::vector<float> scales(blocks_of(change.size()));
    std::vector<std::int8_t> coded(change.size());
    for (std::size_t block = 0; block < scales.size(); ++block) {
      const std::size_t first = block * kBlock;
      const std::size_t last = std::min(first + kBlock, change.size());
      float largest = 0;
      for (std::size_t k = first; k < last; ++k) largest = std::max(largest, std::abs(change[k]));
      const float scale = largest / static_cast<float>(top);
      scales[block] = scale;
      for (std::size_t k = first; k < last; ++k) {
        const float level = scale > 0 ? std::nearbyint(change[k] / scale) : 0.0F;
        coded[k] = static_cast<std::int8_t>(std::clamp(level, static_cast<float>(-top), static_cast<float>(top)));
        change[k] -= static_cast<float>(coded[k]) * scale;
      }
    }
    if (top == 127) {
      out_.push_back(tensor_of(name, DType::kInt8, coded));
    } else {
      std::vector<std::uint8_t> packed((coded.size() + 1) / 2, 0);
      for (std::size_t k = 0; k < coded.size(); ++k) {
        packed[k / 2] = static_cast<std::uint8_t>(packed[k / 2] | ((coded[k] + 8) << (4 * (k % 2))));
      }
      out_.push_back(tensor_of(name, DType::kUint8, packed));
    }
    out_.push_back(tensor_of("scale." + name, DType::kFp32, scales));
  }

  void largest(const std::string& name, std::vector<float>& change) {
    const std::size_t count = kept(change.size(), codec_.share);
    std::vector<std::uint32_t> index(change.size());
    std::iota(index.begin(), index.end(), 0U);
    const auto larger = [&](std::uint32_t a, std::uint32_t b) {
      const float x = std::abs(change[a]), y = std::abs(change[b]);
      return x != y ? x > y : a < b;
    };
    if (count < index.size()) {
      std::ranges::nth_element(index, index.begin() + static_cast<std::ptrdiff_t>(count), larger);
    }
    index.resize(count);
    std::ranges::sort(index);
    std::vector<std::uint16_t> coded(count);
    for (std::size_t i = 0; i < count; ++i) {
      coded[i] = to_bf16(change[index[i]]);
      change[index[i]] -= from_bf16(coded[i]);
    }
    out_.push_back(tensor_of(name, DType::kBf16, coded));
    out_.push_back(tensor_of("index." + name, DType::kUint32, index));
  }

  void signs(const std::string& name, std::vector<float>& change) {
    std::vector<float> scales(blocks_of(change.size()));
    std::vector<std::uint8_t> bits((change.size() + 7) / 8, 0);
    for (std::size_t block = 0; block < scales.size(); ++block) {
      const std::size_t first = block * kBlock;
      const std::size_t last = std::min(first + kBlock, change.size());
      double sum = 0;
      for (std::size_t k = first; k < last; ++k) sum += std::abs(static_cast<double>(change[k]));
      const auto scale = static_cast<float>(sum / static_cast<double>(last - first));
      scales[block] = scale;
      for (std::size_t k = first; k < last; ++k) {
        const bool up = change[k] >= 0;
        if (up) bits[k / 8] = static_cast<std::uint8_t>(bits[k / 8] | (1U << (k % 8)));
        change[k] -= up ? scale : -scale;
      }
    }
    out_.push_back(tensor_of(name, DType::kUint8, bits));
    out_.push_back(tensor_of("scale." + name, DType::kFp32, scales));
  }

  const Codec& codec_;
  Weights& out_;
};

/// One tensor's coded values, as they are asked for in order.
class Decoder {
 public:
  Decoder(const Codec& codec, const Tensor& main, const Tensor* second) : codec_(codec), main_(main), second_(second) {}

  /// Whether the tensors have the dtypes and sizes that `elements` values take.
  Result<void> check(std::size_t elements) const {
    const auto is = [](const Tensor* t, DType dtype, std::size_t count) {
      return t != nullptr && t->dtype == dtype && t->data.size() == count * tensor::dtype_size(dtype);
    };
    bool right = false;
    switch (codec_.kind) {
      case CodecKind::kBf16:
      case CodecKind::kFp16:
        right = is(&main_, codec_.kind == CodecKind::kBf16 ? DType::kBf16 : DType::kFp16, elements);
        break;
      case CodecKind::kInt8:
        right = is(&main_, DType::kInt8, elements) && is(second_, DType::kFp32, blocks_of(elements));
        break;
      case CodecKind::kInt4:
        right = is(&main_, DType::kUint8, (elements + 1) / 2) && is(second_, DType::kFp32, blocks_of(elements));
        break;
      case CodecKind::kSign:
        right = is(&main_, DType::kUint8, (elements + 7) / 8) && is(second_, DType::kFp32, blocks_of(elements));
        break;
      case CodecKind::kTopK: {
        const std::size_t count = kept(elements, codec_.share);
        right = is(&main_, DType::kBf16, count) && is(second_, DType::kUint32, count);
        if (!right) break;
        const auto index = second_->as<std::uint32_t>();
        for (std::size_t i = 0; i < count; ++i) right &= index[i] < elements && (i == 0 || index[i - 1] < index[i]);
        break;
      }
      case CodecKind::kNone:
        break;
    }
    if (!right)
      return Error(ErrorCode::kInvalidArgument, "is not coded as " + codec_.text() + " for the model", main_.name);
    return {};
  }

  /// base plus what was coded, block by block: a model in float64 would be twice the model.
  template <class T>
  void decode(std::span<const T> base, T* to) const {
    if (codec_.kind == CodecKind::kTopK) {
      std::ranges::copy(base, to);
      const auto coded = main_.as<std::uint16_t>();
      const auto index = second_->as<std::uint32_t>();
      for (std::size_t i = 0; i < index.size(); ++i) {
        to[index[i]] = static_cast<T>(static_cast<double>(to[index[i]]) + static_cast<double>(from_bf16(coded[i])));
      }
      return;
    }
    float change[kBlock];
    for (std::size_t first = 0; first < base.size(); first += kBlock) {
      const std::size_t count = std::min(kBlock, base.size() - first);
      read_block(first, count, change);
      for (std::size_t k = 0; k < count; ++k) {
        to[first + k] = static_cast<T>(static_cast<double>(base[first + k]) + static_cast<double>(change[k]));
      }
    }
  }

 private:
  /// `first` is a multiple of kBlock. Not for kTopK.
  void read_block(std::size_t first, std::size_t count, float* to) const {
    const float scale = second_ == nullptr ? 1.0F : second_->as<float>()[first / kBlock];
    switch (codec_.kind) {
      case CodecKind::kBf16: {
        const auto* const coded = main_.as<std::uint16_t>().data() + first;
        for (std::size_t k = 0; k < count; ++k) to[k] = from_bf16(coded[k]);
        return;
      }
      case CodecKind::kFp16: {
        const auto* const coded = main_.as<std::uint16_t>().data() + first;
        for (std::size_t k = 0; k < count; ++k) to[k] = from_fp16(coded[k]);
        return;
      }
      case CodecKind::kInt8: {
        const auto* const coded = main_.as<std::int8_t>().data() + first;
        for (std::size_t k = 0; k < count; ++k) to[k] = static_cast<float>(coded[k]) * scale;
        return;
      }
      case CodecKind::kInt4: {
        const auto* const packed = main_.as<std::uint8_t>().data() + first / 2;
        for (std::size_t k = 0; k < count; ++k) {
          const int level = ((packed[k / 2] >> (4 * (k % 2))) & 15) - 8;
          to[k] = static_cast<float>(level) * scale;
        }
        return;
      }
      case CodecKind::kSign: {
        const auto* const bits = main_.as<std::uint8_t>().data() + first / 8;
        for (std::size_t k = 0; k < count; ++k) to[k] = ((bits[k / 8] >> (k % 8)) & 1) != 0 ? scale : -scale;
        return;
      }
      case CodecKind::kTopK:
      case CodecKind::kNone:
        break;
    }
    std::fill_n(to, count, 0.0F);
  }

  const Codec& codec_;
  const Tensor& main_;
  const Tensor* second_;
};

bool has_second(CodecKind kind) {
  return kind != CodecKind::kBf16 && kind != CodecKind::kFp16;
}

std::vector<double> doubles_of(const Tensor& tensor) {
  return with_float(tensor.dtype, [&](auto zero) {
    const auto values = tensor.as<decltype(zero)>();
    return std::vector<double>(values.begin(), values.end());
  });
}

}  // namespace

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}
float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t to_fp16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  // What would round to 65536 is as large as a half can say: an infinity would be refused.
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7bffU);
  if (magnitude < 0x38800000U) {  // subnormal halves: adding 0.5 lets the hardware round at the right bit
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
  }
  const std::uint32_t rounded = magnitude + 0xc8000fffU + ((magnitude >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | (rounded >> 13));
}
float from_fp16(std::uint16_t bits) {
  const std::uint32_t sign = (static_cast<std::uint32_t>(bits) & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31U;
  const std::uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  const std::uint32_t wide =
      exponent == 31 ? 0x7f800000U | (mantissa << 13) : ((exponent + 112) << 23) | (mantissa << 13);
  return std::bit_cast<float>(sign | wide);
}

Codec::Codec(const std::string& text) {
  if (text.empty()) return;
  Settings settings(text);
  const auto it = std::ranges::find(kNames, settings.name(), [](const auto& entry) { return entry.second; });
  if (it == kNames.end()) {
    std::string known;
    for (const auto& [codec, name] : kNames) known += (known.empty() ? "" : ", ") + std::string(name);
    throw Error(ErrorCode::kInvalidArgument, "is no codec; there are " + known, settings.name());
  }
  kind = it->first;
  if (kind == CodecKind::kTopK) share = settings.number("share", 0.1, 1e-9, 1);
  settings.finish();
}

std::string Codec::text() const {
  if (none()) return {};
  for (const auto& [codec, name] : kNames) {
    if (codec != kind) continue;
    if (kind != CodecKind::kTopK) return std::string(name);
    char number[32];
    return std::string(name) +
           ",share=" + std::string(number, std::to_chars(number, number + sizeof number, share).ptr);
  }
  return {};
}

Weights encode_change(const Weights& weights, const Weights& base, const Codec& codec, Residual& residual) {
  if (weights.size() != base.size()) throw Error(ErrorCode::kInvalidArgument, "are not those of the model", "weights");
  residual.resize(weights.size());
  Weights out;
  Encoder encoder(codec, out);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::string name = name_of(weights[i], i);
    if (weights[i].shape != base[i].shape)
      throw Error(ErrorCode::kInvalidArgument, "is not of the model's shape", name);
    const std::vector<double> now = doubles_of(weights[i]);
    const std::vector<double> before = doubles_of(base[i]);
    std::vector<float>& lost = residual[i];
    lost.resize(now.size(), 0.0F);
    for (std::size_t k = 0; k < now.size(); ++k) {
      lost[k] = static_cast<float>(static_cast<double>(lost[k]) + (now[k] - before[k]));
    }
    encoder.add(name, lost);
  }
  return out;
}

Result<Weights> decode_change(const std::vector<Tensor>& coded, const Weights& base, const Codec& codec) {
  const std::size_t each = has_second(codec.kind) ? 2 : 1;
  if (coded.size() != each * base.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "has " + std::to_string(coded.size()) + " tensors; coded as " + codec.text() + " the model has " +
                     std::to_string(each * base.size()),
                 "weights");
  }
  Weights out;
  for (std::size_t i = 0; i < base.size(); ++i) {
    const Tensor& main = coded[each * i];
    if (main.name != name_of(base[i], i)) {
      return Error(ErrorCode::kInvalidArgument, "stands where the model has '" + name_of(base[i], i) + "'", main.name);
    }
    const Decoder decoder(codec, main, each == 2 ? &coded[each * i + 1] : nullptr);
    if (const auto right = decoder.check(elements_of(base[i])); !right) return right.error();
    Tensor tensor = base[i];
    AlignedBuffer buffer(base[i].data.size());
    with_float(base[i].dtype, [&](auto zero) {
      using T = decltype(zero);
      decoder.decode<T>(base[i].as<T>(), reinterpret_cast<T*>(buffer.data()));
    });
    tensor.data = std::move(buffer).freeze();
    out.push_back(std::move(tensor));
  }
  return out;
}

}  // namespace sedna::federated
