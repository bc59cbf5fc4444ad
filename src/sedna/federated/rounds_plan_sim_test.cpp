// Seeded random schedules against the round machine with clients that go by the plan, as RoundClient does: asynchronous
// rounds and rounds for chosen clients, under loss of questions and answers, delay, duplication, reordering, deaths of
// clients and of the server between any two steps.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "sedna/federated/test_simulation.hpp"

namespace sedna::federated {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Outcome = RoundMachine::Outcome;
using Standing = RoundMachine::Standing;
using Key = std::pair<std::size_t, std::int64_t>;  ///< a client, and the round that it trained for

struct Event {
  enum class Kind : std::uint8_t { kPoll, kTrained, kSend, kUpdate, kAnswer, kLease } kind = Kind::kPoll;
  std::size_t client = 0;
  std::int64_t trained = 0;
  RoundMachine::Verdict verdict{};
  int epoch = 0;
};

struct PlanClient {
  std::uint64_t connection = 0;
  std::int64_t task = 0;  ///< the round that it trains or has trained for
  bool training = false;
  bool pending = false;  ///< it has an update that is not settled, or whose model is not out
  bool done = false;
  bool committed = false;
  std::int64_t into = 0;
  int epoch = 0;  ///< the server's that said so
  bool dead = false;
  bool slow = false;
};

class PlanSimulation : public test::Simulation<Event> {
 public:
  PlanSimulation(std::uint64_t seed, RoundOptions options, std::size_t clients)
      : Simulation(seed, std::move(options)),
        clients_(clients),
        machine_(std::make_unique<RoundMachine>(options_, now_)) {
    deaths_ = seed % 3 == 0 ? 0.03 : 0;
    crashes_ = seed % 2 == 0 ? 0.03 : 0;
    for (std::size_t i = 0; i < clients; ++i) {
      clients_[i].slow = uniform() < 0.2;
      post({Event::Kind::kPoll, i}, 3);
    }
  }

  int stale() const { return stale_; }
  int turned_away() const { return turned_away_; }

 private:
  RoundMachine& machine() override { return *machine_; }

  /// Writes down who is chosen and what is closed.
  void collect() override {
    while (auto closed = machine_->take_closed()) {
      if (uniform() < crashes_) {
        crash();  // closed, and not published: its records close it again
        return;
      }
      EXPECT_EQ(closed->round, closed_ + 1) << "rounds are monotonic";
      closed_ = closed->round;
      if (!closed->by_deadline) {
        EXPECT_EQ(closed->clients.size(), options_.participants);
      }
      EXPECT_GE(closed->clients.size(), options_.min_updates);
      EXPECT_EQ(std::set<std::string>(closed->clients.begin(), closed->clients.end()).size(), closed->clients.size());
      for (std::size_t k = 0; k < closed->clients.size(); ++k) {
        const std::size_t i = index(closed->clients[k]);
        EXPECT_LE(closed->staleness[k], options_.max_staleness.value_or(0));
        stale_ += closed->staleness[k] > 0 ? 1 : 0;
        const Key key{i, closed->round - closed->staleness[k]};
        EXPECT_TRUE(published_.insert(key).second) << name(i) << "'s update for " << key.second << " counts twice";
        if (machine_->chooses()) {
          EXPECT_TRUE(all_chosen_[closed->round].contains(closed->clients[k])) << "was not chosen";
        }
      }
      known_ = closed->known;
      std::erase_if(log_, [&](const Offer& offer) { return into_[{index(offer.client), *offer.round}] <= closed_; });
      if (uniform() < crashes_) {
        crash();
        return;
      }
    }
    if (auto chosen = machine_->take_chosen()) {
      if (chosen->round != closed_ + 1) return;
      EXPECT_GE(chosen->clients.size(), 1u);
      chosen_ = *chosen;
      all_chosen_[chosen->round].insert(chosen->clients.begin(), chosen->clients.end());
    }
  }

