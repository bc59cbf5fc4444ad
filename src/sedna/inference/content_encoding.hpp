// Content-Encoding of request bodies: gzip and deflate with a cap on what comes out. Called by OipRoutes.
#pragma once

#include <string_view>

#include "sedna/base/buffer.hpp"
#include "sedna/base/result.hpp"

namespace sedna::inference {

/// The inflated body, 64-byte aligned. Errors: kUnimplemented (another encoding), kInvalidArgument (broken or cut data,
/// something behind its end), kResourceExhausted (more than `limit` bytes).
Result<Bytes> decode_content(const Bytes& body, std::string_view encoding, std::size_t limit);

}  // namespace sedna::inference
