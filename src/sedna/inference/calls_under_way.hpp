// The asynchronous calls of a JointInference that have not ended. What they use (its inside, the metrics) must not go
// before they do, so ~JointInference waits here. Used by JointInference and OffloadStream.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace sedna::inference {

/// Thread-safe and lock-free: a fork finds it whole. The calls of the parent do not count in a forked child.
class CallsUnderWay {
  struct Counter {
    std::atomic<std::uint64_t> generation_and_calls{0};  ///< fork generation << 32 | calls of that process
  };

 public:
  CallsUnderWay() : counter_(std::make_shared<Counter>()) {}

  /// Counts as a call until it is destroyed: the callback keeps it as what it destroys last.
  using Token = std::shared_ptr<const void>;
  Token begin() const;

  /// While it lives, wait() on this thread does not wait for the call that this thread is ending: a callback may
  /// destroy its JointInference.
  class Ending {
   public:
    explicit Ending(const CallsUnderWay& calls);
    ~Ending();
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;

   private:
    const void* outer_;
  };

  /// Until every call has ended.
  void wait() const;

 private:
  std::shared_ptr<Counter> counter_;  ///< shared with the tokens, whose last act is to wake the waiter
};

}  // namespace sedna::inference
