// Seeded random schedules of loss, delay, duplication, reordering, broken connections, poisoned updates and deaths of
// the server (before and after each record it writes) against the round machine. Each client marks its update with the
// round it trained for, so a sum shows who is in it, and how often.
#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "sedna/federated/test_job.hpp"
#include "sedna/federated/test_simulation.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using std::chrono::minutes;
using Outcome = RoundMachine::Outcome;
using Phase = RoundMachine::Phase;

struct Message {
  enum class Kind : std::uint8_t { kJoin, kUpdate, kLeave, kTrained } kind = Kind::kJoin;
  std::size_t client = 0;
  std::uint64_t connection = 0;
  std::int64_t round = 0;
  bool poisoned = false;
};

struct SimClient {
  std::uint64_t connection = 0;
  std::int64_t model = 0;  ///< newest round whose model it has
  bool dead = false;
  bool gone = false;
};

class SumSimulation : public test::Simulation<Message> {
 public:
  SumSimulation(std::uint64_t seed, std::size_t clients, std::size_t quorum, std::int64_t rounds)
      : Simulation(seed, options(quorum, rounds)),
        clients_(clients),
        job_(std::make_unique<test::SummedRounds>(options_, now_)) {
    breaks_ = 0.2 * uniform();
    poison_ = 0.1 * uniform();
    deaths_ = seed % 3 == 0 ? 0.05 : 0;
    crashes_ = seed % 2 == 0 ? 0.05 : 0;
    for (std::size_t i = 0; i < clients; ++i) send({Message::Kind::kJoin, i, 0, 0, false}, 1);
  }

 private:
  static RoundOptions options(std::size_t quorum, std::int64_t rounds) {
    RoundOptions o;
    o.participants = quorum;
    o.exit_round = rounds;
    o.round_deadline = minutes(5);
    o.idle_limit = minutes(60);
    return o;
  }
  RoundMachine& machine() override { return job_->machine; }

  void collect() override {
    while (auto closed = job_->take_closed()) {
      if (uniform() < crashes_) {
        crash();  // closed, and not published yet: its records close it again
        continue;
      }
      check(*closed);
      log_.clear();
      if (uniform() < crashes_) crash();
    }
  }

