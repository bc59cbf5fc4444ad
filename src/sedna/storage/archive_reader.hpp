// A tar from outside, member by member, for callers that decide themselves where each may go (layers of container
// images), and packed files unpacked whole under a limit. Reading the formats is libarchive's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sedna/base/error.hpp"

namespace sedna::storage {

struct ArchiveMember {
  enum class Type : std::uint8_t { kFile, kFolder, kSymbolicLink, kHardLink, kSpecial };
  std::string name;  ///< as it stands in the archive: not to be trusted
  Type type = Type::kFile;
  unsigned mode = 0;       ///< permission bits, set-uid and the like among them
  std::string target;      ///< of links: not to be trusted either
  std::uint64_t size = 0;  ///< as declared; 0 when it is not
};

/// Reads an unpacked tar in order. Throws Error(kDataLoss) with the file as subject where it is damaged. Not
/// thread-safe.
class ArchiveReader {
 public:
  explicit ArchiveReader(const std::filesystem::path& tar);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  /// The next member; nothing at the end. What is left of the one before is passed over.
  std::optional<ArchiveMember> next();
  /// The present member's content, in pieces with their offsets (holes of sparse files are left out).
  using Sink = std::function<void(std::uint64_t offset, std::span<const std::byte> piece)>;
  void content(const Sink& sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// How a file is packed, told by its first bytes.
enum class Packing : std::uint8_t { kNone, kGzip, kZstd };
Packing packing_of(const std::filesystem::path& file);

/// Unpacks a .gz or .zst file (or copies a plain one) to `to` and returns the SHA-256 of what came out, as hex.
/// kResourceExhausted beyond `limit` bytes, kDataLoss when it is damaged; `to` is then to be removed by the caller.
std::string unpack_file(const std::filesystem::path& packed, const std::filesystem::path& to, std::uint64_t limit);

}  // namespace sedna::storage
