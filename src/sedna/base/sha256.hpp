// SHA-256 (FIPS 180-4) of bytes and of files, as lower-case hex. Called wherever a file has to be the one that was
// meant: model checksums, downloads, archives.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sedna {

/// A digest that is fed piece by piece. Not thread-safe. Throws Error(kInternal) when the library refuses.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view bytes) { update(std::as_bytes(std::span(bytes.data(), bytes.size()))); }
  /// 64 hex digits; the object starts anew afterwards.
  std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::string_view bytes);
/// Reads the file in pieces of 1 MiB. Throws Error(kNotFound or kUnavailable) with the path as its subject.
std::string sha256_file(const std::filesystem::path& file);

}  // namespace sedna
