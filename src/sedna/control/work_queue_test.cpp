#include "sedna/control/work_queue.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "sedna/testing/fake_clock.hpp"

namespace sedna::control {
namespace {

using namespace std::chrono_literals;

TEST(WorkQueue, AKeyThatIsAddedManyTimesWaitsOnce) {
  WorkQueue queue;
  queue.add("a");
  queue.add("b");
  queue.add("a");
  EXPECT_EQ(queue.try_next(), "a");
  EXPECT_EQ(queue.try_next(), "b");
  EXPECT_EQ(queue.try_next(), std::nullopt);
}

TEST(WorkQueue, AKeyThatIsAddedWhileItIsWorkedOnComesAgainAfterwards) {
  WorkQueue queue;
  queue.add("a");
  const auto key = queue.try_next();
  queue.add("a");
  queue.add("a");
  EXPECT_EQ(queue.try_next(), std::nullopt) << "two workers never hold one key";
  queue.done(*key);
  EXPECT_EQ(queue.try_next(), "a");
  queue.done("a");
  EXPECT_EQ(queue.try_next(), std::nullopt);
}

TEST(WorkQueue, DelayedKeysComeWhenTheyAreDueAndTheEarliestTimeWins) {
  testing::FakeClock clock;
  WorkQueue queue({}, clock);
  queue.add_after("a", 10s);
  queue.add_after("a", 5s);
  queue.add_after("a", 20s);
  EXPECT_EQ(queue.delayed(), 1U);
  clock.advance(4999ms);
  EXPECT_EQ(queue.try_next(), std::nullopt);
  clock.advance(1ms);
  EXPECT_EQ(queue.try_next(), "a");
  queue.done("a");
  clock.advance(1h);
  EXPECT_EQ(queue.try_next(), std::nullopt) << "the later times went with the earlier one";
}

TEST(WorkQueue, AddingNowTakesTheKeyOutOfItsDelay) {
  testing::FakeClock clock;
  WorkQueue queue({}, clock);
  queue.add_after("a", 10s);
  queue.add("a");
  EXPECT_EQ(queue.delayed(), 0U);
  EXPECT_EQ(queue.try_next(), "a");
}

TEST(WorkQueue, FailuresWaitLongerEachTimeUntilForgotten) {
  testing::FakeClock clock;
  BackoffOptions backoff;
  backoff.first = 1s;
  backoff.longest = 5s;
  WorkQueue queue(backoff, clock);
  for (const auto expected : {1s, 2s, 4s, 5s, 5s}) {
    queue.add_failed("a");
    ASSERT_TRUE(queue.next_due());
    EXPECT_EQ(*queue.next_due() - clock.now(), expected);
    clock.advance(expected);
    ASSERT_EQ(queue.try_next(), "a");
    queue.done("a");
  }
  EXPECT_EQ(queue.failures("a"), 5);
  queue.forget("a");
  queue.add_failed("a");
  EXPECT_EQ(*queue.next_due() - clock.now(), 1s);
}

TEST(WorkQueue, BackoffNeverOverflows) {
  BackoffOptions backoff;
  for (const int failures : {0, 1, 31, 64, 1 << 30}) {
    EXPECT_GE(backoff_after(backoff, failures), backoff.first);
    EXPECT_LE(backoff_after(backoff, failures), backoff.longest);
  }
}

TEST(WorkQueue, CloseEndsEveryWait) {
  WorkQueue queue;
  std::atomic<int> ended{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (queue.next(Deadline::never())) {
      }
      ++ended;
    });
  }
  queue.close();
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(ended, 4);
  queue.add("late");
  EXPECT_EQ(queue.try_next(), std::nullopt);
}

TEST(WorkQueue, ManyWorkersNeverHoldTheSameKeyAndLoseNone) {
  WorkQueue queue;
  constexpr int kKeys = 20;
  std::array<std::atomic<int>, kKeys> held{}, seen{};
  std::atomic<bool> twice{false};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (auto key = queue.next(Deadline::never())) {
        const auto n = static_cast<std::size_t>(std::stoi(*key));
        if (held[n].fetch_add(1) != 0) twice = true;
        ++seen[n];
        held[n].fetch_sub(1);
        queue.done(*key);
      }
    });
  }
  for (int round = 0; round < 500; ++round) {
    for (int k = 0; k < kKeys; ++k) queue.add(std::to_string(k));
  }
  while (queue.size() + queue.processing() > 0) std::this_thread::yield();
  queue.close();
  for (auto& worker : workers) worker.join();
  EXPECT_FALSE(twice);
  for (const auto& n : seen) EXPECT_GE(n, 1);
}

}  // namespace
}  // namespace sedna::control
