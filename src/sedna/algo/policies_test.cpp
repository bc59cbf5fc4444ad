// The worked examples of every run-time policy, and what each does at its edges.
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "sedna/algo/deadline_estimator.hpp"
#include "sedna/algo/drift_plus_penalty.hpp"
#include "sedna/algo/target_ratio.hpp"
#include "sedna/algo/token_bucket.hpp"
#include "sedna/algo/wanted_share.hpp"
#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

SteadyClock::time_point at(double seconds) {
  return SteadyClock::time_point(std::chrono::hours(1)) +
         std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
}

// JI-4.8
TEST(TokenBucket, LetsBurstsThroughAndThenTheRate) {
  TokenBucket bucket(2, 3);
  const std::vector<double> times{0, .1, .2, .3, .8, 1.0, 1.1, 3.0};
  const std::vector<bool> sent{true, true, true, false, true, true, false, true};
  const std::vector<double> left{2, 1.2, .4, .6, .6, 0, .2, 2};
  for (std::size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(bucket.can_take(at(times[i])), sent[i]) << i;
    EXPECT_EQ(bucket.try_take(at(times[i])), sent[i]) << i;
    EXPECT_NEAR(bucket.tokens(at(times[i])), left[i], 1e-8) << i;
  }
}

// JI-4.8
TEST(TokenBucket, CountsBytesAsWell) {
  TokenBucket bucket(1000, 4000, at(0));
  EXPECT_TRUE(bucket.try_take(at(0), 3000));
  EXPECT_FALSE(bucket.try_take(at(0), 3000));
  EXPECT_TRUE(bucket.try_take(at(2), 3000));
  EXPECT_TRUE(bucket.try_take(at(10), 9000));  // larger than the burst: passes when full, and is owed for
  EXPECT_FALSE(bucket.try_take(at(14), 1));
  EXPECT_TRUE(bucket.try_take(at(15.1), 1));
}

TEST(TokenBucket, GivesBackAndNeverRunsBackwards) {
  TokenBucket bucket(1, 1);
  EXPECT_TRUE(bucket.try_take(at(5)));
  EXPECT_FALSE(bucket.try_take(at(4)));
  bucket.give_back();
  EXPECT_TRUE(bucket.try_take(at(4)));
  EXPECT_NEAR(bucket.tokens(at(5.5)), 0.5, 1e-9);
  EXPECT_THROW(TokenBucket(-1, 1), Error);
  EXPECT_THROW(TokenBucket(1, 0), Error);
  EXPECT_THROW(TokenBucket(std::numeric_limits<double>::quiet_NaN(), 1), Error);
}

// JI-4.8
TEST(TokenBucket, NeverGivesMoreThanItHasToManyThreads) {
  TokenBucket bucket(0, 1000);
  std::atomic<int> taken{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) taken += bucket.try_take(at(i)) ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(taken, 1000);
}

// JI-4.9
TEST(TargetRatio, MovesTheThreshold) {
  TargetRatio target({.ratio = .2, .threshold = .5, .step = .05});
  const std::vector<double> scores{.9, .1, .6, .55, .2, .7};
  const std::vector<bool> hard{true, false, true, false, false, true};
  const std::vector<double> thresholds{.54, .53, .57, .56, .55, .59};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(target.judge(scores[i]), hard[i]) << i;
    EXPECT_NEAR(target.threshold(), thresholds[i], 1e-12) << i;
  }
}

// JI-4.9
TEST(TargetRatio, HoldsTheRatioWhateverTheScores) {
  TargetRatio target({.ratio = .1, .threshold = .9, .step = .01});
  int hard = 0;
  for (int i = 0; i < 10000; ++i) hard += target.judge(std::fmod(i * 0.6180339887, 1.0) * 0.3) ? 1 : 0;
  EXPECT_NEAR(hard / 10000.0, 0.1, 0.02);
  EXPECT_FALSE(target.judge(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_TRUE(std::isfinite(target.threshold()));
  EXPECT_THROW(TargetRatio({.ratio = 1.5}), Error);
  EXPECT_THROW(TargetRatio({.step = 0}), Error);
  EXPECT_THROW(TargetRatio({.threshold = 2, .high = 1}), Error);
}

// JI-5.9
TEST(DeadlineEstimator, IsJacobsons) {
  using Seconds = DeadlineEstimator::Seconds;
  DeadlineEstimator link;
  EXPECT_TRUE(link.fits(1000, Seconds(1e-9)));  // nothing known yet
  link.observe(Seconds(40));
  EXPECT_DOUBLE_EQ(link.smoothed().count(), 40);
  EXPECT_DOUBLE_EQ(link.deviation().count(), 20);
  link.observe(Seconds(60));
  EXPECT_DOUBLE_EQ(link.deviation().count(), 20);
  EXPECT_DOUBLE_EQ(link.smoothed().count(), 42.5);
  EXPECT_TRUE(link.fits(0, Seconds(122.5)));
  EXPECT_FALSE(link.fits(0, Seconds(122.4)));
  link.observe_transfer(1000, Seconds(10));
  EXPECT_DOUBLE_EQ(link.expected(500).count(), 47.5);
  link.observe(Seconds(-1));
  EXPECT_DOUBLE_EQ(link.smoothed().count(), 42.5);
}

TEST(DriftPlusPenalty, SpendsWhereItGains) {
  DriftPlusPenalty policy(10, .25);
  const std::vector<double> gains{.5, .1, .4, .05, .3};
  const std::vector<bool> offloaded{true, true, true, false, true};
  const std::vector<double> queue{.75, 1.5, 2.25, 2.0, 2.75};
  for (std::size_t i = 0; i < gains.size(); ++i) {
    EXPECT_EQ(policy.judge(gains[i]), offloaded[i]) << i;
    EXPECT_DOUBLE_EQ(policy.queue(), queue[i]) << i;
  }
  EXPECT_THROW(DriftPlusPenalty(0, 1), Error);
}

// JI-4.8
TEST(WantedShare, SaysWhenTheBudgetHoldsBack) {
  WantedShare share;
  for (int i = 0; i < 199; ++i) EXPECT_FALSE(share.record(true, false));
  EXPECT_TRUE(share.record(true, false));  // the 200th
  EXPECT_DOUBLE_EQ(share.wanted_ratio(), 1);
  for (int i = 0; i < 200; ++i) share.record(i % 5 < 3, i % 5 < 2);  // wants 60 %, may 40 %: exactly 1.5
  EXPECT_FALSE(share.exceeded());
  EXPECT_DOUBLE_EQ(share.wanted_ratio(), .6);
  EXPECT_DOUBLE_EQ(share.allowed_ratio(), .4);
  EXPECT_TRUE(share.record(true, false));  // in the place of a (true, true)
  for (int i = 0; i < 200; ++i) share.record(false, false);
  EXPECT_FALSE(share.exceeded());
}

}  // namespace
}  // namespace sedna::algo
