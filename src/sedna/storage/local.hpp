// Copies of local files and folders: atomic, and never following a symbolic link out of the folder that was named.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "sedna/storage/transfer.hpp"

namespace sedna::storage {

/// Copies one file (content and permission bits); the copy appears whole or not at all. Onto itself: nothing happens.
std::uint64_t copy_local_file(const std::filesystem::path& source, const std::filesystem::path& destination,
                              const TransferOptions& options);

/// Copies a folder. A destination that is not there appears whole or not at all; one that is there gets the files one
/// by one. Links that stay inside are copied as links; one that leads out, a device or a socket is an Error naming it.
/// Copying a folder into itself is refused.
std::uint64_t copy_local_folder(const std::filesystem::path& source, const std::filesystem::path& destination,
                                const TransferOptions& options);

/// `folder` / `name`, where `name` comes from outside (an object key, an archive's member). Error when it is absolute,
/// empty, has a NUL or a ".." segment. "." and doubled slashes fall away.
Result<std::filesystem::path> join_inside(const std::filesystem::path& folder, std::string_view name);

/// Whether a link with this target, lying at `link` (relative to its root), leads somewhere inside its root whatever
/// other such links there are: relative, ".." only at the beginning and not above the root.
bool link_stays_inside(const std::filesystem::path& link, const std::filesystem::path& target);

}  // namespace sedna::storage
