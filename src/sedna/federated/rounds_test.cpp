// The rounds, event by event.
#include "sedna/federated/rounds.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/test_job.hpp"
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

test::SummedRounds machine_for(std::size_t participants, std::int64_t rounds) {
  RoundOptions options;
  options.participants = participants;
  options.exit_round = rounds;
  return {options, kStart};
}

Update one(const std::string& client, double value, double samples = 1) {
  return update(client, samples, {fp64({1}, {value})});
}

double value_of(test::SummedRounds::Closed& closed) {
  return doubles(closed.sum->report().weights.front()).front();
}

// FL-2.1
TEST(Rounds, CloseWhenAllHaveComeAndEndTheJob) {
  auto m = machine_for(2, 2);
  m.machine.join("a", 1, std::nullopt, kStart);
  m.machine.join("b", 2, std::nullopt, kStart);
  EXPECT_THAT(m.machine.connected(), testing::ElementsAre("a", "b"));
  EXPECT_EQ(m.submit(one("a", 1), 1, kStart).outcome, Outcome::kCommitted);
  EXPECT_FALSE(m.take_closed());
  EXPECT_THAT(m.machine.missing(), testing::ElementsAre("b"));
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
  EXPECT_EQ(m.machine.phase(), Phase::kClosing);
  EXPECT_EQ(m.submit(one("a", 1), 3, kStart).outcome, Outcome::kFinished);
  m.machine.leave("a", 1, true, kStart);
  EXPECT_EQ(m.machine.phase(), Phase::kClosing);
  m.machine.leave("b", 2, true, kStart);
  EXPECT_EQ(m.machine.phase(), Phase::kDone);
  EXPECT_FALSE(m.machine.next_wakeup());
}

