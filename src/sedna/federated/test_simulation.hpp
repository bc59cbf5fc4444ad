// The frame of the seeded simulations of the round machine: messages under way, a clock that goes to whatever is next,
// one source of chance for all of it. A simulation says what its messages do.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "sedna/federated/rounds.hpp"

namespace sedna::federated::test {

template <class Message>
class Simulation {
 public:
  using Time = RoundMachine::Time;
  using Phase = RoundMachine::Phase;

  virtual ~Simulation() = default;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  /// Until the job is done or has failed, or a check has.
  void run() {
    int steps = 0;
    while (!ended()) {
      ASSERT_LT(++steps, 200000) << "no end in sight";
      const auto wake = machine().next_wakeup();
      ASSERT_TRUE(wake) << "waits without end";
      if (!queue_.empty() && queue_.begin()->first <= *wake) {
        const auto next = queue_.extract(queue_.begin());
        now_ = next.key();
        deliver(next.mapped());
      } else {
        now_ = std::max(now_, *wake);
        machine().tick(now_);
      }
      collect();
      if (::testing::Test::HasFailure()) return;
    }
    if (done()) {
      EXPECT_EQ(closed_, options_.exit_round);
    } else {
      EXPECT_FALSE(machine().failure().empty());
    }
  }

  bool done() { return machine().phase() == Phase::kDone; }
  /// How often the server died.
  int crashes() const { return crashed_; }

 protected:
  Simulation(std::uint64_t seed, RoundOptions options) : options_(std::move(options)), random_(seed) {
    loss_ = 0.3 * uniform();
    duplicates_ = 0.3 * uniform();
    keeps_updates_ = seed % 4 == 0;
  }

  /// The server's of now: a death makes another.
  virtual RoundMachine& machine() = 0;
  virtual void deliver(const Message& message) = 0;
  /// What the server does after each step with what the machine has for it.
  virtual void collect() = 0;

  static std::string name(std::size_t client) { return "c" + std::to_string(client); }
  static std::size_t index(const std::string& client) { return static_cast<std::size_t>(std::stoul(client.substr(1))); }
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  /// Arrives after a random delay, so messages overtake each other.
  void post(const Message& message, double max_seconds) {
    post_after(std::chrono::milliseconds(1 + static_cast<int>(uniform() * 1000 * max_seconds)), message);
  }
  void post_after(std::chrono::milliseconds delay, const Message& message) { queue_.emplace(now_ + delay, message); }

  RoundOptions options_;
  Time now_ = Time() + std::chrono::hours(1);
  double loss_ = 0, duplicates_ = 0;  ///< shares of messages
  double deaths_ = 0, crashes_ = 0;   ///< chances of a client's and of the server's end, where there is one
  bool keeps_updates_ = false;        ///< the server's records have the updates of the open round
  int crashed_ = 0;
  std::uint64_t connections_ = 0;  ///< that were opened
  std::int64_t closed_ = 0;        ///< newest round that is published

 private:
  bool ended() { return done() || machine().phase() == Phase::kFailed; }

  std::mt19937_64 random_;
  std::multimap<Time, Message> queue_;
};

}  // namespace sedna::federated::test
