// Who trains: the policies by hand and by frequency, and rounds for chosen clients event by event and over HTTP.
#include "sedna/federated/selection.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/client.hpp"
#include "sedna/federated/test_http_job.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using Outcome = RoundMachine::Outcome;
using Standing = RoundMachine::Standing;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::doubles;
using test::fp64;

const RoundMachine::Time kStart = RoundMachine::Time() + hours(1);

Candidate candidate(const std::string& name, double samples = 0, double loss = 0, double took = 0,
                    std::int64_t last_round = 1) {
  Candidate out{name, {}};
  if (samples > 0) out.history = {last_round, 1, samples, loss, took};
  return out;
}

std::vector<Candidate> named(std::initializer_list<const char*> names) {
  std::vector<Candidate> out;
  for (const char* name : names) out.push_back(candidate(name));
  return out;
}

/// How often each is chosen in many rounds.
std::map<std::string, double> shares(const Selector& selector, const std::vector<Candidate>& candidates,
                                     std::size_t count, std::int64_t round = 1) {
  constexpr int kRounds = 20000;
  std::map<std::string, double> out;
  for (int i = 0; i < kRounds; ++i) {
    Draw draw(static_cast<std::uint64_t>(i), round, 0);
    const auto chosen = selector.choose(candidates, count, round, draw);
    EXPECT_EQ(std::set<std::string>(chosen.begin(), chosen.end()).size(), std::min(count, candidates.size()));
    for (const std::string& client : chosen) out[client] += 1.0 / kRounds;
  }
  return out;
}

// FL-10.1
TEST(Draw, IsTheSameForTheSameSeedRoundAndAttempt) {
  EXPECT_EQ(Draw(1, 2, 3).uniform(), Draw(1, 2, 3).uniform());
  EXPECT_NE(Draw(1, 2, 3).uniform(), Draw(1, 2, 4).uniform());
  EXPECT_NE(Draw(1, 2, 3).uniform(), Draw(1, 3, 3).uniform());
  EXPECT_NE(Draw(1, 2, 3).uniform(), Draw(2, 2, 3).uniform());
}

// FL-10.2
TEST(RandomSelection, ChoosesEveryoneAlike) {
  const auto selector = make_selector("random");
  for (const auto& [name, share] : shares(*selector, named({"a", "b", "c", "d", "e"}), 2)) {
    EXPECT_NEAR(share, 0.4, 0.015) << name;
  }
  Draw draw(1, 1, 0);
  EXPECT_THAT(selector->choose(named({"a", "b"}), 5, 1, draw), testing::UnorderedElementsAre("a", "b"));
}

// FL-10.2
TEST(WeightedSelection, ChoosesByNumberOfSamples) {
  const auto selector = make_selector("weighted");
  // One of three with 1, 2 and 5 samples: 1/8, 2/8, 5/8.
  const std::vector<Candidate> three = {candidate("a", 1), candidate("b", 2), candidate("c", 5)};
  auto share = shares(*selector, three, 1);
  EXPECT_NEAR(share["a"], 0.125, 0.015);
  EXPECT_NEAR(share["b"], 0.25, 0.015);
  EXPECT_NEAR(share["c"], 0.625, 0.015);
  // Two, without replacement: c is left out by (a, b) or (b, a): 1/8 · 2/7 + 2/8 · 1/6.
  share = shares(*selector, three, 2);
  EXPECT_NEAR(share["c"], 1 - (1.0 / 8 * 2 / 7 + 2.0 / 8 * 1 / 6), 0.015);
  // Nothing is known of d: it counts as the mean of the others, 2.
  share = shares(*selector, {candidate("a", 1), candidate("b", 3), candidate("d")}, 1);
  EXPECT_NEAR(share["d"], 2.0 / 6, 0.015);
}

// FL-10.3
TEST(OortSelection, ExploitsWhatTeachesMost) {
  const auto selector = make_selector("oort,explore=0,minimum=0,cutoff=1,clip=1,duration=0");
  // Utilities in round 1 (no bonus, ln 1 = 0): a 10·0.1 = 1, b 10·2 = 20, c 100·0.3 = 30. The best two, always.
  const std::vector<Candidate> all = {candidate("a", 10, 0.1), candidate("b", 10, 2), candidate("c", 100, 0.3)};
  auto share = shares(*selector, all, 2);
  EXPECT_EQ(share["a"], 0);
  EXPECT_NEAR(share["b"], 1, 1e-9);
  // With a bar of half the second's utility, 10, still not a; of one, by utility: c 30/50.
  const auto softer = make_selector("oort,explore=0,minimum=0,cutoff=0.5,clip=1,duration=0");
  share = shares(*softer, all, 1);
  EXPECT_EQ(share["a"], 0);
  EXPECT_NEAR(share["c"], 30.0 / 50, 0.015);
}

