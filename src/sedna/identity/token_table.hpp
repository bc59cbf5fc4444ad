// Bearer tokens and the principals they stand for, from a file that only its owner may read. Used by the server core.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/identity/principal.hpp"

namespace sedna::identity {

/// Immutable once made; thread-safe. Keeps digests, not tokens: a core dump shows none.
class TokenTable {
 public:
  TokenTable() = default;
  /// One "name:token[:role,role]" a line; blank lines and lines beginning with # are skipped. Errors name the line,
  /// never its content. Tokens have at least 16 characters.
  static Result<TokenTable> parse(std::string_view text, const std::string& subject = {});
  /// Refuses a file that its group or others may read or write.
  static Result<TokenTable> load(const std::string& path);
  /// Takes the same time whichever entry matches, or none.
  const Principal* find(std::string_view token) const;
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest digest;
    Principal principal;
  };
  std::vector<Entry> entries_;
};

/// The token of an "Authorization: Bearer …" value; nothing for other schemes.
std::optional<std::string_view> bearer_token(std::string_view authorization);

}  // namespace sedna::identity
