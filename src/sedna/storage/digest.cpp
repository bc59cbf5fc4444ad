#include "sedna/storage/digest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "sedna/base/error.hpp"

namespace sedna::storage {

HmacDigest hmac_sha256(std::span<const std::byte> key, std::string_view message) {
  HmacDigest out;
  unsigned size = 0;
  // Only memory exhaustion or a broken OpenSSL installation end up in the error.
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           reinterpret_cast<unsigned char*>(out.data()), &size) == nullptr)
    throw Error(ErrorCode::kInternal, "OpenSSL refused to compute an HMAC");
  return out;
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

}  // namespace sedna::storage
