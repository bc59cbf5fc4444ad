#include "sedna/base/ids.hpp"

#include <algorithm>

#include "sedna/base/fork.hpp"

namespace sedna {

std::mt19937_64& thread_random() {
  struct State {
    std::uint64_t generation = 0;
    std::mt19937_64 engine;
  };
  thread_local State state;
  if (const std::uint64_t generation = fork_generation(); state.generation != generation) {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    state.engine.seed(seed);
    state.generation = generation;
  }
  return state.engine;
}

double random_unit() {
  return std::uniform_real_distribution<double>(0.0, 1.0)(thread_random());
}

std::string random_hex(std::size_t bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(bytes * 2, '0');
  auto& engine = thread_random();
  for (std::size_t at = 0; at < out.size();) {
    std::uint64_t bits = engine();
    for (const std::size_t end = std::min(at + 16, out.size()); at < end; bits >>= 4) out[at++] = kHex[bits & 15];
  }
  return out;
}

}  // namespace sedna
