#include "sedna/inference/calls_under_way.hpp"

#include <utility>

#include "sedna/base/fork.hpp"

namespace sedna::inference {
namespace {

constexpr std::uint64_t kCalls = 0xffff'ffff;

std::uint64_t generation_bits() {
  return fork_generation() << 32;
}

thread_local const void* ending_here = nullptr;

}  // namespace

CallsUnderWay::Token CallsUnderWay::begin() const {
  const std::uint64_t generation = generation_bits();
  auto& word = counter_->generation_and_calls;
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  while (!word.compare_exchange_weak(seen, ((seen & ~kCalls) == generation ? seen : generation) + 1)) {
  }
  // The token shares the counter: waking the waiter touches nothing that the waiter may free.
  return Token(counter_.get(), [counter = counter_, generation](const void*) {
    std::uint64_t now = counter->generation_and_calls.load();
    do {
      if ((now & ~kCalls) != generation) return;
    } while (!counter->generation_and_calls.compare_exchange_weak(now, now - 1));
    counter->generation_and_calls.notify_all();
  });
}

CallsUnderWay::Ending::Ending(const CallsUnderWay& calls)
    : outer_(std::exchange(ending_here, static_cast<const void*>(calls.counter_.get()))) {}
CallsUnderWay::Ending::~Ending() {
  ending_here = outer_;
}

void CallsUnderWay::wait() const {
  const std::uint64_t own = ending_here == counter_.get() ? 1 : 0;
  const std::uint64_t generation = generation_bits();
  auto& word = counter_->generation_and_calls;
  for (std::uint64_t seen = word.load(); (seen & ~kCalls) == generation && (seen & kCalls) > own; seen = word.load()) {
    word.wait(seen);
  }
}

}  // namespace sedna::inference
