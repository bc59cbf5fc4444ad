// CRC-32C (Castagnoli), with the processor's instruction where it has one. Called where bytes are checked at memory
// speed against accidents: staged updates, journal records. Not against attackers: sha256.hpp.
#pragma once

#include <cstdint>
#include <span>

namespace sedna {

/// Continues `crc` (0 at first) over more bytes.
std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes);

}  // namespace sedna
