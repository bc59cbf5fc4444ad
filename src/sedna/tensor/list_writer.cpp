#include <cmath>
#include <cstring>

#include "sedna/json/json.hpp"
#include "sedna/tensor/json_tensor.hpp"

namespace sedna::tensor {
namespace {

double from_bits(std::uint32_t bits) {
  float f = 0;
  std::memcpy(&f, &bits, sizeof f);
  return static_cast<double>(f);
}

double half_to_double(std::uint16_t h) {
  const double sign = (h & 0x8000) != 0 ? -1.0 : 1.0;
  const int exponent = (h >> 10) & 0x1F;
  const int fraction = h & 0x3FF;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  if (exponent == 31) return fraction != 0 ? std::nan("") : sign * HUGE_VAL;
  return sign * std::ldexp(fraction + 1024, exponent - 25);
}

/// Writes the leaves one after the other; false when one has no form in JSON.
class LeafWriter {
 public:
  LeafWriter(std::string& out, const Tensor& tensor, bool allow_nan)
      : out_(out), tensor_(tensor), allow_nan_(allow_nan), size_(dtype_size(tensor.dtype)) {}

  bool write(std::size_t index, const std::vector<std::string_view>& strings) {
    const std::byte* const at = size_ == 0 ? nullptr : tensor_.data.data() + index * size_;
    switch (tensor_.dtype) {
      case DType::kBool:
        out_ += *at != std::byte{0} ? "true" : "false";
        return true;
      case DType::kUint8:
        return integer<std::uint8_t>(at);
      case DType::kUint16:
        return integer<std::uint16_t>(at);
      case DType::kUint32:
        return integer<std::uint32_t>(at);
      case DType::kUint64:
        return integer<std::uint64_t>(at);
      case DType::kInt8:
        return integer<std::int8_t>(at);
      case DType::kInt16:
        return integer<std::int16_t>(at);
      case DType::kInt32:
        return integer<std::int32_t>(at);
      case DType::kInt64:
        return integer<std::int64_t>(at);
      case DType::kFp16:
        return floating(half_to_double(load<std::uint16_t>(at)));
      case DType::kBf16:
        return floating(from_bits(static_cast<std::uint32_t>(load<std::uint16_t>(at)) << 16));
      case DType::kFp32:
        return floating(static_cast<double>(load<float>(at)));
      case DType::kFp64:
        return floating(load<double>(at));
      case DType::kBytes:
        return text(strings[index]);
    }
    return false;
  }

  std::string reason;

 private:
  template <class T>
  static T load(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }

  template <class T>
  bool integer(const std::byte* at) {
    char text[json::kMaxNumberText];
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    out_.append(text, json::write_integer(text, static_cast<Wide>(load<T>(at))));
    return true;
  }

  bool floating(double value) {
    if (!allow_nan_ && !std::isfinite(value)) {
      reason = "is not finite; NaN and infinities have no form in JSON";
      return false;
    }
    char text[json::kMaxNumberText];
    out_.append(text, json::write_double(text, value));
    return true;
  }

  bool text(std::string_view value) {
    for (const char* p = value.data(); p != value.data() + value.size();) {
      const std::size_t size = json::utf8_sequence(p, value.data() + value.size());
      if (size == 0) {
        reason = "is not UTF-8, which JSON needs; ask for it as binary data";
        return false;
      }
      p += size;
    }
    json::append_string(out_, value);
    return true;
  }

  std::string& out_;
  const Tensor& tensor_;
  bool allow_nan_;
  std::size_t size_;
};

}  // namespace

Result<void> append_lists(std::string& out, const Tensor& tensor, const ListStyle& style) {
  if (const Result<void> valid = tensor.validate(); !valid) return valid;
  const std::size_t count = static_cast<std::size_t>(element_count(tensor.shape).value());
  std::vector<std::string_view> strings;
  if (tensor.dtype == DType::kBytes) strings = bytes_elements(tensor).value();

  LeafWriter leaves(out, tensor, style.allow_nan);
  const auto refused = [&](std::size_t index) {
    return Error(ErrorCode::kInvalidArgument, leaves.reason, "data[" + std::to_string(index) + "]");
  };
  Shape shape = style.nested ? tensor.shape : Shape{static_cast<std::int64_t>(count)};
  if (shape.empty()) {
    if (!leaves.write(0, strings)) return refused(0);
    return {};
  }
  // An empty dimension ends the nesting there: shape [2,0,3] is [[],[]].
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) shape.resize(i + 1);
  }
  const std::size_t rank = shape.size();
  const auto row = static_cast<std::size_t>(shape.back());
  std::vector<std::int64_t> at(rank, 0);
  out.append(rank, '[');
  std::size_t index = 0;
  while (true) {
    for (std::size_t i = 0; i < row; ++i) {
      if (i > 0) out += style.separator;
      if (!leaves.write(index, strings)) return refused(index);
      ++index;
    }
    out += ']';
    // Carry into the outer dimensions.
    std::size_t level = rank - 1;
    while (level > 0 && ++at[level - 1] == shape[level - 1]) {
      at[--level] = 0;
      out += ']';
    }
    if (level == 0) return {};
    out += style.separator;
    out.append(rank - level, '[');
  }
}

}  // namespace sedna::tensor
