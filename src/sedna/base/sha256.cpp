#include "sedna/base/sha256.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include <openssl/evp.h>

#include "sedna/base/error.hpp"

namespace sedna {
namespace {

void require(int status) {
  if (status != 1) throw Error(ErrorCode::kInternal, "OpenSSL cannot compute SHA-256");
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() { require(evp == nullptr ? 0 : 1); }
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  void start() { require(EVP_DigestInit_ex(evp, EVP_sha256(), nullptr)); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  context_->start();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()));
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(context_->evp, digest.data(), &size));
  context_->start();
  std::string hex;
  hex.reserve(size * std::size_t{2});
  for (unsigned int i = 0; i < size; ++i) {
    hex.push_back("0123456789abcdef"[digest[i] >> 4]);
    hex.push_back("0123456789abcdef"[digest[i] & 15]);
  }
  return hex;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish();
}

std::string sha256_file(const std::filesystem::path& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rbe"), std::fclose);
  if (!in) {
    throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                std::string("cannot be opened: ") + std::strerror(errno), file.string());
  }
  Sha256 digest;
  std::vector<std::byte> piece(std::size_t{1} << 20);
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), in.get())) {
    digest.update(std::span(piece.data(), got));
  }
  if (std::ferror(in.get()) != 0) {
    throw Error(ErrorCode::kUnavailable, std::string("cannot be read: ") + std::strerror(errno), file.string());
  }
  return digest.finish();
}

}  // namespace sedna
