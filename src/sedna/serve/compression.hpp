// gzip and zlib bodies in one piece, with a bound on what comes out. For routes that choose to accept them.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "sedna/base/buffer.hpp"
#include "sedna/base/result.hpp"

namespace sedna::serve {

enum class Coding { kIdentity, kGzip, kDeflate };

/// What a Content-Encoding value asks for; an error (415) for others and for combinations.
Result<Coding> content_coding(std::string_view value);

/// Aligned, at most `limit` bytes. Errors: kInvalidArgument for broken or truncated data and for bytes behind its end,
/// kResourceExhausted past the limit. "deflate" is taken with and without its zlib wrapper, as clients disagree.
Result<Bytes> inflate(Coding coding, std::span<const std::byte> data, std::size_t limit);

/// `level` 1 (fast) to 9 (small).
Bytes deflate(Coding coding, std::span<const std::byte> data, int level = 1);

}  // namespace sedna::serve
