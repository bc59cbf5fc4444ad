#include "sedna/base/fork.hpp"

#include <pthread.h>

#include <atomic>

namespace sedna {
namespace {

// Both are initialised before any code of this file's users can run: the counter is a constant, the handler is
// registered when the library is loaded.
constinit std::atomic<std::uint64_t> generation{1};

[[maybe_unused]] const bool watching = [] {
  return pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); }) == 0;
}();

}  // namespace

std::uint64_t fork_generation() {
  return generation.load(std::memory_order_relaxed);
}

}  // namespace sedna
