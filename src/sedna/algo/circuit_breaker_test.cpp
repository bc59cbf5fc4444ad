#include "sedna/algo/circuit_breaker.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

using Admission = CircuitBreaker::Admission;
using State = CircuitBreaker::State;

SteadyClock::time_point at(double seconds) {
  return SteadyClock::time_point(std::chrono::hours(1)) +
         std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
}

CircuitBreakerOptions without_luck(double random = 1) {
  CircuitBreakerOptions options;
  options.random = [random] { return random; };
  return options;
}

void fail_times(CircuitBreaker& breaker, int n, double t) {
  for (int i = 0; i < n; ++i) breaker.failed(breaker.admit(at(t)), at(t));
}

// JI-5.8
TEST(CircuitBreaker, OpensOnFiveFailuresInARow) {
  CircuitBreaker breaker(without_luck());
  fail_times(breaker, 4, 0);
  breaker.succeeded(breaker.admit(at(0)), at(0));
  fail_times(breaker, 4, 0);
  EXPECT_EQ(breaker.state(), State::kClosed);
  fail_times(breaker, 1, 0);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_EQ(breaker.times_opened(), 1u);
  EXPECT_FALSE(breaker.admit(at(4.9)));
  EXPECT_FALSE(breaker.would_admit(at(4.9)));
  EXPECT_TRUE(breaker.would_admit(at(5.1)));
}

// JI-5.8
TEST(CircuitBreaker, OpensOnHalfOfTwentyWithinTenSeconds) {
  CircuitBreaker breaker(without_luck());
  for (int i = 0; i < 9; ++i) {
    breaker.failed(breaker.admit(at(i)), at(i));
    breaker.succeeded(breaker.admit(at(i)), at(i));
  }
  breaker.succeeded(breaker.admit(at(9)), at(9));
  EXPECT_EQ(breaker.state(), State::kClosed);  // 9 of 19
  breaker.failed(breaker.admit(at(9)), at(9));
  EXPECT_EQ(breaker.state(), State::kOpen);  // 10 of 20

  // As large a share, but never twenty requests within ten seconds.
  CircuitBreaker rare(without_luck());
  for (int i = 0; i < 100; ++i) {
    rare.failed(rare.admit(at(2 * i)), at(2 * i));
    rare.succeeded(rare.admit(at(2 * i)), at(2 * i));
  }
  EXPECT_EQ(rare.state(), State::kClosed);
}

// JI-5.8
TEST(CircuitBreaker, ProbesThenTriesOnceThenCloses) {
  CircuitBreaker breaker(without_luck());
  fail_times(breaker, 5, 0);
  const auto probe = breaker.admit(at(5));
  EXPECT_EQ(probe.admission, Admission::kProbe);
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  EXPECT_FALSE(breaker.admit(at(5)));  // one at a time
  breaker.succeeded(probe, at(5));
  const auto trial = breaker.admit(at(5));
  EXPECT_EQ(trial.admission, Admission::kTrial);
  EXPECT_FALSE(breaker.admit(at(5)));
  breaker.succeeded(trial, at(5));
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_EQ(breaker.admit(at(5)).admission, Admission::kProceed);
  fail_times(breaker, 4, 5);  // the past is forgotten
  EXPECT_EQ(breaker.state(), State::kClosed);
}

// JI-5.8
TEST(CircuitBreaker, StaysOpenLongerEachTimeUpToTheCap) {
  CircuitBreaker breaker(without_luck());
  fail_times(breaker, 5, 0);
  double t = 0;
  for (const double open : {5., 10., 20., 40., 80., 160., 300., 300.}) {
    EXPECT_EQ(breaker.open_until(), at(t + open));
    t += open;
    const auto probe = breaker.admit(at(t));
    ASSERT_EQ(probe.admission, Admission::kProbe);
    breaker.failed(probe, at(t));
    EXPECT_EQ(breaker.state(), State::kOpen);
  }
}

// JI-5.8
TEST(CircuitBreaker, HalfOfTheOpenTimeIsRandom) {
  CircuitBreaker shortest(without_luck(0));
  fail_times(shortest, 5, 0);
  EXPECT_EQ(shortest.open_until(), at(2.5));
  CircuitBreaker drawn;
  fail_times(drawn, 5, 0);
  EXPECT_GE(drawn.open_until(), at(2.5));
  EXPECT_LE(drawn.open_until(), at(5));
}

TEST(CircuitBreaker, OutcomesOfAnEarlierStateAreOutOfDate) {
  CircuitBreaker breaker(without_luck());
  const auto late = breaker.admit(at(0));
  fail_times(breaker, 5, 0);
  const auto probe = breaker.admit(at(5));
  breaker.failed(late, at(5));  // a request from before it opened ends only now
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  breaker.succeeded(late, at(5));
  breaker.succeeded(probe, at(5));
  breaker.succeeded(breaker.admit(at(5)), at(5));
  EXPECT_EQ(breaker.state(), State::kClosed);
}

// JI-5.8
TEST(CircuitBreaker, AnAbandonedOrLostProbeDoesNotBlock) {
  CircuitBreaker breaker(without_luck());
  fail_times(breaker, 5, 0);
  breaker.abandoned(breaker.admit(at(5)));
  EXPECT_EQ(breaker.admit(at(5)).admission, Admission::kProbe);  // and of this one nothing is heard
  EXPECT_FALSE(breaker.admit(at(34.9)));
  const auto again = breaker.admit(at(35));
  EXPECT_EQ(again.admission, Admission::kProbe);
  breaker.succeeded(again, at(35));
  EXPECT_EQ(breaker.admit(at(35)).admission, Admission::kTrial);
}

// JI-5.8
TEST(CircuitBreaker, LetsExactlyOneThreadProbe) {
  CircuitBreaker breaker(without_luck());
  fail_times(breaker, 5, 0);
  std::atomic<int> probes{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) probes += breaker.admit(at(6)).admission == Admission::kProbe ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(probes, 1);
}

TEST(CircuitBreaker, RefusesOptionsThatCannotWork) {
  CircuitBreakerOptions options;
  options.consecutive_failures = 0;
  EXPECT_THROW(CircuitBreaker{options}, Error);
  options = {};
  options.open_cap = std::chrono::seconds(1);
  EXPECT_THROW(CircuitBreaker{options}, Error);
}

}  // namespace
}  // namespace sedna::algo