// FL-10.3
TEST(OortSelection, PrefersTheFastAndComesBackToTheForgotten) {
  // Both teach alike. T is the faster one's 10 s; the other took 20: (10/20)² = 1/4 of the utility.
  const auto timed = make_selector("oort,explore=0,minimum=0,cutoff=0,clip=1,duration=0.5,alpha=2");
  auto share = shares(*timed, {candidate("fast", 10, 1, 10), candidate("slow", 10, 1, 20)}, 1);
  EXPECT_NEAR(share["fast"], 0.8, 0.015);
  // In round 100 the one that was last seen in round 1 gets a bonus of range · sqrt(0.1 ln 100 / 1) = 9 · 0.679; the
  // other of 9 · sqrt(0.1 ln 100 / 100): 10 + 0.611 against 1 + 6.108.
  const auto forgetful = make_selector("oort,explore=0,minimum=0,cutoff=0,clip=1,duration=0");
  share = shares(*forgetful, {candidate("often", 10, 1, 0, 100), candidate("never", 1, 1, 0, 1)}, 1, 100);
  EXPECT_NEAR(share["never"], 7.108 / (7.108 + 10.611), 0.015);
}

// FL-10.3
TEST(OortSelection, ExploresWhoWasNeverHeardOf) {
  const auto selector = make_selector("oort,explore=0.5,decay=1,duration=0");
  const std::vector<Candidate> all = {candidate("a", 10, 1), candidate("b", 10, 1), candidate("x"), candidate("y")};
  auto share = shares(*selector, all, 2);
  EXPECT_NEAR(share["x"] + share["y"], 1, 1e-9) << "half of the two";
  EXPECT_NEAR(share["x"], 0.5, 0.015);
  // Outliers are cut to the others' quantile: a loss of a million is worth no more than the second one's.
  const auto cut = make_selector("oort,explore=0,minimum=0,cutoff=0,clip=0.5,duration=0");
  share = shares(*cut, {candidate("a", 1, 2), candidate("b", 1, 2), candidate("c", 1, 1e6)}, 1);
  EXPECT_NEAR(share["c"], 1.0 / 3, 0.015);
}

