// Who trains in a round: RoundMachine's choices.
#include <algorithm>
#include <cmath>
#include <utility>

#include "sedna/federated/rounds.hpp"

namespace sedna::federated {

std::vector<Candidate> RoundMachine::candidates() const {
  std::vector<Candidate> out;
  for (const auto& [name, client] : clients_) {
    if (!client.connection || chosen_.contains(name) || quarantined(name)) continue;
    const auto known = known_.find(name);
    out.push_back({name, known == known_.end() ? ClientHistory() : known->second});
  }
  return out;
}

/// Those from whom an update may still come, and those who have brought one.
std::size_t RoundMachine::hopeful(Time now) {
  std::size_t count = committed_.size();
  for (auto& [name, choice] : chosen_) {
    if (find_committed(name) != nullptr) continue;
    // Who has broken off is on its way back, for a while; so is everybody after a restart.
    if (choice.absent_since && now >= *choice.absent_since + options_.selection.wait) choice.given_up = true;
    if (!choice.given_up && !quarantined(name)) ++count;
  }
  return count;
}

void RoundMachine::choose(Time now) {
  if (!chooses() || phase_ != Phase::kCollecting) return;
  const bool first = chosen_.empty();
  const std::size_t expected = hopeful(now);
  if (!first && expected >= options_.participants) return;
  const std::vector<Candidate> pool = candidates();
  if (pool.empty()) {
    pool_since_.reset();
    return;
  }
  const auto target =
      static_cast<std::size_t>(std::ceil(static_cast<double>(options_.participants) * options_.selection.over - 1e-9));
  const std::size_t wanted = target - std::min(target, expected);
  if (first) {
    if (!pool_since_) pool_since_ = now;
    const std::size_t enough = std::max(options_.selection.pool, wanted);
    if (pool.size() < enough && now < *pool_since_ + options_.selection.wait) return;
    pool_since_.reset();
  }
  // From here on somebody is waited for.
  start_clock(now);
  Draw draw(options_.selection.seed, closed_rounds_ + 1, attempt_++);
  for (std::string& client : selector_->choose(pool, wanted, closed_rounds_ + 1, draw)) {
    chosen_.emplace(client, Choice{now, std::nullopt, false});
    chosen_order_.push_back(std::move(client));
    choice_told_ = false;
  }
}

void RoundMachine::note_presence(const std::string& client, bool here, bool clean, Time now) {
  const auto it = chosen_.find(client);
  if (it == chosen_.end()) return;
  if (here) {
    it->second.absent_since.reset();
    it->second.given_up = false;
  } else if (!it->second.absent_since) {
    it->second.absent_since = now;
    it->second.given_up = clean;
  }
}

void RoundMachine::give_up_the_chosen() {
  for (auto& [name, choice] : chosen_) choice.given_up = true;
}

void RoundMachine::forget_choice() {
  chosen_.clear();
  chosen_order_.clear();
  pool_since_.reset();
  attempt_ = 0;
  choice_told_ = true;
}

std::optional<RoundMachine::Time> RoundMachine::next_choice() const {
  std::optional<Time> wake;
  if (pool_since_) wake = *pool_since_ + options_.selection.wait;
  for (const auto& [name, choice] : chosen_) {
    if (!choice.absent_since || choice.given_up || find_committed(name) != nullptr) continue;
    const Time until = *choice.absent_since + options_.selection.wait;
    if (!wake || until < *wake) wake = until;
  }
  return wake;
}

std::optional<RoundMachine::Chosen> RoundMachine::take_chosen() {
  if (choice_told_) return std::nullopt;
  choice_told_ = true;
  return Chosen{closed_rounds_ + 1, attempt_, chosen_order_};
}

}  // namespace sedna::federated
