// FedBuff and FedAsync: the rules by hand, the rounds event by event, and jobs over HTTP and upstream's messages.
#include <cmath>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/client.hpp"
#include "sedna/federated/mean.hpp"
#include "sedna/federated/rules.hpp"
#include "sedna/federated/test_http_job.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using Outcome = RoundMachine::Outcome;
using std::chrono::hours;
using test::doubles;
using test::fp64;
using test::next;
using test::submit;
using test::update;

const RoundMachine::Time kStart = RoundMachine::Time() + hours(1);

RuleOptions rule(const std::string& algorithm) {
  RuleOptions options;
  options.algorithm = algorithm;
  return options;
}

std::shared_ptr<const Model> model_of(double value) {
  Model model;
  model.weights = {fp64({1}, {value})};
  return std::make_shared<const Model>(std::move(model));
}

Update aged(const std::string& client, double samples, double value, std::int64_t staleness, double began_with) {
  Update out = update(client, samples, {fp64({1}, {value})});
  out.staleness = staleness;
  out.began_with = std::make_shared<const Weights>(Weights{fp64({1}, {began_with})});
  return out;
}

double finish(Rules& rules, const std::shared_ptr<const Model>& base, std::vector<Update> updates) {
  RoundSum sum(rules, base);
  for (Update& u : updates) sum.add(std::move(u));
  return doubles(sum.finish(updates.size()).model.weights.front()).front();
}

// FL-9.1
TEST(FedBuff, IsAsWorkedOutByHand) {
  Rules rules = Rules::make(rule("FedBuff,learningRate=0.5"));
  // The newest model is 10. a began with it: change +2. b began three models ago with 4 and went to 8: change +4, which
  // counts 1/sqrt(4) = 1/2: +2. By samples (3 and 1): (3·2 + 1·2)/4 = 2, at half the rate: 11.
  EXPECT_DOUBLE_EQ(finish(rules, model_of(10), {aged("a", 3, 12, 0, 10), aged("b", 1, 8, 3, 4)}), 11);
  Rules unscaled = Rules::make(rule("FedBuff,staleness=constant"));
  EXPECT_DOUBLE_EQ(finish(unscaled, model_of(10), {aged("a", 1, 12, 0, 10), aged("b", 1, 8, 3, 4)}), 13);
  Rules hinge = Rules::make(rule("FedBuff,staleness=hinge,a=1,b=2"));
  // 1 / (1·(3 − 2) + 1) = 1/2 for three rounds, all of it for two.
  EXPECT_DOUBLE_EQ(finish(hinge, model_of(10), {aged("b", 1, 8, 3, 4)}), 12);
  EXPECT_DOUBLE_EQ(finish(hinge, model_of(10), {aged("b", 1, 8, 2, 4)}), 14);
}

// FL-9.1
TEST(FedBuff, OfFreshUpdatesIsFedAvgBitForBit) {
  Rules buff = Rules::make(rule("FedBuff"));
  Rules avg = Rules::make(rule("FedAvg"));
  const auto base = model_of(0.1);
  const std::vector<Update> updates = {aged("a", 3, 0.7, 0, 0.1), aged("b", 7, -1.3, 0, 0.1)};
  EXPECT_EQ(finish(buff, base, updates), finish(avg, base, updates));
}

// FL-9.2
TEST(FedAsync, IsAsWorkedOutByHand) {
  Rules rules = Rules::make(rule("FedAsync,alpha=0.5"));
  EXPECT_DOUBLE_EQ(finish(rules, model_of(10), {aged("a", 5, 12, 0, 10)}), 11);  // 10 + 1/2 · 2
  // Three rounds old: alpha/sqrt(4) = 1/4 of the way from 10 to 6, wherever it began.
  EXPECT_DOUBLE_EQ(finish(rules, model_of(10), {aged("a", 5, 6, 3, 1)}), 9);
}

RuleOptions carrying(const std::string& algorithm, const std::string& late) {
  RuleOptions options = rule(algorithm);
  options.late = late;
  return options;
}

