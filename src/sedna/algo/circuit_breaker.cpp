#include "sedna/algo/circuit_breaker.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

std::uint32_t second_of(SteadyClock::time_point t) {
  // Offset by one, so that an untouched slot (0) is never the current second.
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count()) + 1;
}

constexpr std::uint64_t kFieldMax = 0xffff;
std::uint32_t slot_second(std::uint64_t slot) {
  return static_cast<std::uint32_t>(slot >> 32);
}
std::uint64_t slot_requests(std::uint64_t slot) {
  return (slot >> 16) & kFieldMax;
}
std::uint64_t slot_failures(std::uint64_t slot) {
  return slot & kFieldMax;
}

CircuitBreakerOptions checked(CircuitBreakerOptions options) {
  const auto require = [](bool good, const char* right, const char* field) {
    if (!good) throw Error(ErrorCode::kInvalidArgument, right, field);
  };
  require(options.consecutive_failures > 0, "must be 1 or more", "consecutive_failures");
  require(options.failure_share > 0 && options.failure_share <= 1, "must be above 0 and at most 1", "failure_share");
  require(options.open_base.count() > 0, "must be longer than 0", "open_base");
  require(options.open_cap >= options.open_base, "must not be shorter than open_base", "open_cap");
  require(options.successes_to_close > 0, "must be 1 or more", "successes_to_close");
  if (!options.random) {
    // Shared: std::function copies its target, and the generator has to move on.
    auto generator = std::make_shared<std::minstd_rand>(std::random_device()());
    options.random = [generator] { return std::uniform_real_distribution<double>(0, 1)(*generator); };
  }
  return options;
}

}  // namespace

CircuitBreaker::CircuitBreaker(CircuitBreakerOptions options) : options_(checked(std::move(options))) {}

CircuitBreaker::Permit CircuitBreaker::admit(SteadyClock::time_point now) {
  const std::uint32_t generation = generation_.load(std::memory_order_acquire);
  if (state() == State::kClosed) return {Admission::kProceed, generation};
  const std::lock_guard lock(mutex_);
  const std::uint32_t current = generation_.load(std::memory_order_relaxed);
  switch (state()) {
    case State::kClosed:
      return {Admission::kProceed, current};
    case State::kOpen:
      if (now < open_until_) return {Admission::kReject, current};
      successes_ = 0;
      trial_ = true;
      trial_since_ = now;
      generation_.store(current + 1, std::memory_order_relaxed);
      state_.store(State::kHalfOpen, std::memory_order_release);
      return {Admission::kProbe, current + 1};
    case State::kHalfOpen:
      if (trial_running(now)) return {Admission::kReject, current};
      trial_ = true;
      trial_since_ = now;
      // A probe that was lost or abandoned is repeated: no real sample goes before one has succeeded.
      return {successes_ == 0 ? Admission::kProbe : Admission::kTrial, current};
  }
  return {Admission::kReject, current};
}

bool CircuitBreaker::trial_running(SteadyClock::time_point now) const {
  return trial_ && now - trial_since_ < options_.trial_timeout;
}

bool CircuitBreaker::would_admit(SteadyClock::time_point now) const {
  if (state() == State::kClosed) return true;
  const std::lock_guard lock(mutex_);
  switch (state()) {
    case State::kClosed:
      return true;
    case State::kOpen:
      return now >= open_until_;
    case State::kHalfOpen:
      return !trial_running(now);
  }
  return false;
}

void CircuitBreaker::succeeded(Permit permit, SteadyClock::time_point now) {
  if (permit.admission == Admission::kProceed) {
    if (permit.generation != generation_.load(std::memory_order_acquire)) return;
    if (consecutive_.load(std::memory_order_relaxed) != 0) consecutive_.store(0, std::memory_order_relaxed);
    count(now, false);
    return;
  }
  if (!permit) return;
  const std::lock_guard lock(mutex_);
  if (permit.generation != generation_.load(std::memory_order_relaxed) || state() != State::kHalfOpen) return;
  trial_ = false;
  if (++successes_ >= options_.successes_to_close) close();
}

void CircuitBreaker::failed(Permit permit, SteadyClock::time_point now) {
  if (!permit || permit.generation != generation_.load(std::memory_order_acquire)) return;
  if (permit.admission == Admission::kProceed) {
    count(now, true);
    if (consecutive_.fetch_add(1, std::memory_order_relaxed) + 1 < options_.consecutive_failures &&
        !share_exceeded(now)) {
      return;
    }
  }
  const std::lock_guard lock(mutex_);
  if (permit.generation != generation_.load(std::memory_order_relaxed) || state() == State::kOpen) return;
  open(now);
}

void CircuitBreaker::abandoned(Permit permit) {
  if (!permit || permit.admission == Admission::kProceed) return;
  const std::lock_guard lock(mutex_);
  if (permit.generation == generation_.load(std::memory_order_relaxed)) trial_ = false;
}

SteadyClock::time_point CircuitBreaker::open_until() const {
  const std::lock_guard lock(mutex_);
  return open_until_;
}

void CircuitBreaker::count(SteadyClock::time_point now, bool failure) {
  const std::uint32_t second = second_of(now);
  std::atomic<std::uint64_t>& slot = window_[second % kSeconds];
  std::uint64_t before = slot.load(std::memory_order_relaxed);
  std::uint64_t after = 0;
  do {
    const bool current = slot_second(before) == second;
    std::uint64_t requests = current ? slot_requests(before) : 0;
    std::uint64_t failures = current ? slot_failures(before) : 0;
    if (requests == kFieldMax) {  // halved together: the share stays
      requests /= 2;
      failures /= 2;
    }
    after = (std::uint64_t{second} << 32) | ((requests + 1) << 16) | (failures + (failure ? 1 : 0));
  } while (!slot.compare_exchange_weak(before, after, std::memory_order_relaxed));
}

bool CircuitBreaker::share_exceeded(SteadyClock::time_point now) const {
  const std::uint32_t second = second_of(now);
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  for (const auto& slot : window_) {
    const std::uint64_t value = slot.load(std::memory_order_relaxed);
    if (value == 0 || second - slot_second(value) >= kSeconds) continue;
    requests += slot_requests(value);
    failures += slot_failures(value);
  }
  return requests >= options_.window_requests &&
         static_cast<double>(failures) >= options_.failure_share * static_cast<double>(requests);
}

void CircuitBreaker::open(SteadyClock::time_point now) {
  const double cap = std::chrono::duration<double>(options_.open_cap).count();
  const double base = std::chrono::duration<double>(options_.open_base).count();
  const double full = std::min(cap, std::ldexp(base, static_cast<int>(std::min(opened_in_a_row_, 60u))));
  ++opened_in_a_row_;
  const double jittered = full / 2 + full / 2 * std::clamp(options_.random(), 0.0, 1.0);
  open_until_ = now + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(jittered));
  trial_ = false;
  times_opened_.fetch_add(1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_relaxed);
  state_.store(State::kOpen, std::memory_order_release);
}

void CircuitBreaker::close() {
  opened_in_a_row_ = 0;
  consecutive_.store(0, std::memory_order_relaxed);
  for (auto& slot : window_) slot.store(0, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_relaxed);
  state_.store(State::kClosed, std::memory_order_release);
}

}  // namespace sedna::algo
