// Random words for privacy: from the kernel's cryptographic generator, never from a seed. Called by the Gaussian noise
// of models and by the local mechanisms on features.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sedna::federated {

/// Uniform 64-bit words, a page of them at a time. Throws Error(kInternal) when the system gives none. Not thread-safe.
class SecureWords {
 public:
  std::uint64_t next() {
    if (at_ == words_.size()) refill();
    return words_[at_++];
  }

 private:
  void refill();
  std::array<std::uint64_t, 512> words_{};
  std::size_t at_ = words_.size();
};

}  // namespace sedna::federated