// FL-9.9
TEST(LateUpdates, AreCarriedByTheirAge) {
  Rules rules = Rules::make(carrying("FedAvg", "carry"));
  // As FedBuff: +2 of a, and half of b's +4, by samples.
  EXPECT_DOUBLE_EQ(finish(rules, model_of(10), {aged("a", 3, 12, 0, 10), aged("b", 1, 8, 3, 4)}), 12);
  // Momentum sees the mean of both: d = 2, and x + rate · d with the first step's moment.
  Rules momentum = Rules::make(carrying("FedAvgM,learningRate=0.5,momentum=0", "carry"));
  EXPECT_DOUBLE_EQ(finish(momentum, model_of(10), {aged("a", 3, 12, 0, 10), aged("b", 1, 8, 3, 4)}), 11);
  EXPECT_EQ(rules.algorithm->asynchrony()->max_staleness, 10);
  EXPECT_EQ(rules.algorithm->name(), "FedAvg");
  EXPECT_FALSE(rules.composes());
}

// FL-9.9
TEST(LateUpdates, ThatAreNoneChangeNothing) {
  const auto base = model_of(0.1);
  const std::vector<Update> updates = {aged("a", 3, 0.7, 0, 0.1), aged("b", 7, -1.3, 0, 0.1)};
  for (const char* algorithm : {"FedAvg", "FedAdam", "FedYogi", "FedAdagrad", "FedAvgM", "FedProx"}) {
    Rules with = Rules::make(carrying(algorithm, "carry"));
    Rules without = Rules::make(rule(algorithm));
    EXPECT_EQ(finish(with, base, updates), finish(without, base, updates)) << algorithm;
  }
  EXPECT_FALSE(Rules::make(carrying("FedAvg", "discard")).algorithm->asynchrony());
}

// FL-9.9
TEST(LateUpdates, AreRefusedWhereTheyMeanNothing) {
  for (const auto& [algorithm, late] : {std::pair("SCAFFOLD", "carry"),
                                        {"FedNova", "carry"},
                                        {"FedDyn", "carry"},
                                        {"FedBuff", "carry"},
                                        {"FedAvg", "keep"},
                                        {"FedAvg", "carry,maxStaleness=0"},
                                        {"FedAvg", "carry,age=3"},
                                        {"FedAvg", "discard,a=1"}}) {
    EXPECT_THROW(Rules::make(carrying(algorithm, late)), Error) << algorithm << " " << late;
  }
  RuleOptions strict = carrying("FedAvg", "carry");
  strict.strict = true;
  EXPECT_THROW(Rules::make(strict), Error);
}

// FL-9.9
TEST(LateUpdates, CountInTheNextRoundOfAJob) {
  auto o = test::options_for(2, 4);
  o.rules.late = "carry,maxStaleness=1";
  test::Job job(o);
  const auto put = [&](const std::string& client, std::int64_t round, float value) {
    return job.put(client, round, test::update_file(round, 1, {test::fp32({1}, {value})}));
  };
  const auto published = [&](std::int64_t round) {
    while (job.server->rounds() < round) std::this_thread::yield();
  };
  EXPECT_EQ(job.put("a", 0, test::update_file(0, 1, {test::fp32({1}, {8})})).status, 200);
  EXPECT_EQ(put("a", 1, 9).status, 200);
  EXPECT_EQ(put("b", 1, 11).status, 200);
  published(1);  // 10
  const auto late = put("c", 1, 12);
  EXPECT_EQ(late.status, 200);
  EXPECT_THAT(late.body.text(), testing::HasSubstr("\"round\":2"));
  EXPECT_THAT(put("c", 2, 10).body.text(), testing::HasSubstr("conflict")) << "it has its part of round 2";
  EXPECT_EQ(put("a", 2, 12).status, 200);
  published(2);
  const auto model = job.call("GET", "/models/latest");
  const auto read = read_model_file(model.body);
  // 10 + (2 + (12 − 8) / sqrt(2)) / 2
  EXPECT_NEAR(read.weights.front().as<float>()[0], 10 + (2 + 4 / std::sqrt(2.0)) / 2, 1e-5);
  EXPECT_EQ(put("a", 3, 12).status, 200);
  EXPECT_EQ(put("b", 3, 12).status, 200);
  published(3);
  EXPECT_EQ(put("d", 3, 12).status, 200) << "one round late";
  EXPECT_EQ(put("e", 2, 12).status, 409) << "older than what is carried";
}

