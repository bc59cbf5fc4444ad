#include "sedna/algo/retry.hpp"

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

using std::chrono::microseconds;

// JI-5.6
TEST(RetryThrottle, IsGrpcs) {
  RetryThrottle throttle(4, .5);
  EXPECT_DOUBLE_EQ(throttle.tokens(), 4);
  EXPECT_TRUE(throttle.failed_may_retry());
  EXPECT_DOUBLE_EQ(throttle.tokens(), 3);
  EXPECT_FALSE(throttle.failed_may_retry());
  EXPECT_DOUBLE_EQ(throttle.tokens(), 2);
  throttle.succeeded();
  EXPECT_DOUBLE_EQ(throttle.tokens(), 2.5);
  EXPECT_FALSE(throttle.failed_may_retry());
  EXPECT_DOUBLE_EQ(throttle.tokens(), 1.5);
  for (int i = 0; i < 4; ++i) throttle.succeeded();
  EXPECT_DOUBLE_EQ(throttle.tokens(), 3.5);
  EXPECT_TRUE(throttle.failed_may_retry());
  EXPECT_DOUBLE_EQ(throttle.tokens(), 2.5);
}

TEST(RetryThrottle, StaysWithinItsBounds) {
  RetryThrottle throttle;
  for (int i = 0; i < 50; ++i) throttle.failed_may_retry();
  EXPECT_DOUBLE_EQ(throttle.tokens(), 0);
  for (int i = 0; i < 500; ++i) throttle.succeeded();
  EXPECT_DOUBLE_EQ(throttle.tokens(), 10);
  EXPECT_THROW(RetryThrottle(0, 1), Error);
  EXPECT_THROW(RetryThrottle(10, 0), Error);
}

// JI-5.6
TEST(RetryBackoff, DrawsFromTheWholeRange) {
  const RetryBackoff backoff;
  EXPECT_EQ(backoff.delay(0, 0), microseconds(0));
  EXPECT_EQ(backoff.delay(0, .5), microseconds(12'500));
  EXPECT_EQ(backoff.delay(1, 1), microseconds(50'000));
  EXPECT_EQ(backoff.delay(4, 1), microseconds(250'000));
  EXPECT_EQ(backoff.delay(4'000'000'000u, 1), microseconds(250'000));
  EXPECT_EQ(backoff.delay(0, .5, microseconds(1'000'000)), microseconds(1'000'000));  // Retry-After
}

// JI-5.6
TEST(RetryBudget, AllowsAFifthButAtLeastThree) {
  RetryBudget budget;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.try_start_retry());
  EXPECT_FALSE(budget.try_start_retry());
  for (int i = 0; i < 20; ++i) budget.request_started();
  EXPECT_TRUE(budget.try_start_retry());
  EXPECT_FALSE(budget.try_start_retry());
  budget.retry_ended();
  EXPECT_TRUE(budget.try_start_retry());
}

}  // namespace
}  // namespace sedna::algo
