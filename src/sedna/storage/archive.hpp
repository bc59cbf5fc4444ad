// Archives from outside, unpacked without trusting them, and folders packed for the way out. Reading and writing the
// formats is libarchive's; where a member may go is decided here.
#pragma once

#include <cstdint>
#include <filesystem>

#include "sedna/base/error.hpp"

namespace sedna::storage {

struct ArchiveLimits {
  std::size_t members = 100'000;
  std::uint64_t total_size = std::uint64_t{16} << 30;  ///< of all members, unpacked
  /// Unpacked to packed size, looked at once more than `ratio_from` bytes came out: what a bomb has and no model does.
  double ratio = 200;
  std::uint64_t ratio_from = std::uint64_t{64} << 20;
};

struct ArchiveSummary {
  std::size_t members = 0;
  std::uint64_t total_size = 0;
};

/// Unpacks .tar, .tar.gz/.tgz or .zip (told by content, not by name) into `folder`, which must not exist or be empty,
/// and appears whole or not at all. Refused, with the member named: absolute names, "..", links that lead out, devices,
/// two members of one name, encrypted ones, anything beyond the limits. Owner, set-uid bits and times are not taken
/// over.
ArchiveSummary extract_archive(const std::filesystem::path& archive, const std::filesystem::path& folder,
                               const ArchiveLimits& limits = {});

/// Packs a folder's content (or one file) as .tar.gz; the same content gives the same bytes. Members are named relative
/// to the folder; a link that leads out of it is an Error.
ArchiveSummary create_tar_gz(const std::filesystem::path& source, const std::filesystem::path& archive);

}  // namespace sedna::storage
