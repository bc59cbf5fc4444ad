// Files as answers: ETag, If-None-Match, one Range, HEAD, read piece by piece while they are sent. For artifact stores
// and exports; nothing here decides who may read what.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/serve/server.hpp"

namespace sedna::serve {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
};

/// A Range value against a representation of `size` bytes. Nothing: to be ignored (several ranges, other units,
/// nonsense); count 0: it cannot be satisfied (416).
std::optional<ByteRange> parse_range(std::string_view value, std::uint64_t size);

/// True when a list of entity tags (or "*") contains `etag`, compared weakly.
bool etag_matches(std::string_view list, std::string_view etag);

/// Answers GET and HEAD with the regular file at `path`. `etag` in quotes; empty: made from inode, size and change
/// time. Throws Error(kNotFound, kPermissionDenied). Symbolic links in the last component are not followed.
Response file_response(const Request& request, const std::string& path, std::string content_type,
                       std::string etag = {});

}  // namespace sedna::serve
