#include "sedna/tensor/npz.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <set>
#include <utility>

namespace sedna::tensor {
namespace {

Error bad(std::string message, std::string subject = {}) {
  return Error(ErrorCode::kInvalidArgument, std::move(message), std::move(subject));
}

constexpr std::size_t kEndRecordSize = 22;
constexpr std::size_t kDirectoryEntrySize = 46;
constexpr std::size_t kLocalHeaderSize = 30;
/// No deflate stream grows by more than this (a 258-byte copy from under two bits).
constexpr std::uint64_t kMaxDeflateRatio = 1032;

std::uint64_t little(std::string_view text, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[at + i])) << (8 * i);
  }
  return value;
}

struct ZipEntry {
  std::string name;
  std::uint64_t method = 0;
  std::uint64_t crc = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
  std::uint64_t header_at = 0;
};

/// How errors name an array: "file.npz[x.npy]".
std::string path_of(const ZipEntry& entry) {
  return "[" + entry.name + "]";
}

/// Sizes beyond 32 bits stand in an extra field.
Result<void> read_zip64(std::string_view extra, ZipEntry& entry) {
  constexpr std::uint64_t kElsewhere = 0xFFFFFFFF;
  while (extra.size() >= 4) {
    const std::uint64_t id = little(extra, 0, 2);
    const std::uint64_t length = little(extra, 2, 2);
    if (length > extra.size() - 4) break;
    std::string_view field = extra.substr(4, static_cast<std::size_t>(length));
    extra.remove_prefix(4 + static_cast<std::size_t>(length));
    if (id != 1) continue;
    for (std::uint64_t* value : {&entry.size, &entry.packed_size, &entry.header_at}) {
      if (*value != kElsewhere) continue;
      if (field.size() < 8) return bad("has a damaged zip64 field", path_of(entry));
      *value = little(field, 0, 8);
      field.remove_prefix(8);
    }
  }
  return {};
}

Result<std::vector<ZipEntry>> read_directory(std::string_view text, const NpzLimits& limits) {
  if (text.size() < kEndRecordSize) return bad("is too short for a zip archive");
  // The end record is followed by a comment of at most 65535 bytes, usually none.
  std::size_t end = text.size() - kEndRecordSize;
  const std::size_t lowest = end > 65535 ? end - 65535 : 0;
  while (text.compare(end, 4, "PK\x05\x06", 4) != 0) {
    if (end == lowest) return bad("has no zip directory; it may be cut off");
    --end;
  }
  const std::uint64_t count = little(text, end + 10, 2);
  const std::uint64_t size = little(text, end + 12, 4);
  const std::uint64_t at = little(text, end + 16, 4);
  if (count > limits.max_arrays) {
    return Error(ErrorCode::kResourceExhausted,
                 "has " + std::to_string(count) + " arrays; the limit is " + std::to_string(limits.max_arrays));
  }
  if (at > end || size > end - at) return bad("has a zip directory outside the file");
  std::string_view directory = text.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
  std::vector<ZipEntry> entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (directory.size() < kDirectoryEntrySize || !directory.starts_with(std::string_view("PK\x01\x02", 4))) {
      return bad("has a damaged zip directory");
    }
    const auto name_size = static_cast<std::size_t>(little(directory, 28, 2));
    const auto extra_size = static_cast<std::size_t>(little(directory, 30, 2));
    const auto comment_size = static_cast<std::size_t>(little(directory, 32, 2));
    const std::size_t total = kDirectoryEntrySize + name_size + extra_size + comment_size;
    if (total > directory.size()) return bad("has a damaged zip directory");
    ZipEntry entry;
    entry.name = directory.substr(kDirectoryEntrySize, name_size);
    if ((little(directory, 8, 2) & 1) != 0) return bad("is encrypted", path_of(entry));
    entry.method = little(directory, 10, 2);
    entry.crc = little(directory, 16, 4);
    entry.packed_size = little(directory, 20, 4);
    entry.size = little(directory, 24, 4);
    entry.header_at = little(directory, 42, 4);
    const auto zip64 = read_zip64(directory.substr(kDirectoryEntrySize + name_size, extra_size), entry);
    if (!zip64) return zip64.error();
    entries.push_back(std::move(entry));
    directory.remove_prefix(total);
  }
  return entries;
}

