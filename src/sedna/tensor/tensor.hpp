// Typed n-dimensional arrays as they travel: a dtype, a shape and shared little-endian row-major bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/base/result.hpp"

namespace sedna::tensor {

enum class DType : std::uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kBytes,
};

/// Bytes of one element; 0 for kBytes (each element is u32 length + bytes).
std::size_t dtype_size(DType dtype);
/// The Open Inference Protocol's name: "FP32", "BYTES", …
std::string_view dtype_name(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

using Shape = std::vector<std::int64_t>;

/// Product of the dimensions; an error when one is negative or the product (times `unit`) overflows 2^62.
Result<std::uint64_t> element_count(std::span<const std::int64_t> shape, std::uint64_t unit = 1);

struct Tensor {
  std::string name;
  DType dtype = DType::kFp32;
  Shape shape;
  Bytes data;

  /// The elements in place; T must be the dtype's C++ type. Data is 64-byte aligned when received by us.
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
  /// Checks that data has exactly the size that dtype and shape say (BYTES: that the lengths add up).
  Result<void> validate() const;
};

/// Packs strings as a BYTES tensor of shape [n].
Tensor make_bytes_tensor(std::string name, std::span<const std::string_view> values);
/// The elements of a BYTES tensor, as views into it.
Result<std::vector<std::string_view>> bytes_elements(const Tensor& tensor);

}  // namespace sedna::tensor
