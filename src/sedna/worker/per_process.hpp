// What an object keeps for the process it runs in: threads, locks, connections' state. A forked child gets its own on
// first use and leaves the parent's behind. Used by the cloud client and the reporter (docs/decisions/0014-fork.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "sedna/base/fork.hpp"

namespace sedna::worker {

/// Thread-safe and lock-free, so that no fork finds it half-way; get() is two loads once the value is there. The
/// parent's value is never destroyed in the child (its threads do not exist there, its locks may be held for ever): it
/// is given up.
template <class T>
class PerProcess {
 public:
  using Make = std::function<std::unique_ptr<T>()>;
  explicit PerProcess(Make make) : make_(std::move(make)) {}
  ~PerProcess() { reset(); }
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  /// This process's value, made by the first who asks (by several at once when they race; one is kept).
  T& get() {
    Kept* kept = kept_.load(std::memory_order_acquire);
    const std::uint64_t generation = fork_generation();
    if (kept != nullptr && kept->generation == generation) return *kept->value;
    auto fresh = std::make_unique<Kept>(Kept{generation, make_()});
    if (kept_.compare_exchange_strong(kept, fresh.get(), std::memory_order_acq_rel)) return *fresh.release()->value;
    return *kept->value;
  }

  /// This process's value; null when nobody has asked yet.
  T* find() const {
    const Kept* kept = kept_.load(std::memory_order_acquire);
    return kept != nullptr && kept->generation == fork_generation() ? kept->value.get() : nullptr;
  }

  /// Destroys this process's value. Nobody may use it meanwhile.
  void reset() {
    const std::unique_ptr<Kept> last(find() != nullptr ? kept_.exchange(nullptr, std::memory_order_acq_rel) : nullptr);
  }

 private:
  struct Kept {
    std::uint64_t generation;
    std::unique_ptr<T> value;
  };
  const Make make_;
  std::atomic<Kept*> kept_{nullptr};
};

}  // namespace sedna::worker