/// One raw deflate stream of exactly `size` bytes.
Result<Bytes> inflate_entry(const Bytes& packed, const ZipEntry& entry) {
  if (entry.size / kMaxDeflateRatio > entry.packed_size)
    return bad("says a size that deflate cannot reach", path_of(entry));
  AlignedBuffer out(static_cast<std::size_t>(entry.size));
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return Error(ErrorCode::kResourceExhausted, "no memory to inflate", path_of(entry));
  }
  // zlib counts in 32 bits: feed and drain in pieces.
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  std::size_t fed = 0;
  std::size_t drained = 0;
  int state = Z_OK;
  unsigned char spill = 0;  // room for the byte that must not come
  while (state == Z_OK) {
    const std::size_t in = std::min(kPiece, packed.size() - fed);
    const std::size_t room = std::min(kPiece, out.size() - drained);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + fed));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = room > 0 ? reinterpret_cast<Bytef*>(out.data() + drained) : &spill;
    stream.avail_out = static_cast<uInt>(room > 0 ? room : 1);
    state = inflate(&stream, Z_NO_FLUSH);
    fed += in - stream.avail_in;
    if (room > 0)
      drained += room - stream.avail_out;
    else if (stream.avail_out == 0)
      state = Z_DATA_ERROR;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || drained != entry.size || fed != packed.size()) {
    return bad("has damaged compressed data", path_of(entry));
  }
  return std::move(out).freeze();
}

std::uint32_t checksum(const Bytes& bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

Result<Bytes> read_entry(const Bytes& file, const ZipEntry& entry) {
  const std::string_view text = file.text();
  if (entry.header_at > text.size() || text.size() - entry.header_at < kLocalHeaderSize ||
      text.compare(static_cast<std::size_t>(entry.header_at), 4, "PK\x03\x04", 4) != 0) {
    return bad("has no local header where the directory says", path_of(entry));
  }
  const auto header = static_cast<std::size_t>(entry.header_at);
  const std::uint64_t data =
      entry.header_at + kLocalHeaderSize + little(text, header + 26, 2) + little(text, header + 28, 2);
  if (data > text.size() || entry.packed_size > text.size() - data)
    return bad("reaches beyond the file", path_of(entry));
  const Bytes packed = file.slice(static_cast<std::size_t>(data), static_cast<std::size_t>(entry.packed_size));
  Bytes content = packed;
  if (entry.method == 8) {
    Result<Bytes> inflated = inflate_entry(packed, entry);
    if (!inflated) return inflated;
    content = std::move(*inflated);
  } else if (entry.method != 0) {
    return bad("is packed by method " + std::to_string(entry.method) + "; stored and deflated are read",
               path_of(entry));
  } else if (entry.size != entry.packed_size) {
    return bad("is stored with two different sizes", path_of(entry));
  }
  if (checksum(content) != entry.crc) return bad("does not match its checksum", path_of(entry));
  return content;
}

}  // namespace

Result<std::vector<Tensor>> parse_npz(const Bytes& file, const NpzLimits& limits) {
  const auto entries = read_directory(file.text(), limits);
  if (!entries) return entries.error();
  std::vector<Tensor> tensors;
  std::set<std::string> names;
  std::uint64_t total = 0;
  for (const ZipEntry& entry : *entries) {
    if (!entry.name.ends_with(".npy")) return bad("is not a .npy file", path_of(entry));
    std::string name = entry.name.substr(0, entry.name.size() - 4);
    if (!names.insert(name).second) return bad("appears twice", path_of(entry));
    if (entry.size > limits.max_total_bytes - total) {
      return Error(ErrorCode::kResourceExhausted,
                   "the arrays are larger than the limit of " + std::to_string(limits.max_total_bytes) + " bytes",
                   path_of(entry));
    }
    total += entry.size;
    const Result<Bytes> content = read_entry(file, entry);
    if (!content) return content.error();
    Result<Tensor> tensor = parse_npy(*content, limits);
    if (!tensor) return tensor.error().within(path_of(entry));
    tensor->name = std::move(name);
    tensors.push_back(std::move(*tensor));
  }
  return tensors;
}

Result<std::vector<Tensor>> load_npz(const std::filesystem::path& path, const NpzLimits& limits) {
  const auto failed = [&](ErrorCode code, std::string message) {
    return Error(code, std::move(message), path.string());
  };
  std::error_code ec;
  const std::uintmax_t size = std::filesystem::file_size(path, ec);
  if (ec) {
    return failed(ec == std::errc::no_such_file_or_directory ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
                  "cannot be read: " + ec.message());
  }
  if (size > limits.max_file_bytes) {
    return failed(ErrorCode::kResourceExhausted,
                  "has " + std::to_string(size) + " bytes; the limit is " + std::to_string(limits.max_file_bytes));
  }
  AlignedBuffer buffer(static_cast<std::size_t>(size));
  std::ifstream in(path, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(size))) {
    return failed(ErrorCode::kInvalidArgument, "cannot be read whole");
  }
  const Bytes file = std::move(buffer).freeze();
  if (file.text().starts_with("\x93NUMPY")) {
    Result<Tensor> tensor = parse_npy(file, limits);
    if (!tensor) return tensor.error().within(path.string());
    tensor->name = path.stem().string();
    std::vector<Tensor> one;
    one.push_back(std::move(*tensor));
    return one;
  }
  if (!file.text().starts_with("PK")) return failed(ErrorCode::kInvalidArgument, "is neither a .npz nor a .npy file");
  Result<std::vector<Tensor>> tensors = parse_npz(file, limits);
  if (!tensors) return tensors.error().within(path.string());
  return tensors;
}

}  // namespace sedna::tensor
