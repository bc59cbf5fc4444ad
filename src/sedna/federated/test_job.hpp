// The round machine together with a sum, as the server puts them together: for tests that look at who is in a model.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sedna/federated/mean.hpp"
#include "sedna/federated/rounds.hpp"

namespace sedna::federated::test {

class SummedRounds {
 public:
  using Verdict = RoundMachine::Verdict;
  struct Closed : RoundMachine::Closed {
    std::unique_ptr<WeightedMean> sum;
  };

  SummedRounds(RoundOptions options, RoundMachine::Time now) : machine(std::move(options), now) {}

  Verdict submit(Update update, std::optional<std::int64_t> round, RoundMachine::Time now) {
    const Offer offer{update.client, update.weight, {}, round, {}};
    Verdict verdict = machine.preview(offer, now);
    if (verdict.outcome != RoundMachine::Outcome::kCommitted) return machine.commit(offer, now);
    if (const auto checked = check_update(update, manifest); !checked) {
      verdict.outcome = RoundMachine::Outcome::kRefused;
      verdict.reason = checked.error().what();
      machine.refused(update.client, now);
      return verdict;
    }
    verdict = machine.commit(offer, now);
    if (verdict.outcome == RoundMachine::Outcome::kCommitted) {
      if (!manifest.set) manifest = Manifest::of(update.weights);
      // The machine may have closed the round with this very update: it belongs to the old sum.
      sum->accumulate(std::move(update));
      keep_sums();
    }
    return verdict;
  }
  std::optional<Closed> take_closed() {
    keep_sums();
    if (closed.empty()) return std::nullopt;
    std::optional<Closed> out(std::move(closed.front()));
    closed.pop_front();
    return out;
  }

  RoundMachine machine;
  Manifest manifest;
  std::unique_ptr<WeightedMean> sum = std::make_unique<WeightedMean>();
  std::deque<Closed> closed;

 private:
  void keep_sums() {
    while (auto ended = machine.take_closed()) {
      closed.push_back({std::move(*ended), std::exchange(sum, std::make_unique<WeightedMean>())});
    }
  }
};

}  // namespace sedna::federated::test