// FL-9.2
TEST(AsynchronousRules, RefuseWhatDoesNotGoTogether) {
  RuleOptions options = rule("FedBuff");
  options.strict = true;
  EXPECT_THROW(Rules::make(options), Error);
  EXPECT_THROW(Rules::make(rule("FedAsync,staleness=linear")), Error);
  EXPECT_THROW(Rules::make(rule("FedAsync,alpha=2")), Error);
}

RoundOptions buffered(std::size_t buffer, std::int64_t max_staleness, std::int64_t rounds) {
  RoundOptions options;
  options.participants = buffer;
  options.exit_round = rounds;
  options.max_staleness = max_staleness;
  return options;
}

// FL-9.3
TEST(AsynchronousRounds, CountWhatIsLateAndSayHowLate) {
  RoundMachine machine(buffered(1, 2, 10), kStart);
  EXPECT_EQ(machine.commit({"a", 1, "x", 1, {}}, kStart).outcome, Outcome::kCommitted);
  EXPECT_EQ(machine.commit({"a", 1, "x", 2, {}}, kStart).outcome, Outcome::kCommitted);
  const auto late = machine.commit({"b", 1, "x", 1, {}}, kStart);
  EXPECT_EQ(late.outcome, Outcome::kCommitted);
  EXPECT_EQ(late.round, 3);
  EXPECT_EQ(late.staleness, 2);
  EXPECT_EQ(machine.closed_rounds(), 3);
  const auto too_late = machine.commit({"c", 1, "x", 1, {}}, kStart);
  EXPECT_EQ(too_late.outcome, Outcome::kLate);
  EXPECT_THAT(too_late.reason, testing::HasSubstr("updates may be 2 old"));
  std::vector<std::int64_t> ages;
  while (auto closed = machine.take_closed()) ages.push_back(closed->staleness.front());
  EXPECT_THAT(ages, testing::ElementsAre(0, 0, 2));
}

// FL-9.3
TEST(AsynchronousRounds, CountAnUpdateOnceHoweverLateItComesAgain) {
  RoundMachine machine(buffered(2, 5, 10), kStart);
  EXPECT_EQ(machine.commit({"a", 1, "x", 1, {}}, kStart).outcome, Outcome::kCommitted);
  EXPECT_EQ(machine.commit({"a", 1, "x", 1, {}}, kStart).outcome, Outcome::kDuplicate) << "it is in the buffer";
  EXPECT_EQ(machine.commit({"b", 1, "x", 1, {}}, kStart).outcome, Outcome::kCommitted);
  ASSERT_EQ(machine.closed_rounds(), 1);
  const auto again = machine.commit({"a", 1, "x", 1, {}}, kStart);
  EXPECT_EQ(again.outcome, Outcome::kDuplicate) << "its model is out";
  EXPECT_EQ(again.round, 1) << "nothing is to be waited for";
  EXPECT_EQ(machine.updates(), 0u);
  // Also after a restart.
  auto closed = machine.take_closed();
  RoundMachine::Restored from;
  from.closed_rounds = 1;
  from.known = closed->known;
  RoundMachine restarted(buffered(2, 5, 10), kStart);
  restarted.restore(from, kStart);
  EXPECT_EQ(restarted.commit({"a", 1, "x", 1, {}}, kStart).outcome, Outcome::kDuplicate);
  EXPECT_EQ(restarted.commit({"c", 1, "x", 1, {}}, kStart).outcome, Outcome::kCommitted);
}

