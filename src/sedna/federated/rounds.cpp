#include "sedna/federated/rounds.hpp"

#include <algorithm>
#include <utility>

#include "sedna/base/error.hpp"

namespace sedna::federated {

namespace {

std::string seconds_text(SteadyClock::duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + " s";
}

}  // namespace

RoundMachine::RoundMachine(RoundOptions options, Time now)
    : options_(std::move(options)), started_(now), last_event_(now) {
  if (options_.participants < 1) throw Error(ErrorCode::kInvalidArgument, "must be 1 or more", "participants_count");
  if (options_.exit_round < 1) throw Error(ErrorCode::kInvalidArgument, "must be 1 or more", "exit_round");
  if (options_.min_updates > options_.participants) {
    throw Error(ErrorCode::kInvalidArgument,
                "is " + std::to_string(options_.participants) + "; a round needs " +
                    std::to_string(options_.min_updates) + " updates",
                "participants_count");
  }
  options_.min_updates = std::max<std::size_t>(options_.min_updates, 1);
  options_.quorum = std::clamp(options_.quorum, options_.min_updates, options_.participants);
  if (options_.selection.policy.empty()) return;
  selector_ = make_selector(options_.selection.policy);
  if (!(options_.selection.over >= 1)) throw Error(ErrorCode::kInvalidArgument, "must be 1 or more", "over-select");
  if (asynchronous()) {
    throw Error(ErrorCode::kInvalidArgument, "is for synchronous rounds: an asynchronous rule waits for no client",
                "select");
  }
}

void RoundMachine::restore(const Restored& from, Time now) {
  closed_rounds_ = from.closed_rounds;
  known_ = from.known;
  for (const auto& metrics : from.metrics) stop_reason(metrics, now);
  if (from.chosen && chooses()) {
    chosen_order_ = from.chosen->clients;
    for (const std::string& client : chosen_order_) chosen_.emplace(client, Choice{now, now, false});
    attempt_ = from.chosen->attempt;
  }
  for (const Offer& offer : from.committed) {
    committed_.push_back(offer);
    clients_[offer.client].samples = offer.weight;
    remember(offer, now);
  }
  if (from.ended) {
    phase_ = Phase::kClosing;
    closed_at_ = last_leave_ = now;
    restored_end_ = true;
    return;
  }
  if (committed_.empty() && chosen_.empty()) return;
  start_clock(now);
  if (committed_.size() >= options_.participants) close_round(false, now);
}

RoundMachine::Joined RoundMachine::join(const std::string& client, Connection connection,
                                        std::optional<std::int64_t> seen, Time now, SystemClock::time_point wall) {
  last_event_ = now;
  Client& entry = clients_[client];
  Joined out;
  out.replaced = entry.connection;
  out.behind = seen && *seen < closed_rounds_;
  entry.connection = connection;
  entry.order = ++joins_;
  entry.connected_at = wall;
  note_presence(client, true, false, now);
  choose(now);
  return out;
}

void RoundMachine::leave(const std::string& client, Connection connection, bool clean, Time now) {
  const auto it = clients_.find(client);
  if (it == clients_.end() || it->second.connection != connection) return;
  last_event_ = last_leave_ = now;
  it->second.connection.reset();
  // Who has brought nothing leaves nothing behind: names come from outside, and there is no end to them.
  if (!it->second.samples) clients_.erase(it);
  if (phase_ == Phase::kClosing) {
    if (clean) owed_.erase(client);
    if (!clean) owed_.insert(client);
  }
  note_presence(client, false, clean, now);
  choose(now);
  check_finished(now);
}

const Offer* RoundMachine::find_committed(const std::string& client) const {
  const auto it = std::ranges::find(committed_, client, &Offer::client);
  return it == committed_.end() ? nullptr : &*it;
}

RoundMachine::Verdict RoundMachine::judge(const Offer& offer) {
  Verdict out;
  out.round = closed_rounds_ + 1;
  if (phase_ != Phase::kCollecting) {
    out.outcome = Outcome::kFinished;
    out.round = closed_rounds_;
    out.reason = "the job has ended after round " + std::to_string(closed_rounds_);
    return out;
  }
  if (offer.round && *offer.round <= closed_rounds_) {
    const auto known = known_.find(offer.client);
    out.staleness = out.round - *offer.round;
    if (asynchronous() && find_committed(offer.client) == nullptr && known != known_.end() &&
        known->second.last_round >= *offer.round) {
      out.outcome = Outcome::kDuplicate;
      out.round = closed_rounds_;
      out.reason = "what this client trained for round " + std::to_string(*offer.round) + " has been counted";
      return out;
    }
    if (!asynchronous() || out.staleness > *options_.max_staleness) {
      out.outcome = Outcome::kLate;
      out.round = *offer.round;
      out.reason =
          "round " + std::to_string(*offer.round) + " is closed; this is round " + std::to_string(closed_rounds_ + 1);
      if (asynchronous()) out.reason += ", and updates may be " + std::to_string(*options_.max_staleness) + " old";
      return out;
    }
  }
  if (quarantined(offer.client)) {
    out.outcome = Outcome::kQuarantined;
    out.reason = std::to_string(options_.max_strikes) + " updates of this client were refused; no more are taken";
    return out;
  }
  if (const Offer* before = find_committed(offer.client)) {
    const bool other = !offer.digest.empty() && !before->digest.empty() && offer.digest != before->digest;
    out.outcome = other ? Outcome::kConflict : Outcome::kDuplicate;
    out.reason = "round " + std::to_string(out.round) + " has an update of this client already; the first one counts";
  } else if (chooses() && !chosen_.contains(offer.client)) {
    out.outcome = Outcome::kNotChosen;
    out.reason = "round " + std::to_string(out.round) + " is for other clients; the next one may be for this one";
  }
  return out;
}

RoundMachine::Standing RoundMachine::standing(const std::string& client) const {
  if (find_committed(client) != nullptr) return Standing::kCommitted;
  if (quarantined(client)) return Standing::kQuarantined;
  return chooses() && !chosen_.contains(client) ? Standing::kWaiting : Standing::kExpected;
}

void RoundMachine::remember(const Offer& offer, Time now) {
  if (!remembers()) return;
  ClientHistory& known = known_[offer.client];
  known.last_round = std::max(known.last_round, offer.round.value_or(closed_rounds_ + 1));
  ++known.updates;
  known.samples = offer.weight;
  for (const char* name : {"loss", "loss_rms"}) {
    if (const auto it = offer.metrics.find(name); it != offer.metrics.end()) known.loss = it->second;
  }
  if (const auto it = chosen_.find(offer.client); it != chosen_.end()) {
    known.seconds = std::chrono::duration<double>(now - it->second.since).count();
  }
}

RoundMachine::Verdict RoundMachine::preview(const Offer& offer, Time now) {
  last_event_ = now;
  return judge(offer);
}

RoundMachine::Verdict RoundMachine::commit(const Offer& offer, Time now) {
  last_event_ = now;
  Verdict out = judge(offer);
  if (phase_ == Phase::kCollecting && out.outcome != Outcome::kLate && out.outcome != Outcome::kNotChosen) {
    start_clock(now);
  }
  if (out.outcome != Outcome::kCommitted) return out;
  committed_.push_back(offer);
  strikes_.erase(offer.client);
  remember(offer, now);
  if (const auto it = clients_.find(offer.client); it != clients_.end()) it->second.samples = offer.weight;
  abandoned_ = 0;
  if (committed_.size() >= options_.participants) {
    close_round(false, now);
  } else if (soft_deadline_ && now >= *soft_deadline_ && committed_.size() >= options_.quorum) {
    close_round(true, now);
  }
  return out;
}

void RoundMachine::refused(const std::string& client, Time now) {
  last_event_ = now;
  if (phase_ != Phase::kCollecting) return;
  start_clock(now);
  if (options_.max_strikes > 0) ++strikes_[client];
  choose(now);
}

bool RoundMachine::quarantined(const std::string& client) const {
  if (options_.max_strikes <= 0) return false;
  const auto it = strikes_.find(client);
  return it != strikes_.end() && it->second >= options_.max_strikes;
}

std::size_t RoundMachine::clients() const {
  return std::max(options_.participants, clients_.size());
}

void RoundMachine::tick(Time now) {
  if (over()) return;
  if (phase_ == Phase::kCollecting && soft_deadline_ && now >= *soft_deadline_ &&
      committed_.size() >= options_.quorum) {
    close_round(true, now);
  }
  if (phase_ == Phase::kCollecting && deadline_ && now >= *deadline_) {
    if (committed_.size() >= options_.min_updates) {
      close_round(true, now);
    } else {
      ++abandoned_;
      deadline_.reset();
      if (abandoned_ >= options_.max_abandoned) {
        fail("round " + std::to_string(closed_rounds_ + 1) + " was abandoned " + std::to_string(abandoned_) +
             " times: " + std::to_string(committed_.size()) + " usable updates within " +
             seconds_text(options_.round_deadline) + ", " + std::to_string(options_.min_updates) + " are needed");
        return;
      }
      // What has come stays; the clock starts again so that the next deadline is as far as the first.
      deadline_ = now + options_.round_deadline;
      // Other clients may do better than those who have not come.
      give_up_the_chosen();
    }
  }
  if (phase_ == Phase::kCollecting && now >= last_event_ + options_.idle_limit) {
    fail("nothing has happened for " + seconds_text(options_.idle_limit) + "; round " +
         std::to_string(closed_rounds_ + 1) + " has " + std::to_string(committed_.size()) + " of " +
         std::to_string(options_.participants) + " updates");
    return;
  }
  choose(now);
  check_finished(now);
}

void RoundMachine::pass_to(std::int64_t round, bool last, const std::vector<std::string>& clients, Time now) {
  if (over()) return;
  last_event_ = now;
  if (phase_ != Phase::kCollecting) return;
  const bool passed = round > closed_rounds_;
  if (passed || last) {
    committed_.clear();
    closed_rounds_ = std::max(closed_rounds_, round);
    soft_deadline_.reset();
    deadline_.reset();
    abandoned_ = 0;
    forget_choice();
  }
  if (last) {
    phase_ = Phase::kClosing;
    closed_at_ = now;
    for (const std::string& name : clients) {
      const auto it = clients_.find(name);
      if (it == clients_.end() || !it->second.connection) owed_.insert(name);
    }
  }
  choose(now);
}

void RoundMachine::fail(std::string reason) {
  if (over()) return;
  phase_ = Phase::kFailed;
  failure_ = std::move(reason);
}

std::optional<RoundMachine::Time> RoundMachine::next_wakeup() const {
  if (over()) return std::nullopt;
  if (phase_ == Phase::kCollecting) {
    Time wake = last_event_ + options_.idle_limit;
    if (deadline_) wake = std::min(wake, *deadline_);
    if (const auto choice = next_choice()) wake = std::min(wake, *choice);
    // Past the soft deadline it is the next update that closes the round.
    if (soft_deadline_ && committed_.size() >= options_.quorum) wake = std::min(wake, *soft_deadline_);
    return wake;
  }
  const Time end = closed_at_ + options_.finish_limit;
  return anybody_connected() ? end : std::min(end, std::max(closed_at_, last_leave_) + options_.linger);
}

std::optional<RoundMachine::Closed> RoundMachine::take_closed() {
  if (closed_.empty()) return std::nullopt;
  std::optional<Closed> out(std::move(closed_.front()));
  closed_.pop_front();
  return out;
}

std::vector<std::string> RoundMachine::connected() const {
  std::vector<std::pair<std::uint64_t, std::string>> order;
  for (const auto& [name, client] : clients_) {
    if (client.connection) order.emplace_back(client.order, name);
  }
  std::ranges::sort(order);
  std::vector<std::string> names;
  names.reserve(order.size());
  for (auto& [number, name] : order) names.push_back(std::move(name));
  return names;
}

std::optional<RoundMachine::Member> RoundMachine::member(const std::string& client) const {
  const auto it = clients_.find(client);
  if (it == clients_.end() || !it->second.connection) return std::nullopt;
  return Member{client, it->second.connected_at, it->second.samples};
}

std::vector<std::string> RoundMachine::missing() const {
  std::vector<std::string> names = connected();
  std::erase_if(names, [&](const std::string& name) {
    return find_committed(name) != nullptr || (chooses() && !chosen_.contains(name));
  });
  return names;
}

void RoundMachine::start_clock(Time now) {
  if (deadline_) return;
  deadline_ = now + options_.round_deadline;
  if (options_.soft_deadline > SteadyClock::duration::zero()) soft_deadline_ = now + options_.soft_deadline;
}

bool RoundMachine::better(double value) const {
  return !best_ || (options_.stop.smaller_is_better ? value < *best_ : value > *best_);
}

std::string RoundMachine::stop_reason(const std::map<std::string, double>& metrics, Time now) {
  const StopOptions& stop = options_.stop;
  if (stop.budget > SteadyClock::duration::zero() && now >= started_ + stop.budget) {
    return "the budget of " + seconds_text(stop.budget) + " is used up";
  }
  const auto it = stop.metric.empty() ? metrics.end() : metrics.find(stop.metric);
  if (it == metrics.end()) return {};
  const double value = it->second;
  if (better(value)) {
    best_ = value;
    since_best_ = 0;
  } else {
    ++since_best_;
  }
  if (stop.target && (stop.smaller_is_better ? value <= *stop.target : value >= *stop.target)) {
    return stop.metric + " has reached " + std::to_string(*stop.target);
  }
  if (stop.patience > 0 && since_best_ >= stop.patience) {
    return stop.metric + " has not become better for " + std::to_string(since_best_) + " rounds";
  }
  return {};
}

void RoundMachine::close_round(bool by_deadline, Time now) {
  Closed closed;
  closed.missing = missing();
  closed.round = ++closed_rounds_;
  closed.by_deadline = by_deadline;
  std::map<std::string, double> weights;
  if (remembers()) closed.known = known_;
  for (const Offer& offer : std::exchange(committed_, {})) {
    closed.clients.push_back(offer.client);
    closed.staleness.push_back(closed.round - std::min(offer.round.value_or(closed.round), closed.round));
    for (const auto& [name, value] : offer.metrics) {
      closed.metrics[name] += offer.weight * value;
      weights[name] += offer.weight;
    }
  }
  for (auto& [name, value] : closed.metrics) value /= weights[name];
  closed.stopped = stop_reason(closed.metrics, now);
  if (closed_rounds_ >= options_.exit_round) closed.stopped.clear();
  closed.last = closed_rounds_ >= options_.exit_round || !closed.stopped.empty();
  soft_deadline_.reset();
  deadline_.reset();
  abandoned_ = 0;
  last_event_ = now;
  if (closed.last) {
    phase_ = Phase::kClosing;
    closed_at_ = now;
    for (const std::string& name : closed.clients) {
      const auto it = clients_.find(name);
      if (it == clients_.end() || !it->second.connection) owed_.insert(name);
    }
  }
  closed_.push_back(std::move(closed));
  forget_choice();
  choose(now);
}

void RoundMachine::check_finished(Time now) {
  if (phase_ != Phase::kClosing) return;
  const bool late = now >= closed_at_ + options_.finish_limit;
  const bool waited = now >= std::max(closed_at_, last_leave_) + options_.linger;
  if (late || (!anybody_connected() && ((owed_.empty() && !restored_end_) || waited))) phase_ = Phase::kDone;
}

bool RoundMachine::anybody_connected() const {
  return std::ranges::any_of(clients_, [](const auto& entry) { return entry.second.connection.has_value(); });
}

}  // namespace sedna::federated
