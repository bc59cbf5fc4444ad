#include "sedna/base/ids.hpp"

#include <unistd.h>

namespace sedna {

std::mt19937_64& thread_random() {
  struct State {
    pid_t pid = 0;
    std::mt19937_64 engine;
  };
  thread_local State state;
  if (const pid_t pid = getpid(); state.pid != pid) {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), static_cast<unsigned>(pid)};
    state.engine.seed(seed);
    state.pid = pid;
  }
  return state.engine;
}

double random_unit() { return std::uniform_real_distribution<double>(0.0, 1.0)(thread_random()); }

std::string random_hex(std::size_t bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(bytes * 2, '0');
  auto& engine = thread_random();
  for (char& c : out) c = kHex[engine() & 15];
  return out;
}

}  // namespace sedna
