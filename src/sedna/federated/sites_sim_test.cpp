// Random schedules of a root, its sites and their clients: what is lost, doubled, delayed, reordered or killed changes
// neither who counts nor how often, and every job ends everywhere.
#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "sedna/federated/rounds.hpp"

namespace sedna::federated {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = RoundMachine::Time;

/// A site's sum as it goes up: who is in it, and for which round each of them trained.
struct Sum {
  std::int64_t round = 0;
  std::vector<std::pair<std::string, std::int64_t>> parts;
  std::string digest() const {
    std::string text;
    for (const auto& [name, of] : parts) text += name + ":" + std::to_string(of) + ",";
    return text;
  }
};

struct Leaf {
  std::string name;
  std::int64_t trained = 0;
  bool answered = false;  ///< what it trained last was committed, as far as it knows
};

RoundOptions site_rounds(std::size_t participants) {
  RoundOptions o;
  o.participants = participants;
  o.exit_round = std::numeric_limits<std::int64_t>::max();
  o.round_deadline = seconds(3);
  o.max_abandoned = 1000;
  return o;
}

/// What server_site.cpp does, without sockets: `journaled` is what survives a kill.
struct Site {
  Site(std::string n, std::size_t participants, bool keeps, Time now)
      : name(std::move(n)), options(site_rounds(participants)), keeps_state(keeps), machine(options, now) {}

  void killed(std::int64_t root_model, bool last, Time now) {
    RoundMachine::Restored from;
    if (!keeps_state) {
      model = root_model;
      sent.reset();
    }
    from.closed_rounds = sent ? sent->round : model;
    machine = RoundMachine(options, now);
    machine.restore(from, now);
    came.clear();
    if (!keeps_state && last) machine.pass_to(root_model, true, {}, now);
  }
  /// A leaf's update, which it trained for `round`.
  void take(const std::string& leaf, std::int64_t round, Time now, bool& answered) {
    const auto verdict = machine.commit({leaf, 1, "crc" + std::to_string(round), round, {}}, now);
    answered =
        verdict.outcome == RoundMachine::Outcome::kCommitted || verdict.outcome == RoundMachine::Outcome::kDuplicate;
    if (verdict.outcome == RoundMachine::Outcome::kCommitted) came[leaf] = round;
    collect();
  }
  void collect() {
    while (const auto closed = machine.take_closed()) {
      ASSERT_FALSE(sent) << "one round at a time is on its way up";
      sent = Sum{closed->round, {}};
      for (const std::string& client : closed->clients) sent->parts.emplace_back(client, came.at(client));
      came.clear();
    }
  }
  void hear(std::int64_t root_model, bool last, Time now) {
    if (root_model <= model && !last) return;
    if (root_model > model && machine.closed_rounds() < root_model) came.clear();
    machine.pass_to(root_model, last, {}, now);
    ASSERT_GE(root_model, model);
    model = root_model;
    if (sent && sent->round <= model) sent.reset();
    ended = ended || last;
  }