// FL-10.2
TEST(Selectors, NameWhatIsWrong) {
  const auto reason = [](const char* text) -> std::string {
    try {
      make_selector(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(reason("best"), testing::HasSubstr("there are oort, random, weighted"));
  EXPECT_THAT(reason("random,share=0.5"), testing::HasSubstr("random.share"));
  EXPECT_THAT(reason("oort,explore=2"), testing::HasSubstr("oort.explore"));
}

RoundOptions choosing(std::size_t participants, double over, std::size_t pool = 0) {
  RoundOptions o;
  o.participants = participants;
  o.exit_round = 3;
  o.round_deadline = minutes(10);
  o.selection.policy = "random";
  o.selection.over = over;
  o.selection.pool = pool;
  o.selection.seed = 7;
  return o;
}

void join_all(RoundMachine& machine, std::size_t clients, RoundMachine::Time now = kStart) {
  for (std::size_t i = 0; i < clients; ++i) {
    machine.join("c" + std::to_string(i), i + 1, std::nullopt, now);
  }
}

// FL-10.4
TEST(ChosenRounds, ChooseMoreThanAreNeededOnceEnoughAreThere) {
  RoundMachine machine(choosing(2, 1.5, 5), kStart);
  join_all(machine, 4);
  EXPECT_FALSE(machine.take_chosen()) << "five are waited for";
  EXPECT_EQ(machine.standing("c0"), Standing::kWaiting);
  machine.join("c4", 5, std::nullopt, kStart);
  const auto chosen = machine.take_chosen();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->clients.size(), 3u);
  EXPECT_FALSE(machine.take_chosen()) << "told once";
  std::size_t waiting = 0;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "c" + std::to_string(i);
    const bool in = std::ranges::find(chosen->clients, name) != chosen->clients.end();
    EXPECT_EQ(machine.standing(name), in ? Standing::kExpected : Standing::kWaiting);
    if (in) continue;
    ++waiting;
    const auto verdict = machine.commit({name, 1, {}, 1, {}}, kStart);
    EXPECT_EQ(verdict.outcome, Outcome::kNotChosen);
    EXPECT_THAT(verdict.reason, testing::HasSubstr("for other clients"));
    EXPECT_FALSE(machine.quarantined(name));
  }
  EXPECT_EQ(waiting, 2u);
  machine.commit({chosen->clients[0], 1, {}, 1, {}}, kStart);
  machine.commit({chosen->clients[2], 1, {}, 1, {}}, kStart);
  const auto closed = machine.take_closed();
  ASSERT_TRUE(closed) << "two of three are enough";
  EXPECT_THAT(closed->missing, testing::ElementsAre(chosen->clients[1]));
  ASSERT_TRUE(machine.take_chosen()) << "the next round has its own";
  // The same seed and clients: the same choice.
  RoundMachine other(choosing(2, 1.5, 5), kStart);
  join_all(other, 5);
  EXPECT_EQ(other.take_chosen()->clients, chosen->clients);
}

// FL-10.4
TEST(ChosenRounds, WaitForClientsNoLongerThanTheyMay) {
  RoundMachine machine(choosing(2, 1, 5), kStart);
  EXPECT_EQ(*machine.next_wakeup(), kStart + hours(24)) << "without a client only silence ends it";
  join_all(machine, 3, kStart + seconds(10));
  ASSERT_EQ(*machine.next_wakeup(), kStart + seconds(70));
  machine.tick(kStart + seconds(70));
  ASSERT_EQ(machine.take_chosen()->clients.size(), 2u);
  EXPECT_EQ(machine.deadline(), kStart + seconds(70) + minutes(10)) << "the clock starts with the choice";
}

// FL-10.4
TEST(ChosenRounds, PutOthersInThePlaceOfTheLost) {
  RoundMachine machine(choosing(2, 1), kStart);
  join_all(machine, 3);
  const auto chosen = machine.take_chosen();
  ASSERT_EQ(chosen->clients.size(), 2u);
  const std::string lost = chosen->clients[0];
  const auto connection = static_cast<std::uint64_t>(std::stoul(lost.substr(1)) + 1);
  machine.leave(lost, connection, false, kStart + seconds(1));
  EXPECT_FALSE(machine.take_chosen()) << "it may come back";
  ASSERT_EQ(*machine.next_wakeup(), kStart + seconds(61));
  machine.tick(kStart + seconds(61));
  const auto more = machine.take_chosen();
  ASSERT_TRUE(more);
  EXPECT_EQ(more->clients.size(), 3u);
  // It comes back after all: its update counts as well.
  machine.join(lost, 9, std::nullopt, kStart + seconds(90));
  EXPECT_EQ(machine.commit({lost, 1, {}, 1, {}}, kStart + seconds(91)).outcome, Outcome::kCommitted);
}

// FL-10.4
TEST(ChosenRounds, AreTheSameAfterARestart) {
  RoundMachine machine(choosing(2, 1), kStart);
  join_all(machine, 5);
  RoundMachine::Restored from;
  from.chosen = machine.take_chosen();
  RoundMachine restarted(choosing(2, 1), kStart);
  restarted.restore(from, kStart);
  join_all(restarted, 5);
  EXPECT_FALSE(restarted.take_chosen());
  for (int i = 0; i < 5; ++i) {
    const std::string name = "c" + std::to_string(i);
    EXPECT_EQ(restarted.standing(name), machine.standing(name));
  }
}

// FL-10.4
TEST(ChosenRounds, AreNotForAsynchronousRules) {
  auto o = choosing(2, 1);
  o.max_staleness = 1;
  EXPECT_THROW(RoundMachine(o, kStart), Error);
  o = choosing(2, 0.5);
  EXPECT_THROW(RoundMachine(o, kStart), Error);
}

// FL-10.6
TEST(ChosenServer, TellsTheOthersToWaitAndTakesUpstreamsClients) {
  const test::Folder folder;
  auto o = test::options_for(1, 6);
  o.rounds.selection.policy = "random";
  o.rounds.selection.pool = 3;
  o.rounds.selection.seed = 3;
  o.state_folder = folder.path.string();
  test::Job job(o);
  RoundClient a(job.client("a"));
  RoundClient b(job.client("b"));
  a.connect();
  b.connect();
  EXPECT_FALSE(a.next(test::milliseconds(50))) << "three are waited for";
  ClientOptions ws;
  ws.url = "ws" + job.server->origin().substr(4) + "/FedAvg";
  ws.client_id = "upstream";
  AggregationClient upstream(ws);
  upstream.connect();
  std::size_t trained = 0;
  bool a_done = false, b_done = false, upstream_done = false;
  upstream.submit(1, {fp64({1}, {1})});
  for (int i = 0; i < 2000 && !(a_done && b_done && upstream_done); ++i) {
    for (auto [client, done] : {std::pair(&a, &a_done), {&b, &b_done}}) {
      if (*done) continue;
      const auto task = client->next(test::milliseconds(5));
      if (!task) continue;
      *done = task->finished;
      if (*done) continue;
      ++trained;
      test::submit(*client, 1, {fp64({1}, {1})});
    }
    // Upstream's client knows of no plan: it trains each round, and counts in those that are its.
    if (const auto model = upstream_done ? std::nullopt : upstream.wait(test::milliseconds(5))) {
      upstream_done = model->last;
      if (!upstream_done) upstream.submit(1, {fp64({1}, {1})});
    }
  }
  EXPECT_TRUE(a_done && b_done);
  a.close();
  b.close();
  upstream.close();
  ASSERT_TRUE(job.server->wait_for(seconds(20)));
  EXPECT_TRUE(job.server->failure().empty()) << job.server->failure();
  ASSERT_EQ(job.reports.size(), 6u);
  std::set<std::string> who;
  for (const auto& report : job.reports) {
    ASSERT_EQ(report.chosen.size(), 1u);
    EXPECT_EQ(report.clients, report.chosen);
    who.insert(report.clients.begin(), report.clients.end());
  }
  EXPECT_GT(who.size(), 1u);
  EXPECT_LE(trained, 6u) << "nobody trains in vain";
}

}  // namespace
}  // namespace sedna::federated
