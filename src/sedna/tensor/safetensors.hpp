// The safetensors format: u64 header length, a JSON header {name: {dtype, shape, data_offsets}}, then the tensors'
// bytes without holes. Models and updates of federated jobs have this form on the socket and on disk, and Python's
// safe_open() reads the same bytes. https://huggingface.co/docs/safetensors
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/tensor/tensor.hpp"

namespace sedna::tensor {

/// Text pairs in the header's "__metadata__", in order.
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// The value of the first pair of that key.
std::optional<std::string_view> find_metadata(const Metadata& metadata, std::string_view key);

/// What a header says, in the order of the data.
struct SafetensorsHeader {
  struct Entry {
    std::string name;
    DType dtype = DType::kFp32;
    Shape shape;
    std::uint64_t begin = 0;  ///< in the data, which begins at data_offset
    std::uint64_t end = 0;
  };
  std::vector<Entry> tensors;
  Metadata metadata;
  std::uint64_t data_offset = 0;  ///< in the file
  std::uint64_t data_size = 0;
  std::uint64_t file_size() const { return data_offset + data_size; }
};

/// Readers refuse longer headers; the format's own limit is 100 MB.
inline constexpr std::size_t kMaxSafetensorsHeader = std::size_t{4} << 20;

/// The first eight bytes: how long the JSON behind them is. An error when it is longer than `max_header`.
Result<std::uint64_t> safetensors_header_size(std::span<const std::byte> first_eight,
                                              std::size_t max_header = kMaxSafetensorsHeader);
/// The JSON text. Checks everything: names are unique, dtypes known, offsets cover the data without holes or overlaps
/// and agree with shapes.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view text);

/// Header and tensors of a whole file; the tensors are slices of `file` (copies only where alignment asks for them).
struct SafetensorsFile {
  SafetensorsHeader header;
  std::vector<Tensor> tensors;
};
Result<SafetensorsFile> read_safetensors(const Bytes& file, std::size_t max_header = kMaxSafetensorsHeader);

/// The eight bytes and the JSON for tensors that follow in this order; padded so that the data begins 64-byte aligned.
/// Throws Error(kInvalidArgument) for BYTES tensors and for names that repeat.
std::string write_safetensors_header(std::span<const Tensor> tensors, const Metadata& metadata);
/// A whole file as parts for a gathered write: the header, then the tensors' own bytes.
std::vector<Bytes> write_safetensors(std::span<const Tensor> tensors, const Metadata& metadata);

/// "F32", "BF16", "I64", … as safetensors writes them; empty for BYTES.
std::string_view safetensors_dtype(DType dtype);
std::optional<DType> dtype_from_safetensors(std::string_view name);

}  // namespace sedna::tensor
