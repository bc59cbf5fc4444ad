// The message digests that requests are signed with (OpenSSL). Plain SHA-256 is sedna/base/sha256.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sedna::storage {

using HmacDigest = std::array<std::byte, 32>;

HmacDigest hmac_sha256(std::span<const std::byte> key, std::string_view message);
/// Lower case.
std::string hex(std::span<const std::byte> bytes);

}  // namespace sedna::storage