// FL-2.2
TEST(Rounds, CountAClientOnce) {
  auto m = machine_for(2, 1);
  m.machine.join("a", 1, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  const auto again = m.submit(one("a", 100), std::nullopt, kStart);
  EXPECT_EQ(again.outcome, Outcome::kDuplicate);
  EXPECT_THAT(again.reason, testing::HasSubstr("the first one counts"));
  EXPECT_EQ(m.machine.updates(), 1u);
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
  m.machine.join("a", 1, std::nullopt, kStart);
  m.machine.join("b", 2, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  m.machine.leave("a", 1, true, kStart);
  EXPECT_THAT(m.machine.connected(), testing::ElementsAre("b"));
  m.submit(one("b", 3), std::nullopt, kStart);
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(value_of(*closed), 2);
}

// FL-2.5
TEST(Rounds, TheNewestConnectionOfAClientIsTheOne) {
  auto m = machine_for(2, 1);
  m.machine.join("a", 1, std::nullopt, kStart);
  EXPECT_EQ(m.machine.join("a", 2, std::nullopt, kStart).replaced, 1u);
  m.machine.leave("a", 1, false, kStart);  // the old one's end is no news
  EXPECT_THAT(m.machine.connected(), testing::ElementsAre("a"));
  m.machine.leave("a", 2, false, kStart);
  EXPECT_TRUE(m.machine.connected().empty());
}

// FL-2.5
TEST(Rounds, WhoComesBackIsToldWhatItMissed) {
  auto m = machine_for(1, 3);
  m.machine.join("a", 1, std::nullopt, kStart);
  m.submit(one("a", 1), 1, kStart);
  m.machine.leave("a", 1, false, kStart);
  EXPECT_TRUE(m.machine.join("a", 2, 0, kStart).behind);
  EXPECT_FALSE(m.machine.join("a", 3, 1, kStart).behind);
  EXPECT_FALSE(m.machine.join("b", 4, std::nullopt, kStart).behind);  // upstream's clients do not say, and are not told
  EXPECT_EQ(m.submit(one("a", 1), 1, kStart).outcome, Outcome::kLate);
  EXPECT_EQ(m.submit(one("a", 1), 2, kStart).outcome, Outcome::kCommitted);
}

// FL-2.4
TEST(Rounds, TheDeadlineClosesARoundWithWhatThereIs) {
  auto m = machine_for(3, 1);
  m.machine.join("a", 1, std::nullopt, kStart);
  EXPECT_EQ(m.machine.next_wakeup(), kStart + hours(24));  // nobody has sent anything: only the idle limit
  m.machine.join("late", 2, std::nullopt, kStart);
  m.submit(one("a", 7), std::nullopt, kStart + minutes(10));
  EXPECT_EQ(m.machine.next_wakeup(), kStart + minutes(70));
  m.machine.tick(kStart + minutes(69));
  EXPECT_FALSE(m.take_closed());
  m.machine.tick(kStart + minutes(70));
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_TRUE(closed->by_deadline);
  EXPECT_THAT(closed->missing, testing::ElementsAre("late"));
  EXPECT_EQ(value_of(*closed), 7);
}

// FL-2.4
TEST(Rounds, ThatNobodyCanFillFailTheJobAndSayWhy) {
  auto m = machine_for(1, 1);
  m.machine.join("a", 1, std::nullopt, kStart);
  EXPECT_EQ(m.submit(one("a", 1, 0), std::nullopt, kStart).outcome, Outcome::kRefused);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(m.machine.phase(), Phase::kCollecting);
    m.machine.tick(kStart + hours(i));
  }
  EXPECT_EQ(m.machine.phase(), Phase::kFailed);
  EXPECT_THAT(m.machine.failure(), testing::HasSubstr("abandoned 3 times"));
  EXPECT_FALSE(m.machine.next_wakeup());
}

// FL-2.4
TEST(Rounds, SilenceFailsTheJob) {
  auto m = machine_for(1, 1);
  m.machine.join("a", 1, std::nullopt, kStart);
  m.machine.tick(kStart + hours(24));
  EXPECT_EQ(m.machine.phase(), Phase::kFailed);
  EXPECT_THAT(m.machine.failure(), testing::HasSubstr("nothing has happened for 86400 s"));
}

// FL-2.6
TEST(Rounds, AtTheEndWhoBrokeOffIsWaitedForAWhile) {
  auto m = machine_for(2, 1);
  m.machine.join("a", 1, std::nullopt, kStart);
  m.machine.join("b", 2, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  m.machine.leave("a", 1, false, kStart);
  m.submit(one("b", 1), std::nullopt, kStart + seconds(1));
  m.machine.leave("b", 2, true, kStart + seconds(2));
  EXPECT_EQ(m.machine.phase(), Phase::kClosing);
  EXPECT_EQ(m.machine.next_wakeup(), kStart + seconds(17));
  EXPECT_TRUE(m.machine.join("a", 3, 0, kStart + seconds(3)).behind);
  m.machine.leave("a", 3, true, kStart + seconds(4));
  EXPECT_EQ(m.machine.phase(), Phase::kDone);
}

// FL-2.6
TEST(Rounds, AtTheEndNobodyIsWaitedForWithoutEnd) {
  auto m = machine_for(1, 1);
  m.machine.join("a", 1, std::nullopt, kStart);
  m.submit(one("a", 1), std::nullopt, kStart);
  EXPECT_EQ(m.machine.next_wakeup(), kStart + minutes(5));
  m.machine.tick(kStart + minutes(5));
  EXPECT_EQ(m.machine.phase(), Phase::kDone);
}

Offer offer(const std::string& client, const std::string& digest = {}, std::optional<std::int64_t> round = std::nullopt,
            std::map<std::string, double> metrics = {}) {
  return {client, 1, digest, round, std::move(metrics)};
}

// FL-2.2
TEST(Rounds, TellTheSameUpdateFromAnother) {
  RoundOptions options;
  options.participants = 2;
  RoundMachine m(options, kStart);
  EXPECT_EQ(m.preview(offer("a", "x"), kStart).outcome, Outcome::kCommitted);
  EXPECT_EQ(m.updates(), 0u);
  m.commit(offer("a", "x"), kStart);
  EXPECT_EQ(m.preview(offer("a", "x"), kStart).outcome, Outcome::kDuplicate);
  EXPECT_EQ(m.commit(offer("a", "y"), kStart).outcome, Outcome::kConflict);
  EXPECT_EQ(m.updates(), 1u);
}

// FL-2.4
TEST(Rounds, PastTheSoftDeadlineAQuorumIsEnough) {
  RoundOptions options;
  options.participants = 4;
  options.quorum = 2;
  options.soft_deadline = minutes(5);
  options.exit_round = 2;
  RoundMachine m(options, kStart);
  m.commit(offer("a"), kStart);
  EXPECT_EQ(m.next_wakeup(), kStart + hours(1));
  m.commit(offer("b"), kStart + minutes(1));
  EXPECT_EQ(m.next_wakeup(), kStart + minutes(5));
  m.tick(kStart + minutes(5));
  auto closed = m.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_TRUE(closed->by_deadline);
  EXPECT_THAT(closed->clients, testing::ElementsAre("a", "b"));
  // When the quorum comes late, it closes the round by coming.
  m.commit(offer("a"), kStart + minutes(6));
  m.tick(kStart + minutes(20));
  EXPECT_FALSE(m.take_closed());
  m.commit(offer("b"), kStart + minutes(21));
  EXPECT_TRUE(m.take_closed());
}

// FL-2.3
TEST(Rounds, WhoIsRefusedTooOftenIsNotHeardAnyMore) {
  RoundOptions options;
  options.participants = 2;
  options.max_strikes = 2;
  RoundMachine m(options, kStart);
  m.refused("a", kStart);
  EXPECT_EQ(m.preview(offer("a"), kStart).outcome, Outcome::kCommitted);
  m.refused("a", kStart);
  const auto verdict = m.commit(offer("a"), kStart);
  EXPECT_EQ(verdict.outcome, Outcome::kQuarantined);
  EXPECT_THAT(verdict.reason, testing::HasSubstr("2 updates of this client were refused"));
  EXPECT_EQ(m.commit(offer("b"), kStart).outcome, Outcome::kCommitted);
}

// FL-2.7
TEST(Rounds, EndWhenTheMetricHasReachedItsTarget) {
  RoundOptions options;
  options.exit_round = 100;
  options.stop.metric = "accuracy";
  options.stop.target = 0.9;
  RoundMachine m(options, kStart);
  m.commit(offer("a", {}, 1, {{"accuracy", 0.5}}), kStart);
  EXPECT_FALSE(m.take_closed()->last);
  m.commit(offer("a", {}, 2, {{"accuracy", 0.91}, {"loss", 3}}), kStart);
  const auto closed = m.take_closed();
  EXPECT_TRUE(closed->last);
  EXPECT_THAT(closed->stopped, testing::HasSubstr("accuracy has reached 0.9"));
  EXPECT_EQ(closed->metrics.at("loss"), 3);
  EXPECT_EQ(m.phase(), Phase::kClosing);
}

// FL-2.7
TEST(Rounds, EndWhenTheMetricStaysAsItIsOrTheBudgetIsUsedUp) {
  RoundOptions options;
  options.participants = 2;
  options.exit_round = 100;
  options.stop.metric = "loss";
  options.stop.smaller_is_better = true;
  options.stop.patience = 2;
  RoundMachine m(options, kStart);
  int rounds = 0;
  for (const double loss : {3.0, 2.0, 2.5, 2.0, 1.0}) {
    Offer a = offer("a", {}, std::nullopt, {{"loss", loss - 1}});
    Offer b = offer("b", {}, std::nullopt, {{"loss", loss + 0.5}});
    b.weight = 2;  // the mean by samples is the loss
    m.commit(a, kStart);
    m.commit(b, kStart);
    const auto closed = m.take_closed();
    ASSERT_TRUE(closed);
    ++rounds;
    EXPECT_DOUBLE_EQ(closed->metrics.at("loss"), loss);
    if (closed->last) {
      EXPECT_THAT(closed->stopped, testing::HasSubstr("not become better for 2 rounds"));
      break;
    }
  }
  EXPECT_EQ(rounds, 4);
  options = RoundOptions();
  options.exit_round = 100;
  options.stop.budget = minutes(10);
  RoundMachine timed(options, kStart);
  timed.commit(offer("a"), kStart + minutes(9));
  EXPECT_FALSE(timed.take_closed()->last);
  timed.commit(offer("a"), kStart + minutes(10));
  EXPECT_TRUE(timed.take_closed()->last);
}

// FL-2.8
TEST(Rounds, GoOnFromTheirRecords) {
  RoundOptions options;
  options.participants = 2;
  options.exit_round = 3;
  RoundMachine m(options, kStart);
  m.restore({1, {offer("a", "x", 2)}, {{}}, false}, kStart);
  EXPECT_EQ(m.closed_rounds(), 1);
  EXPECT_EQ(m.commit(offer("a", "x", 2), kStart).outcome, Outcome::kDuplicate);
  EXPECT_EQ(m.commit(offer("b", "y", 1), kStart).outcome, Outcome::kLate);
  EXPECT_EQ(m.next_wakeup(), kStart + hours(1));  // the open round's clock begins anew
  EXPECT_EQ(m.commit(offer("b", "y", 2), kStart).outcome, Outcome::kCommitted);
  EXPECT_EQ(m.take_closed()->round, 2);
  // Died between the last commit and its close: closed at once.
  RoundMachine full(options, kStart);
  full.restore({0, {offer("a"), offer("b")}, {}, false}, kStart);
  EXPECT_EQ(full.take_closed()->round, 1);
  RoundMachine ended(options, kStart);
  ended.restore({3, {}, {}, true}, kStart);
  EXPECT_EQ(ended.phase(), Phase::kClosing);
  ended.tick(kStart + seconds(15));
  EXPECT_EQ(ended.phase(), Phase::kDone);
}

// FL-2.1
TEST(Rounds, CountsMustMakeSense) {
  RoundOptions options;
  options.participants = 3;
  options.min_updates = 4;
  EXPECT_THROW(RoundMachine(options, kStart), Error);
  EXPECT_THROW(machine_for(0, 1), Error);
  EXPECT_THROW(machine_for(1, 0), Error);
}

}  // namespace
}  // namespace sedna::federated
