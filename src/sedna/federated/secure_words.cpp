#include "sedna/federated/secure_words.hpp"

#include <sys/random.h>

#include <cerrno>

#include "sedna/base/error.hpp"

namespace sedna::federated {

void SecureWords::refill() {
  auto* const bytes = reinterpret_cast<char*>(words_.data());
  std::size_t have = 0;
  while (have < sizeof words_) {
    const ssize_t n = ::getrandom(bytes + have, sizeof words_ - have, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Error(ErrorCode::kInternal, "the operating system gives no random bytes", "privacy");
    have += static_cast<std::size_t>(n);
  }
  at_ = 0;
}

}  // namespace sedna::federated
