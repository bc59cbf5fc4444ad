#include "sedna/storage/digest.hpp"

#include <fcntl.h>

#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "sedna/base/error.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::storage {

namespace {

EVP_MD_CTX* context_of(void* p) { return static_cast<EVP_MD_CTX*>(p); }

void require(bool ok) {
  // Only memory exhaustion or a broken OpenSSL installation end up here.
  if (!ok) throw Error(ErrorCode::kInternal, "OpenSSL refused to compute a SHA-256 digest");
}

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ && EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr) == 1);
}

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  require(EVP_DigestFinal_ex(context_of(context_.get()), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
  return digest;
}

std::string hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 digest;
  digest.update(bytes);
  return hex(digest.finish());
}

std::string sha256_hex(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text.data(), text.size()))); }

Sha256Digest hmac_sha256(std::span<const std::byte> key, std::string_view message) {
  Sha256Digest out;
  unsigned size = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(message.data()), message.size(),
               reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr);
  return out;
}

std::string sha256_file(const std::filesystem::path& file) {
  const Descriptor in = open_file(file, O_RDONLY);
  Sha256 digest;
  std::vector<std::byte> piece(std::size_t{1} << 18);
  while (const std::size_t n = read_some(in, piece, file)) digest.update(std::span(piece).first(n));
  return hex(digest.finish());
}

}  // namespace sedna::storage