  void crash() {
    ++crashed_;
    RoundMachine::Restored from;
    from.closed_rounds = closed_;
    from.known = known_;
    from.ended = closed_ >= options_.exit_round;
    if (keeps_updates_) {
      for (const Offer& offer : log_) {
        if (into_[{index(offer.client), *offer.round}] == closed_ + 1) from.committed.push_back(offer);
      }
    }
    log_ = from.committed;
    if (chosen_ && chosen_->round == closed_ + 1) from.chosen = chosen_;
    machine_ = std::make_unique<RoundMachine>(options_, now_);
    machine_->restore(from, now_);
    for (PlanClient& c : clients_) c.connection = 0;
  }

  void deliver(const Event& event) override {
    PlanClient& c = clients_[event.client];
    if (event.kind == Event::Kind::kLease) {
      if (c.connection != 0) machine_->leave(name(event.client), c.connection, false, now_);
      return;
    }
    if (event.kind == Event::Kind::kUpdate) {
      arrive(event);  // it was on its way, whatever has become of its sender
      return;
    }
    if (c.dead) return;
    if (uniform() < deaths_ / 20) {
      c.dead = true;
      post_after(seconds(60), {Event::Kind::kLease, event.client});
      return;
    }
    switch (event.kind) {
      case Event::Kind::kPoll:
        poll(event.client);
        return;
      case Event::Kind::kTrained:
        c.training = false;
        c.pending = true;
        c.done = c.committed = false;
        c.into = 0;
        send(event.client);
        return;
      case Event::Kind::kSend:
        if (c.pending && !c.done && event.trained == c.task) send(event.client);
        return;
      case Event::Kind::kAnswer:
        settle(c, event);
        return;
      case Event::Kind::kUpdate:
      case Event::Kind::kLease:
        return;
    }
  }

  void send(std::size_t i) {
    const std::int64_t trained = clients_[i].task;
    if (uniform() >= loss_) post({Event::Kind::kUpdate, i, trained}, 3);
    if (uniform() < duplicates_) post({Event::Kind::kUpdate, i, trained}, 200);
    post({Event::Kind::kSend, i, trained}, 20);  // again, unless an answer comes
  }

  void arrive(const Event& event) {
    if (uniform() < crashes_) {
      crash();
      return;
    }
    const Offer offer{name(event.client),
                      1.0 + static_cast<double>(event.client),
                      {},
                      event.trained,
                      {{"loss", 1.0 / static_cast<double>(event.client + 1)}}};
    const auto verdict = machine_->commit(offer, now_);
    if (verdict.outcome == Outcome::kCommitted) {
      EXPECT_FALSE(published_.contains({event.client, event.trained})) << "counted already";
      log_.push_back(offer);
      into_[{event.client, event.trained}] = verdict.round;
      if (uniform() < crashes_) {
        crash();  // written, and not answered
        return;
      }
    }
    turned_away_ += verdict.outcome == Outcome::kNotChosen ? 1 : 0;
    if (uniform() >= loss_) post({Event::Kind::kAnswer, event.client, event.trained, verdict, crashed_}, 3);
  }

  void settle(PlanClient& c, const Event& event) {
    if (!c.pending || event.trained != c.task || c.done) return;
    c.done = true;
    c.committed = event.verdict.outcome == Outcome::kCommitted || event.verdict.outcome == Outcome::kDuplicate;
    c.into = event.verdict.round;
    c.epoch = event.epoch;
  }