AggregationServerOptions asynchronous(const std::string& algorithm, std::size_t participants, std::int64_t rounds) {
  auto o = test::options_for(participants, rounds);
  o.rules.algorithm = algorithm;
  return o;
}

double value_of(const RoundTask& task) {
  return doubles(task.model->weights.front()).front();
}

// FL-9.4
TEST(AsynchronousServer, WaitsForNobodyAndCountsTheSlowOne) {
  test::Job job(asynchronous("FedBuff,buffer=2,maxStaleness=4", 3, 3));
  RoundClient a(job.client("a"));
  RoundClient b(job.client("b"));
  RoundClient slow(job.client("slow"));
  a.connect();
  ASSERT_TRUE(a.wants_initial());
  a.offer_initial({fp64({1}, {0})});
  EXPECT_EQ(value_of(next(a)), 0);
  b.connect();
  slow.connect();
  EXPECT_EQ(value_of(next(b)), 0);
  const auto began = next(slow);
  EXPECT_EQ(began.round, 1);
  submit(a, 1, {fp64({1}, {2})});
  submit(b, 1, {fp64({1}, {4})});
  const auto second = next(a);
  EXPECT_EQ(second.round, 2);
  EXPECT_EQ(value_of(second), 3);
  EXPECT_EQ(next(b).round, 2);
  submit(a, 1, {fp64({1}, {5})});
  submit(b, 1, {fp64({1}, {5})});
  EXPECT_EQ(value_of(next(a)), 5);
  EXPECT_EQ(next(b).round, 3);
  // Its change of +2 from model 0 is two models old: 2/sqrt(3). a's is +1. Both by half.
  submit(slow, 1, {fp64({1}, {2})});
  submit(a, 1, {fp64({1}, {6})});
  const auto last = next(slow);
  EXPECT_TRUE(last.finished);
  EXPECT_NEAR(value_of(last), 5 + (2 / std::sqrt(3.0) + 1) / 2, 1e-12);
  submit(b, 1, {fp64({1}, {9})});
  EXPECT_TRUE(next(b).finished) << "who was in the middle of training is told that the job is over";
  EXPECT_TRUE(next(a).finished);
  a.close();
  b.close();
  slow.close();
  ASSERT_TRUE(job.server->wait_for(test::seconds(10)));
  ASSERT_EQ(job.reports.size(), 3u);
  EXPECT_EQ(job.reports[1].staleness, 0);
  EXPECT_EQ(job.reports[2].staleness, 1);  // two and none
}

// FL-9.4
TEST(AsynchronousServer, FedAsyncMakesAModelOfEachUpdateAndDecodesOldChanges) {
  auto o = asynchronous("FedAsync,alpha=0.5,staleness=constant", 5, 3);
  o.codec = "bf16";
  test::Job job(std::move(o));
  RoundClient a(job.client("a"));
  RoundClient slow(job.client("slow"));
  a.connect();
  a.offer_initial({fp64({1}, {0})});
  next(a);
  slow.connect();
  EXPECT_EQ(value_of(next(slow)), 0);
  submit(a, 1, {fp64({1}, {8})});
  EXPECT_EQ(value_of(next(a)), 4);
  submit(a, 1, {fp64({1}, {8})});
  EXPECT_EQ(value_of(next(a)), 6);
  submit(slow, 1, {fp64({1}, {2})});  // coded as a change of model 0
  const auto last = next(slow);
  EXPECT_TRUE(last.finished);
  EXPECT_EQ(value_of(last), 4);
}

