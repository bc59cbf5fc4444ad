// Digests of files and messages (OpenSSL): what transfers are checked by and what requests are signed with.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sedna::storage {

using Sha256Digest = std::array<std::byte, 32>;

/// Fed piece by piece. Movable, not thread-safe.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text.data(), text.size()))); }
  /// Ends the digest; the object must not be fed afterwards.
  Sha256Digest finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

std::string hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);
Sha256Digest hmac_sha256(std::span<const std::byte> key, std::string_view message);
/// Reads the file once. Throws Error naming the file.
std::string sha256_file(const std::filesystem::path& file);

}  // namespace sedna::storage
