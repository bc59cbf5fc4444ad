// The rounds, event by event.
#include "sedna/federated/rounds.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/mean.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using Outcome = RoundMachine::Outcome;
using Phase = RoundMachine::Phase;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::doubles;
using test::fp64;
using test::update;

const RoundMachine::Time kStart = RoundMachine::Time() + hours(1);

RoundMachine machine_for(std::size_t participants, std::int64_t rounds) {
  RoundOptions options;
  options.participants = participants;
  options.exit_round = rounds;
  return {options, [] { return std::make_unique<WeightedMean>(); }, kStart};
}

Update one(const std::string& client, double value, double samples = 1) {
  return update(client, samples, {fp64({1}, {value})});
}

double value_of(RoundMachine::Closed& closed) {
  return doubles(closed.sum->report().weights.front()).front();
}

// FL-2.1
TEST(Rounds, CloseWhenAllHaveComeAndEndTheJob) {
  auto m = machine_for(2, 2);
  m.join("a", 1, std::nullopt, kStart);
  m.join("b", 2, std::nullopt, kStart);
  EXPECT_THAT(m.connected(), testing::ElementsAre("a", "b"));
  EXPECT_EQ(m.submit(one("a", 1), 1, kStart).outcome, Outcome::kCommitted);
  EXPECT_FALSE(m.take_closed());
  EXPECT_THAT(m.missing(), testing::ElementsAre("b"));
  EXPECT_EQ(m.submit(one("b", 4, 2), std::nullopt, kStart).outcome, Outcome::kCommitted);
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->round, 1);
  EXPECT_FALSE(closed->last);
  EXPECT_FALSE(closed->by_deadline);
  EXPECT_THAT(closed->clients, testing::ElementsAre("a", "b"));
  EXPECT_EQ(value_of(*closed), 3);
  m.submit(one("a", 1), 2, kStart);
  m.submit(one("b", 1), 2, kStart);
  closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_TRUE(closed->last);
  EXPECT_EQ(m.phase(), Phase::kClosing);
  EXPECT_EQ(m.submit(one("a", 1), 3, kStart).outcome, Outcome::kFinished);
  m.leave("a", 1, true, kStart);
  EXPECT_EQ(m.phase(), Phase::kClosing);
  m.leave("b", 2, true, kStart);
  EXPECT_EQ(m.phase(), Phase::kDone);
  EXPECT_FALSE(m.next_wakeup());
}

