// Where a list in pieces goes on: opaque to clients, made as kube-apiserver makes it. Internal to store/embedded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"

namespace sedna::store::embedded {

struct ContinueToken {
  std::uint64_t resource_version = 0;  ///< 0: whatever is newest (after a token that was too old)
  std::string start;                   ///< the first key of the next piece

  std::string text() const;
  /// Bytes from outside.
  static Result<ContinueToken> parse(std::string_view text);
};

}  // namespace sedna::store::embedded