  /// As RoundClient: settle_by_plan_locked(), due_locked().
  void poll(std::size_t i) {
    PlanClient& c = clients_[i];
    if (c.connection == 0) {
      c.connection = ++connections_;
      machine_->join(name(i), c.connection, std::nullopt, now_);
      collect();
      if (c.connection == 0) {  // the server died meanwhile
        post({Event::Kind::kPoll, i}, 3);
        return;
      }
    }
    const std::int64_t round = closed_ + 1;
    const bool finished = machine_->phase() != Phase::kCollecting;
    const Standing you = machine_->standing(name(i));
    const bool asynchronous = machine_->asynchronous();
    if (c.pending) {
      const bool its_round = round == c.task;
      if (finished || (!its_round && !asynchronous)) c.done = true;
      if (!finished && (its_round || asynchronous)) {
        if (you == Standing::kCommitted && its_round) {
          c.done = c.committed = true;
          c.into = round;
          c.epoch = crashed_;
        }
        const bool published = c.into > 0 && round > c.into;
        const bool lost = you == Standing::kExpected && !published;
        const bool forgotten = asynchronous && you != Standing::kCommitted;
        if (c.committed && c.epoch != crashed_ && (lost || forgotten)) {
          c.done = c.committed = false;  // the server may have lost it
          c.into = 0;
          post({Event::Kind::kSend, i, c.task}, 1);
        }
        if (c.committed && published && asynchronous) {  // it goes on to the next
          EXPECT_TRUE(published_.contains({i, c.task})) << "a commit was lost: " << name(i) << " for " << c.task;
        }
      }
    }
    if (finished) {
      machine_->leave(name(i), c.connection, true, now_);
      c.dead = true;
      return;
    }
    post({Event::Kind::kPoll, i}, 10);
    const bool free = !c.pending || (c.done && (!asynchronous || (c.committed ? round > c.into : round > c.task)));
    if (!c.training && free && round > c.task && you != Standing::kWaiting) {
      c.training = true;
      c.pending = false;
      c.task = round;
      post({Event::Kind::kTrained, i, round}, c.slow ? 300 : 20);
    }
  }

  std::vector<PlanClient> clients_;
  std::unique_ptr<RoundMachine> machine_;
  int stale_ = 0, turned_away_ = 0;
  std::map<std::string, ClientHistory> known_;
  std::vector<Offer> log_;
  std::map<Key, std::int64_t> into_;
  std::optional<RoundMachine::Chosen> chosen_;
  std::map<std::int64_t, std::set<std::string>> all_chosen_;
  std::set<Key> published_;
};

RoundOptions options_for(std::size_t participants, std::int64_t rounds) {
  RoundOptions o;
  o.participants = participants;
  o.exit_round = rounds;
  o.round_deadline = minutes(10);
  o.idle_limit = minutes(60);
  return o;
}

// FL-9.7
TEST(AsynchronousRoundsUnderFire, LoseNothingCountNothingTwiceAndAlwaysEnd) {
  int done = 0, crashes = 0, stale = 0;
  constexpr int kSchedules = 5000;
  for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::size_t clients = 1 + seed % 7;
    auto o = options_for(1 + (seed / 7) % clients, static_cast<std::int64_t>(1 + seed % 8));
    o.max_staleness = static_cast<std::int64_t>(seed % 5);
    PlanSimulation simulation(seed, o, clients);
    simulation.run();
    if (HasFailure()) return;
    done += simulation.done() ? 1 : 0;
    crashes += simulation.crashes();
    stale += simulation.stale();
  }
  EXPECT_GT(crashes, kSchedules / 10);
  EXPECT_GT(stale, kSchedules / 10);
  EXPECT_GT(done, kSchedules * 9 / 10);  // the others lost all their clients
}

// FL-10.5
TEST(ChosenRoundsUnderFire, AreMadeOfTheChosenAndAlwaysEnd) {
  int done = 0, crashes = 0;
  constexpr int kSchedules = 5000;
  const char* const policies[] = {"random", "weighted", "oort"};
  for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::size_t clients = 2 + seed % 9;
    auto o = options_for(1 + (seed / 7) % clients, static_cast<std::int64_t>(1 + seed % 5));
    o.selection.policy = policies[seed % 3];
    o.selection.over = 1 + 0.25 * static_cast<double>(seed % 4);
    o.selection.pool = seed % 2 == 0 ? clients : 0;
    o.selection.wait = seconds(30);
    o.selection.seed = seed;
    PlanSimulation simulation(seed, o, clients);
    simulation.run();
    if (HasFailure()) return;
    done += simulation.done() ? 1 : 0;
    crashes += simulation.crashes();
  }
  EXPECT_GT(crashes, kSchedules / 10);
  EXPECT_GT(done, kSchedules * 9 / 10);
}

}  // namespace
}  // namespace sedna::federated
