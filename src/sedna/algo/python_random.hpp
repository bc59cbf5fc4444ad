// Python's random.seed(integer) and random.uniform(0, 1), bit for bit: Matsumoto and Nishimura's MT19937 seeded by
// their init_by_array with the integer's 32-bit words, 53 bits to a number. Used by the filter Random, so that a seeded
// run chooses the same samples in C++ and in Python. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sedna::algo {

class PythonRandom {
 public:
  explicit PythonRandom(std::uint64_t seed = 0);
  /// In [0, 1).
  double uniform();

 private:
  std::uint32_t next();

  static constexpr std::size_t kWords = 624;
  std::array<std::uint32_t, kWords> state_;
  std::size_t position_ = kWords;
};

}  // namespace sedna::algo