// FL-9.4
TEST(AsynchronousServer, RoundsThatCloseFasterThanModelsAreMadeWaitTheirTurn) {
  for (const char* const algorithm : {"FedAsync", "FedBuff,buffer=2"}) {
    constexpr int kRounds = 150;
    test::Job job(asynchronous(std::string(algorithm) + ",maxStaleness=100", 6, kRounds));
    std::vector<std::unique_ptr<RoundClient>> clients;
    for (int i = 0; i < 6; ++i) clients.push_back(std::make_unique<RoundClient>(job.client("c" + std::to_string(i))));
    clients.front()->connect();
    clients.front()->offer_initial({fp64({2000}, std::vector<double>(2000, 0.0))});
    std::vector<std::thread> threads;
    for (auto& client : clients) {
      threads.emplace_back([&client] {
        client->connect();
        for (auto task = next(*client); !task.finished; task = next(*client)) {
          submit(*client, 1, {fp64({2000}, std::vector<double>(2000, 1.0))});
        }
        client->close();
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(job.server->wait_for(test::seconds(20)));
    EXPECT_EQ(job.server->rounds(), kRounds);
    EXPECT_EQ(job.reports.size(), static_cast<std::size_t>(kRounds));
  }
}

// FL-9.5
TEST(AsynchronousServer, TakesUpstreamsClientsAsWell) {
  test::Job job(asynchronous("FedBuff,buffer=1", 2, 3));
  RoundClient a(job.client("a"));
  a.connect();
  a.offer_initial({fp64({1}, {0})});
  next(a);
  ClientOptions ws;
  ws.url = "ws" + job.server->origin().substr(4) + "/FedAvg";
  ws.client_id = "upstream";
  AggregationClient upstream(ws);
  upstream.connect();
  submit(a, 1, {fp64({1}, {2})});
  EXPECT_EQ(value_of(next(a)), 2);
  // It began with weights of its own, and there has been a model since: it gets that.
  upstream.submit(1, {fp64({1}, {100})});
  auto model = upstream.wait(test::seconds(10));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->round, 1);
  EXPECT_EQ(doubles(model->weights.front()).front(), 2);
  submit(a, 1, {fp64({1}, {3})});
  EXPECT_EQ(value_of(next(a)), 3);
  // Its change of +2 from model 1 is one model old. No model came in between, although one was made.
  upstream.submit(1, {fp64({1}, {4})});
  model = upstream.wait(test::seconds(10));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->round, 3);
  EXPECT_TRUE(model->last);
  EXPECT_NEAR(doubles(model->weights.front()).front(), 3 + 2 / std::sqrt(2.0), 1e-12);
}

// FL-9.6
TEST(AsynchronousServer, AKilledOneGoesOnWithWhatWasUnderWay) {
  const test::Folder folder;
  for (const auto durability : {Durability::kRound, Durability::kUpdate}) {
    const auto state = folder.path / (durability == Durability::kRound ? "round" : "update");
    auto options = [&] {
      auto o = asynchronous("FedBuff,buffer=2", 2, 3);
      o.state_folder = state.string();
      o.durability = durability;
      return o;
    };
    std::uint16_t port = 0;
    auto job = std::make_unique<test::Job>(options());
    port = job->server->port();
    RoundClient a(job->client("a"));
    RoundClient b(job->client("b"));
    RoundClient slow(job->client("slow"));
    a.connect();
    a.offer_initial({fp64({1}, {0})});
    next(a);
    b.connect();
    next(b);
    slow.connect();
    next(slow);
    submit(a, 1, {fp64({1}, {1})});
    submit(b, 1, {fp64({1}, {1})});
    EXPECT_EQ(next(a).round, 2);
    EXPECT_EQ(next(b).round, 2);
    submit(slow, 1, {fp64({1}, {1})});  // one round old, in the open buffer
    while (!slow.committed()) slow.next(test::milliseconds(10));
    job->server->stop();
    job.reset();
    auto again = options();
    again.server.port = port;
    job = std::make_unique<test::Job>(again);
    submit(a, 1, {fp64({1}, {2})});
    const auto third = next(a);
    EXPECT_EQ(third.round, 3);
    EXPECT_NEAR(value_of(third), 1 + (1 + 1 / std::sqrt(2.0)) / 2, 1e-12) << "the slow one's update is not lost";
    EXPECT_EQ(next(slow).round, 3);
    submit(a, 1, {fp64({1}, {2})});
    submit(slow, 1, {fp64({1}, {2})});
    EXPECT_TRUE(next(a).finished);
  }
}

}  // namespace
}  // namespace sedna::federated
