#include "sedna/tensor/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <set>
#include <tuple>

#include "sedna/json/json.hpp"

namespace sedna::tensor {

static_assert(std::endian::native == std::endian::little, "tensors travel as they lie in memory");

namespace {

constexpr std::array<std::pair<DType, std::string_view>, 13> kNames = {{{DType::kBool, "BOOL"},
                                                                        {DType::kUint8, "U8"},
                                                                        {DType::kUint16, "U16"},
                                                                        {DType::kUint32, "U32"},
                                                                        {DType::kUint64, "U64"},
                                                                        {DType::kInt8, "I8"},
                                                                        {DType::kInt16, "I16"},
                                                                        {DType::kInt32, "I32"},
                                                                        {DType::kInt64, "I64"},
                                                                        {DType::kFp16, "F16"},
                                                                        {DType::kBf16, "BF16"},
                                                                        {DType::kFp32, "F32"},
                                                                        {DType::kFp64, "F64"}}};

constexpr std::string_view kMetadata = "__metadata__";

Error bad(std::string message, std::string subject = "safetensors header") {
  return {ErrorCode::kInvalidArgument, std::move(message), std::move(subject)};
}

Result<std::uint64_t> whole(const json::value& v, const std::string& where) {
  if (v.is_int64() && v.as_int64() >= 0) return static_cast<std::uint64_t>(v.as_int64());
  return bad("must be a whole number, 0 or more", where);
}

Result<SafetensorsHeader::Entry> read_entry(const std::string& name, const json::value& value) {
  const auto object = json::as_object(value, name);
  if (!object) return object.error();
  SafetensorsHeader::Entry entry;
  entry.name = name;
  const auto dtype_text = json::require_string(**object, "dtype", name);
  if (!dtype_text) return dtype_text.error();
  const auto dtype = dtype_from_safetensors(*dtype_text);
  if (!dtype) return bad("'" + *dtype_text + "' is no dtype of safetensors", name + ".dtype");
  entry.dtype = *dtype;
  const auto shape = json::require_array(**object, "shape", name);
  if (!shape) return shape.error();
  for (const json::value& dimension : **shape) {
    const auto n = whole(dimension, name + ".shape");
    if (!n) return n.error();
    entry.shape.push_back(static_cast<std::int64_t>(*n));
  }
  const auto offsets = json::require_array(**object, "data_offsets", name);
  if (!offsets) return offsets.error();
  if ((*offsets)->size() != 2) return bad("must be [begin, end]", name + ".data_offsets");
  const auto begin = whole((**offsets)[0], name + ".data_offsets");
  const auto end = whole((**offsets)[1], name + ".data_offsets");
  if (!begin) return begin.error();
  if (!end) return end.error();
  entry.begin = *begin;
  entry.end = *end;
  const auto bytes = element_count(entry.shape, dtype_size(entry.dtype));
  if (!bytes) return bytes.error().within(name);
  if (entry.end < entry.begin || entry.end - entry.begin != *bytes) {
    return bad("do not have the length that dtype and shape say", name + ".data_offsets");
  }
  return entry;
}

}  // namespace

std::optional<std::string_view> find_metadata(const Metadata& metadata, std::string_view key) {
  for (const auto& [name, value] : metadata) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::string_view safetensors_dtype(DType dtype) {
  for (const auto& [known, name] : kNames) {
    if (known == dtype) return name;
  }
  return {};
}

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  for (const auto& [dtype, known] : kNames) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

Result<std::uint64_t> safetensors_header_size(std::span<const std::byte> first_eight, std::size_t max_header) {
  if (first_eight.size() < 8) return bad("is cut off within its first eight bytes");
  std::uint64_t size = 0;
  std::memcpy(&size, first_eight.data(), 8);
  if (size < 2 || size > max_header) {
    return bad("says it has " + std::to_string(size) + " bytes; 2 to " + std::to_string(max_header) + " are accepted");
  }
  return size;
}

Result<SafetensorsHeader> parse_safetensors_header(std::string_view text) {
  // The reference reader allows blanks behind the object only; JSON's reader allows them anywhere outside.
  json::ParseOptions options;
  options.limits.max_depth = 8;
  auto parsed = json::parse(text, options);
  if (!parsed) return bad(parsed.error().message());
  const auto members = json::as_object(*parsed, "safetensors header");
  if (!members) return members.error();
  SafetensorsHeader header;
  header.data_offset = 8 + text.size();
  for (const auto& [key, value] : **members) {
    const std::string name(key);
    if (name == kMetadata) {
      const auto pairs = json::as_object(value, name);
      if (!pairs) return pairs.error();
      for (const auto& [k, v] : **pairs) {
        if (!v.is_string()) return bad("must be text", name + "." + std::string(k));
        header.metadata.emplace_back(std::string(k), std::string(v.as_string()));
      }
      continue;
    }
    auto entry = read_entry(name, value);
    if (!entry) return entry.error();
    header.tensors.push_back(std::move(*entry));
  }
  // Empty tensors begin where others do: between those the header's order decides.
  std::vector<std::size_t> order(header.tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {},
                    [&](std::size_t i) { return std::tuple(header.tensors[i].begin, header.tensors[i].end, i); });
  std::vector<SafetensorsHeader::Entry> sorted;
  sorted.reserve(order.size());
  for (const std::size_t i : order) sorted.push_back(std::move(header.tensors[i]));
  header.tensors = std::move(sorted);
  for (const auto& entry : header.tensors) {
    if (entry.begin != header.data_size) return bad("leave a hole or overlap", entry.name + ".data_offsets");
    header.data_size = entry.end;
  }
  return header;
}

Result<SafetensorsFile> read_safetensors(const Bytes& file, std::size_t max_header) {
  const auto size = safetensors_header_size(file.span().first(std::min<std::size_t>(8, file.size())), max_header);
  if (!size) return size.error();
  if (file.size() - 8 < *size) return bad("is cut off");
  auto header = parse_safetensors_header(file.text().substr(8, static_cast<std::size_t>(*size)));
  if (!header) return header.error();
  SafetensorsFile out;
  out.header = std::move(*header);
  if (out.header.file_size() != file.size()) {
    return bad(
        "describes " + std::to_string(out.header.file_size()) + " bytes, the file has " + std::to_string(file.size()),
        "safetensors file");
  }
  for (const auto& entry : out.header.tensors) {
    Tensor tensor;
    tensor.name = entry.name;
    tensor.dtype = entry.dtype;
    tensor.shape = entry.shape;
    const auto count = static_cast<std::size_t>(entry.end - entry.begin);
    tensor.data = file.slice(static_cast<std::size_t>(out.header.data_offset + entry.begin), count);
    if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % dtype_size(entry.dtype) != 0) {
      tensor.data = Bytes::copy_of(tensor.data.span());
    }
    out.tensors.push_back(std::move(tensor));
  }
  return out;
}

std::string write_safetensors_header(std::span<const Tensor> tensors, const Metadata& metadata) {
  std::string text = "{";
  const auto comma = [&] {
    if (text.size() > 1) text += ',';
  };
  if (!metadata.empty()) {
    json::append_string(text, kMetadata);
    text += ":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      if (!first) text += ',';
      first = false;
      json::append_string(text, key);
      text += ':';
      json::append_string(text, value);
    }
    text += '}';
  }
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const std::string_view dtype = safetensors_dtype(tensor.dtype);
    if (dtype.empty()) throw Error(ErrorCode::kInvalidArgument, "has no form in safetensors", tensor.name);
    if (tensor.name == kMetadata || !names.insert(tensor.name).second) {
      throw Error(ErrorCode::kInvalidArgument, "two tensors cannot have this name", tensor.name);
    }
    comma();
    json::append_string(text, tensor.name);
    text += R"(:{"dtype":")";
    text += dtype;
    text += R"(","shape":[)";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      if (i > 0) text += ',';
      json::append_number(text, tensor.shape[i]);
    }
    text += R"(],"data_offsets":[)";
    json::append_number(text, static_cast<std::int64_t>(offset));
    text += ',';
    offset += tensor.data.size();
    json::append_number(text, static_cast<std::int64_t>(offset));
    text += "]}";
  }
  text += '}';
  while ((8 + text.size()) % kBufferAlignment != 0) text += ' ';
  std::string out(8, '\0');
  const std::uint64_t size = text.size();
  std::memcpy(out.data(), &size, 8);
  return out + text;
}

std::vector<Bytes> write_safetensors(std::span<const Tensor> tensors, const Metadata& metadata) {
  std::vector<Bytes> parts;
  parts.push_back(Bytes::from_string(write_safetensors_header(tensors, metadata)));
  for (const Tensor& tensor : tensors) {
    if (!tensor.data.empty()) parts.push_back(tensor.data);
  }
  return parts;
}

}  // namespace sedna::tensor