  std::string name;
  RoundOptions options;
  bool keeps_state;
  RoundMachine machine;
  std::map<std::string, std::int64_t> came;  ///< to the open round
  std::optional<Sum> sent;                   ///< on disk
  std::int64_t model = 0;                    ///< on disk
  bool ended = false;
};

struct Figures {
  int rounds = 0;
  int kills = 0;
  int without_a_site = 0;
};

void run(std::uint64_t seed, Figures& figures) {
  std::mt19937_64 random(seed);
  const auto chance = [&](double p) { return std::uniform_real_distribution<double>(0, 1)(random) < p; };
  Time now{};
  const std::size_t site_count = 1 + random() % 3;
  const std::size_t leaf_count = 1 + random() % 3;
  const std::int64_t rounds = 2 + static_cast<std::int64_t>(random() % 4);
  const double kill_rate = chance(0.5) ? 0.02 : 0;
  const double loss = chance(0.5) ? 0.4 : 0.05;
  RoundOptions o;
  o.participants = site_count;
  o.exit_round = rounds;
  o.round_deadline = milliseconds(chance(0.5) ? 200 + random() % 400 : 5000);
  o.max_abandoned = 1000;
  RoundMachine root(o, now);
  std::deque<Site> sites;
  std::vector<std::vector<Leaf>> leaves(site_count);
  for (std::size_t i = 0; i < site_count; ++i) {
    sites.emplace_back("s" + std::to_string(i), 1 + random() % leaf_count, chance(0.7), now);
    for (std::size_t k = 0; k < leaf_count; ++k)
      leaves[i].push_back({"l" + std::to_string(i) + "." + std::to_string(k)});
  }
  std::map<std::string, Sum> in_sum;  // of the root's open round
  std::deque<std::pair<std::string, Sum>> wire;
  std::int64_t root_model = 0;
  bool over = false;
  int steps = 0;
  const auto all_ended = [&] { return std::ranges::all_of(sites, [](const Site& s) { return s.ended; }); };
  for (; !(over && all_ended()); ++steps) {
    ASSERT_LT(steps, 20000) << "seed " << seed << ": it does not end; round " << root_model;
    now += milliseconds(20);
    for (std::size_t i = 0; i < site_count; ++i) {
      Site& site = sites[i];
      if (chance(kill_rate)) {
        site.killed(root_model, over, now);
        ++figures.kills;
      }
      if (chance(0.3)) site.hear(root_model, over, now);
      for (Leaf& leaf : leaves[i]) {
        const bool closing = site.machine.closed_rounds() > site.model;
        if (!chance(0.2) || site.ended || closing) continue;
        if (site.model + 1 != leaf.trained) {
          leaf.trained = site.model + 1;
          leaf.answered = false;
        }
        // A site that was killed may have lost it: the plan says so.
        if (leaf.answered && site.machine.standing(leaf.name) == RoundMachine::Standing::kCommitted) continue;
        bool answered = false;
        site.take(leaf.name, leaf.trained, now, answered);
        leaf.answered = answered && !chance(loss);
        if (chance(0.1)) site.take(leaf.name, leaf.trained, now, answered);
      }
      site.machine.tick(now);
      site.collect();
      // Again and again, until there is a model: an answer may be lost, too.
      if (site.sent && chance(0.3)) wire.emplace_back(site.name, *site.sent);
    }
    std::ranges::shuffle(wire, random);
    while (!wire.empty() && chance(0.5)) {
      const auto [name, sum] = wire.front();
      wire.pop_front();
      if (chance(loss)) continue;
      const RoundMachine::Verdict verdict =
          root.commit({name, static_cast<double>(sum.parts.size()), sum.digest(), sum.round, {}}, now);
      if (verdict.outcome == RoundMachine::Outcome::kCommitted) {
        ASSERT_EQ(verdict.round, sum.round) << "seed " << seed;
        ASSERT_FALSE(in_sum.contains(name)) << "seed " << seed << ": counted twice";
        in_sum[name] = sum;
      }
    }
    root.tick(now);
    while (const auto closed = root.take_closed()) {
      ASSERT_EQ(closed->round, root_model + 1) << "seed " << seed;
      root_model = closed->round;
      over = closed->last;
      ASSERT_EQ(closed->clients.size(), in_sum.size()) << "seed " << seed << ": what was acknowledged is lost";
      std::set<std::string> counted;
      for (const auto& [name, sum] : in_sum) {
        for (const auto& [leaf, of] : sum.parts) {
          ASSERT_TRUE(counted.insert(leaf).second) << "seed " << seed << ": " << leaf << " counts twice";
          ASSERT_EQ(of, closed->round) << "seed " << seed << ": " << leaf << " trained for another round";
        }
      }
      figures.without_a_site += in_sum.size() < site_count ? 1 : 0;
      in_sum.clear();
      ++figures.rounds;
    }
  }
  for (const Site& site : sites) ASSERT_EQ(site.model, rounds) << "seed " << seed;
}

// FL-15.9
TEST(SitesUnderFire, CountEveryClientOnceAndAlwaysEnd) {
  Figures figures;
  for (std::uint64_t seed = 1; seed <= 2000 && !testing::Test::HasFailure(); ++seed) run(seed, figures);
  EXPECT_GT(figures.rounds, 4000);
  EXPECT_GT(figures.kills, 500);
  EXPECT_GT(figures.without_a_site, 50);
}

}  // namespace
}  // namespace sedna::federated
