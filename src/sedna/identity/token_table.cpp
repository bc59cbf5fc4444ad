#include "sedna/identity/token_table.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "sedna/base/error.hpp"

namespace sedna::identity {
namespace {

constexpr std::size_t kMinToken = 16;
constexpr std::size_t kMaxFile = std::size_t{4} << 20;

std::array<unsigned char, 32> digest_of(std::string_view token) {
  std::array<unsigned char, 32> out{};
  // Found once: OpenSSL's SHA256() looks for its implementation at each call, which takes longer than a token's digest.
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (kSha256 == nullptr || EVP_Digest(token.data(), token.size(), out.data(), nullptr, kSha256, nullptr) != 1) {
    throw Error(ErrorCode::kInternal, "SHA-256 is not available");
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<TokenTable> TokenTable::parse(std::string_view text, const std::string& subject) {
  TokenTable table;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::string where = subject + ":" + std::to_string(number);
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos || first == 0) {
      return Error(ErrorCode::kInvalidArgument, "expected name:token[:role,role]", where);
    }
    const std::size_t second = line.find(':', first + 1);
    const std::string_view token =
        line.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
    if (token.size() < kMinToken) {
      return Error(ErrorCode::kInvalidArgument, "a token needs at least 16 characters", where);
    }
    Entry entry{digest_of(token), {std::string(line.substr(0, first)), {}}};
    std::string_view roles = second == std::string_view::npos ? std::string_view{} : line.substr(second + 1);
    while (!roles.empty()) {
      const std::size_t comma = std::min(roles.find(','), roles.size());
      const std::string_view role = trimmed(roles.substr(0, comma));
      if (!role.empty()) entry.principal.roles.emplace_back(role);
      roles.remove_prefix(std::min(comma + 1, roles.size()));
    }
    for (const Entry& known : table.entries_) {
      if (known.digest == entry.digest) {
        return Error(ErrorCode::kInvalidArgument, "the same token as " + known.principal.name + "'s", where);
      }
    }
    table.entries_.push_back(std::move(entry));
  }
  return table;
}

Result<TokenTable> TokenTable::load(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  struct stat info{};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) {
    return Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kPermissionDenied,
                 std::string("cannot read the token file: ") + std::strerror(errno), path);
  }
  if (!S_ISREG(info.st_mode)) return Error(ErrorCode::kInvalidArgument, "the token file is not a regular file", path);
  if ((info.st_mode & 077) != 0) {
    return Error(ErrorCode::kPermissionDenied, "the token file is open to its group or others; chmod 600 it", path);
  }
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t n = ::read(file.fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return Error(ErrorCode::kUnavailable, std::string("cannot read the token file: ") + std::strerror(errno), path);
    if (n == 0) break;
    text.append(piece.data(), static_cast<std::size_t>(n));
    if (text.size() > kMaxFile) return Error(ErrorCode::kInvalidArgument, "the token file is larger than 4 MiB", path);
  }
  auto table = parse(text, path);
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(piece.data(), piece.size());
  if (table && table->empty()) return Error(ErrorCode::kInvalidArgument, "the token file has no token", path);
  return table;
}

const Principal* TokenTable::find(std::string_view token) const {
  const Digest wanted = digest_of(token);
  const Principal* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.digest.data(), wanted.data(), wanted.size()) == 0) found = &entry.principal;
  }
  return found;
}

std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kScheme[i]) return std::nullopt;
  }
  const std::string_view token = trimmed(authorization.substr(kScheme.size()));
  if (token.empty()) return std::nullopt;
  return token;
}

}  // namespace sedna::identity
