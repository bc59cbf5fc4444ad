#include "sedna/tensor/tensor.hpp"

#include <array>
#include <cstring>
#include <limits>

namespace sedna::tensor {
namespace {

struct DTypeInfo {
  std::string_view name;
  std::size_t size;
};

// In the order of DType.
constexpr std::array<DTypeInfo, 14> kDTypes{{{"BOOL", 1},
                                             {"UINT8", 1},
                                             {"UINT16", 2},
                                             {"UINT32", 4},
                                             {"UINT64", 8},
                                             {"INT8", 1},
                                             {"INT16", 2},
                                             {"INT32", 4},
                                             {"INT64", 8},
                                             {"FP16", 2},
                                             {"BF16", 2},
                                             {"FP32", 4},
                                             {"FP64", 8},
                                             {"BYTES", 0}}};

constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 62;

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t dim : shape) {
    if (text.size() > 1) text += ",";
    text += std::to_string(dim);
  }
  return text + "]";
}

std::string element_path(std::size_t index) {
  return "data[" + std::to_string(index) + "]";
}

}  // namespace

std::size_t dtype_size(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)].size;
}

std::string_view dtype_name(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)].name;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    if (kDTypes[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

Result<std::uint64_t> element_count(std::span<const std::int64_t> shape, std::uint64_t unit) {
  // A zero makes the product zero whatever else is there, but the others must still be sane: [2^62, 2^62, 0] would be
  // harmless here and not for whoever multiplies strides.
  std::uint64_t product = unit;
  bool empty = unit == 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) {
      return Error(ErrorCode::kInvalidArgument, "dimension is " + std::to_string(shape[i]) + "; it must be 0 or more",
                   "shape[" + std::to_string(i) + "]");
    }
    if (shape[i] == 0) {
      empty = true;
      continue;
    }
    if (product != 0 && static_cast<std::uint64_t>(shape[i]) > kMaxCount / product) {
      return Error(ErrorCode::kInvalidArgument, shape_text(shape) + " is larger than can be addressed", "shape");
    }
    product *= static_cast<std::uint64_t>(shape[i]);
  }
  return empty ? std::uint64_t{0} : product;
}

Result<void> Tensor::validate() const {
  if (dtype != DType::kBytes) {
    const auto bytes = element_count(shape, dtype_size(dtype));
    if (!bytes) return bytes.error();
    if (*bytes != data.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   "has " + std::to_string(data.size()) + " bytes; " + std::string(dtype_name(dtype)) +
                       shape_text(shape) + " needs " + std::to_string(*bytes),
                   "data");
    }
    return {};
  }
  const auto elements = bytes_elements(*this);
  if (!elements) return elements.error();
  return {};
}

Tensor make_bytes_tensor(std::string name, std::span<const std::string_view> values) {
  std::size_t size = 0;
  for (const std::string_view value : values) {
    if (value.size() > std::numeric_limits<std::uint32_t>::max()) {
      throw Error(ErrorCode::kInvalidArgument, "an element of a BYTES tensor is longer than 4 GiB", std::move(name));
    }
    size += 4 + value.size();
  }
  AlignedBuffer buffer(size);
  std::byte* out = buffer.data();
  for (const std::string_view value : values) {
    const auto length = static_cast<std::uint32_t>(value.size());
    for (int i = 0; i < 4; ++i) *out++ = static_cast<std::byte>(length >> (8 * i));
    if (!value.empty()) std::memcpy(out, value.data(), value.size());
    out += value.size();
  }
  return Tensor{std::move(name), DType::kBytes, {static_cast<std::int64_t>(values.size())}, std::move(buffer).freeze()};
}

Result<std::vector<std::string_view>> bytes_elements(const Tensor& tensor) {
  if (tensor.dtype != DType::kBytes) {
    return Error(ErrorCode::kInvalidArgument, "is " + std::string(dtype_name(tensor.dtype)) + ", not BYTES",
                 "datatype");
  }
  const auto count = element_count(tensor.shape);
  if (!count) return count.error();
  const std::string_view text = tensor.data.text();
  const auto unsigned_at = [text](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  // Each element takes at least its length field: a huge shape over few bytes must not reserve memory.
  if (*count > text.size() / 4) {
    return Error(ErrorCode::kInvalidArgument,
                 std::to_string(text.size()) + " bytes cannot hold the " + std::to_string(*count) +
                     " BYTES elements of shape " + shape_text(tensor.shape),
                 "data");
  }
  std::vector<std::string_view> elements;
  elements.reserve(static_cast<std::size_t>(*count));
  std::size_t at = 0;
  while (elements.size() < *count) {
    if (text.size() - at < 4) {
      return Error(ErrorCode::kInvalidArgument, "is cut off before its length", element_path(elements.size()));
    }
    const std::uint32_t length =
        unsigned_at(at) | unsigned_at(at + 1) << 8 | unsigned_at(at + 2) << 16 | unsigned_at(at + 3) << 24;
    at += 4;
    if (length > text.size() - at) {
      return Error(ErrorCode::kInvalidArgument,
                   "says " + std::to_string(length) + " bytes; " + std::to_string(text.size() - at) + " are left",
                   element_path(elements.size()));
    }
    elements.push_back(text.substr(at, length));
    at += length;
  }
  if (at != text.size()) {
    return Error(
        ErrorCode::kInvalidArgument,
        std::to_string(text.size() - at) + " bytes are left after the last of " + std::to_string(*count) + " elements",
        "data");
  }
  return elements;
}

}  // namespace sedna::tensor