  /// The server dies and begins again from its records: what was published, and the open round's commits (of which the
  /// updates are kept, or else count for nothing until they are sent again). All connections are gone.
  void crash() {
    ++crashed_;
    if (!keeps_updates_) {
      for (const auto& [client, update] : log_) committed_.erase({client, closed_ + 1});
      log_.clear();
    }
    job_ = std::make_unique<test::SummedRounds>(options_, now_);
    RoundMachine::Restored from;
    from.closed_rounds = closed_;
    from.ended = closed_ >= options_.exit_round;
    for (const auto& [client, update] : log_) {
      from.committed.push_back({update.client, update.weight, {}, closed_ + 1});
      job_->sum->accumulate(update);
    }
    if (!log_.empty()) job_->manifest = Manifest::of(log_.front().second.weights);
    machine().restore(from, now_);
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      clients_[i].connection = 0;
      if (!clients_[i].dead && !clients_[i].gone) post({Message::Kind::kJoin, i, 0, 0, false}, 5);
    }
  }

  /// Arrives, or not at all, or twice.
  void send(const Message& message, int max_seconds) {
    if (message.kind == Message::Kind::kUpdate && uniform() < loss_) {
      // Nobody hears of it; the client's connection turns out to be broken, and it comes back.
      post({Message::Kind::kLeave, message.client, message.connection, 0, false}, max_seconds);
      post({Message::Kind::kJoin, message.client, 0, 0, false}, 3 * max_seconds);
      return;
    }
    post(message, max_seconds);
    if (message.kind == Message::Kind::kUpdate && uniform() < duplicates_) post(message, 10 * max_seconds);
  }

  void deliver(const Message& m) override {
    SimClient& c = clients_[m.client];
    if (c.dead || c.gone) {
      if (m.kind == Message::Kind::kUpdate) submit(m);  // it was under way
      return;
    }
    switch (m.kind) {
      case Message::Kind::kJoin: {
        c.connection = ++connections_;
        const bool again = c.model > 0 || c.connection > clients_.size();
        const auto joined =
            machine().join(name(m.client), c.connection, again ? std::optional(c.model) : std::nullopt, now_);
        if (joined.behind) c.model = closed_;
        if (c.model >= options_.exit_round) {
          goodbye(m.client);
        } else {
          post({Message::Kind::kTrained, m.client, c.connection, c.model + 1, false}, 20);
        }
        return;
      }
      case Message::Kind::kTrained:
        if (m.connection != c.connection || m.round != c.model + 1) return;
        if (uniform() < deaths_) {
          c.dead = true;
          machine().leave(name(m.client), c.connection, false, now_);
          return;
        }
        send({Message::Kind::kUpdate, m.client, c.connection, m.round, uniform() < poison_}, 2);
        return;
      case Message::Kind::kUpdate:
        submit(m);
        return;
      case Message::Kind::kLeave:
        machine().leave(name(m.client), m.connection, false, now_);
        return;
    }
  }

  void submit(const Message& m) {
    if (uniform() < crashes_) {
      crash();  // before anything is written: the client hears nothing and comes again
      return;
    }
    std::vector<double> marks(clients_.size(), 0.0);
    marks[m.client] = m.poisoned ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(m.round);
    const auto n = static_cast<std::int64_t>(marks.size());
    const auto open = machine().closed_rounds() + 1;
    const auto phase = machine().phase();
    const Update update = test::update(name(m.client), 1, {test::fp64({n}, marks)});
    const auto verdict = job_->submit(update, m.round, now_);
    if (verdict.outcome == Outcome::kCommitted) {
      EXPECT_EQ(phase, Phase::kCollecting);
      EXPECT_FALSE(m.poisoned);
      EXPECT_EQ(m.round, open);
      EXPECT_TRUE(committed_.insert({m.client, m.round}).second) << "the same update twice";
      log_.emplace_back(m.client, update);
      if (uniform() < crashes_) {
        crash();  // written, and not answered
        return;
      }
    }
    SimClient& c = clients_[m.client];
    if ((verdict.outcome == Outcome::kLate || verdict.outcome == Outcome::kFinished) && !c.dead && !c.gone &&
        m.connection == c.connection) {
      got_model(m.client, closed_);
    }
  }

  void check(test::SummedRounds::Closed& closed) {
    EXPECT_EQ(closed.round, closed_ + 1) << "rounds are monotonic";
    closed_ = closed.round;
    EXPECT_EQ(closed.last, closed.round == options_.exit_round);
    EXPECT_TRUE(closed.by_deadline ? !closed.clients.empty() : closed.clients.size() == options_.participants);
    const auto model = closed.sum->report();
    const auto sums = test::doubles(model.weights.front());
    std::set<std::string> in;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double marked = sums[i] * static_cast<double>(closed.clients.size());
      if (marked == 0) continue;
      EXPECT_NEAR(marked, static_cast<double>(closed.round), 1e-9) << name(i) << " is in the sum once";
      in.insert(name(i));
    }
    EXPECT_EQ(in, std::set<std::string>(closed.clients.begin(), closed.clients.end()));
    for (const std::string& client : machine().connected()) {
      const std::size_t i = index(client);
      if (uniform() < breaks_) {
        machine().leave(client, clients_[i].connection, false, now_);
        post({Message::Kind::kJoin, i, 0, 0, false}, 5);
      } else {
        got_model(i, closed.round);
      }
    }
  }

  void got_model(std::size_t i, std::int64_t round) {
    SimClient& c = clients_[i];
    if (c.dead || c.gone || round <= c.model) return;
    c.model = round;
    if (c.model >= options_.exit_round) {
      goodbye(i);
    } else {
      post({Message::Kind::kTrained, i, c.connection, c.model + 1, false}, 20);
    }
  }

  void goodbye(std::size_t i) {
    clients_[i].gone = true;
    machine().leave(name(i), clients_[i].connection, true, now_);
  }

  std::vector<SimClient> clients_;
  std::unique_ptr<test::SummedRounds> job_;
  double breaks_ = 0, poison_ = 0;
  std::vector<std::pair<std::size_t, Update>> log_;  ///< the open round's commits
  std::set<std::pair<std::size_t, std::int64_t>> committed_;
};

// FL-2.2
TEST(RoundsUnderFire, CountNothingTwiceGoOnlyForwardAndAlwaysEnd) {
  int done = 0;
  int crashes = 0;
  constexpr int kSchedules = 10000;
  for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::size_t clients = 1 + seed % 7;
    const std::size_t quorum = 1 + (seed / 7) % clients;
    SumSimulation simulation(seed, clients, quorum, static_cast<std::int64_t>(1 + seed % 5));
    simulation.run();
    if (HasFailure()) return;
    done += simulation.done() ? 1 : 0;
    crashes += simulation.crashes();
  }
  EXPECT_GT(crashes, kSchedules / 2);
  EXPECT_GT(done, kSchedules * 9 / 10);  // the others lost all their clients
}

}  // namespace
}  // namespace sedna::federated