// FL-2.2
TEST(Rounds, CountAClientOnce) {
  auto m = machine_for(2, 1);
  m.join("a", 1, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  const auto again = m.submit(one("a", 100), std::nullopt, kStart);
  EXPECT_EQ(again.outcome, Outcome::kDuplicate);
  EXPECT_THAT(again.reason, testing::HasSubstr("the first one counts"));
  EXPECT_EQ(m.updates(), 1u);
  m.submit(one("b", 3), std::nullopt, kStart);
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(value_of(*closed), 2);
}

// FL-2.3
TEST(Rounds, RefuseWithAReasonAndGoOn) {
  auto m = machine_for(2, 1);
  m.submit(one("a", 1), std::nullopt, kStart);
  const auto nan = m.submit(one("b", std::numeric_limits<double>::quiet_NaN()), std::nullopt, kStart);
  EXPECT_EQ(nan.outcome, Outcome::kRefused);
  EXPECT_THAT(nan.reason, testing::HasSubstr("NaN"));
  const auto shape = m.submit(update("b", 1, {fp64({2}, {1, 2})}), std::nullopt, kStart);
  EXPECT_EQ(shape.outcome, Outcome::kRefused);
  EXPECT_THAT(shape.reason, testing::HasSubstr("shape"));
  EXPECT_EQ(m.submit(one("b", 1, 0), std::nullopt, kStart).outcome, Outcome::kRefused);
  EXPECT_EQ(m.submit(one("b", 5), std::nullopt, kStart).outcome, Outcome::kCommitted);
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(value_of(*closed), 3);
}

// FL-2.5
TEST(Rounds, ALeaverKeepsItsUpdateInTheSum) {
  auto m = machine_for(2, 2);
  m.join("a", 1, std::nullopt, kStart);
  m.join("b", 2, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  m.leave("a", 1, true, kStart);
  EXPECT_THAT(m.connected(), testing::ElementsAre("b"));
  m.submit(one("b", 3), std::nullopt, kStart);
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(value_of(*closed), 2);
}

// FL-2.5
TEST(Rounds, TheNewestConnectionOfAClientIsTheOne) {
  auto m = machine_for(2, 1);
  m.join("a", 1, std::nullopt, kStart);
  EXPECT_EQ(m.join("a", 2, std::nullopt, kStart).replaced, 1u);
  m.leave("a", 1, false, kStart);  // the old one's end is no news
  EXPECT_THAT(m.connected(), testing::ElementsAre("a"));
  m.leave("a", 2, false, kStart);
  EXPECT_TRUE(m.connected().empty());
}

// FL-2.5
TEST(Rounds, WhoComesBackIsToldWhatItMissed) {
  auto m = machine_for(1, 3);
  m.join("a", 1, std::nullopt, kStart);
  m.submit(one("a", 1), 1, kStart);
  m.leave("a", 1, false, kStart);
  EXPECT_TRUE(m.join("a", 2, 0, kStart).behind);
  EXPECT_FALSE(m.join("a", 3, 1, kStart).behind);
  EXPECT_FALSE(m.join("b", 4, std::nullopt, kStart).behind);  // upstream's clients do not say, and are not told
  EXPECT_EQ(m.submit(one("a", 1), 1, kStart).outcome, Outcome::kLate);
  EXPECT_EQ(m.submit(one("a", 1), 2, kStart).outcome, Outcome::kCommitted);
}

// FL-2.4
TEST(Rounds, TheDeadlineClosesARoundWithWhatThereIs) {
  auto m = machine_for(3, 1);
  m.join("a", 1, std::nullopt, kStart);
  EXPECT_EQ(m.next_wakeup(), kStart + hours(24));  // nobody has sent anything: only the idle limit
  m.join("late", 2, std::nullopt, kStart);
  m.submit(one("a", 7), std::nullopt, kStart + minutes(10));
  EXPECT_EQ(m.next_wakeup(), kStart + minutes(70));
  m.tick(kStart + minutes(69));
  EXPECT_FALSE(m.take_closed());
  m.tick(kStart + minutes(70));
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_TRUE(closed->by_deadline);
  EXPECT_THAT(closed->missing, testing::ElementsAre("late"));
  EXPECT_EQ(value_of(*closed), 7);
}

// FL-2.4
TEST(Rounds, ThatNobodyCanFillFailTheJobAndSayWhy) {
  auto m = machine_for(1, 1);
  m.join("a", 1, std::nullopt, kStart);
  EXPECT_EQ(m.submit(one("a", 1, 0), std::nullopt, kStart).outcome, Outcome::kRefused);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(m.phase(), Phase::kCollecting);
    m.tick(kStart + hours(i));
  }
  EXPECT_EQ(m.phase(), Phase::kFailed);
  EXPECT_THAT(m.failure(), testing::HasSubstr("abandoned 3 times"));
  EXPECT_FALSE(m.next_wakeup());
}

// FL-2.4
TEST(Rounds, SilenceFailsTheJob) {
  auto m = machine_for(1, 1);
  m.join("a", 1, std::nullopt, kStart);
  m.tick(kStart + hours(24));
  EXPECT_EQ(m.phase(), Phase::kFailed);
  EXPECT_THAT(m.failure(), testing::HasSubstr("nothing has happened for 86400 s"));
}

// FL-2.6
TEST(Rounds, AtTheEndWhoBrokeOffIsWaitedForAWhile) {
  auto m = machine_for(2, 1);
  m.join("a", 1, std::nullopt, kStart);
  m.join("b", 2, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  m.leave("a", 1, false, kStart);
  m.submit(one("b", 1), std::nullopt, kStart + seconds(1));
  m.leave("b", 2, true, kStart + seconds(2));
  EXPECT_EQ(m.phase(), Phase::kClosing);
  EXPECT_EQ(m.next_wakeup(), kStart + seconds(17));
  EXPECT_TRUE(m.join("a", 3, 0, kStart + seconds(3)).behind);
  m.leave("a", 3, true, kStart + seconds(4));
  EXPECT_EQ(m.phase(), Phase::kDone);
}

// FL-2.6
TEST(Rounds, AtTheEndNobodyIsWaitedForWithoutEnd) {
  auto m = machine_for(1, 1);
  m.join("a", 1, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  EXPECT_EQ(m.next_wakeup(), kStart + minutes(5));
  m.tick(kStart + minutes(5));
  EXPECT_EQ(m.phase(), Phase::kDone);
}

// FL-2.1
TEST(Rounds, CountsMustMakeSense) {
  EXPECT_THROW(machine_for(0, 1), Error);
  EXPECT_THROW(machine_for(1, 0), Error);
}

}  // namespace
}  // namespace sedna::federated
