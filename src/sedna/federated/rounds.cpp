#include "sedna/federated/rounds.hpp"

#include <algorithm>
#include <utility>

namespace sedna::federated {

namespace {

std::string seconds_text(SteadyClock::duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + " s";
}

}  // namespace

RoundMachine::RoundMachine(RoundOptions options, AggregationFactory factory, Time now)
    : options_(options), factory_(std::move(factory)), sum_(factory_()), last_event_(now) {
  if (options_.participants < 1) throw Error(ErrorCode::kInvalidArgument, "must be 1 or more", "participants_count");
  if (options_.exit_round < 1) throw Error(ErrorCode::kInvalidArgument, "must be 1 or more", "exit_round");
  options_.min_updates = std::clamp<std::size_t>(options_.min_updates, 1, options_.participants);
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
  check_finished(now);
}

RoundMachine::Verdict RoundMachine::submit(Update update, std::optional<std::int64_t> round, Time now) {
  last_event_ = now;
  Verdict out;
  out.round = closed_rounds_ + 1;
  if (phase_ != Phase::kCollecting) {
    out.outcome = Outcome::kFinished;
    out.round = closed_rounds_;
    out.reason = "the job has ended after round " + std::to_string(closed_rounds_);
    return out;
  }
  if (round && *round <= closed_rounds_) {
    out.outcome = Outcome::kLate;
    out.round = *round;
    out.reason = "round " + std::to_string(*round) + " is closed; this is round " + std::to_string(closed_rounds_ + 1);
    return out;
  }
  start_clock(now);
  if (committed_.contains(update.client)) {
    out.outcome = Outcome::kDuplicate;
    out.reason = "round " + std::to_string(out.round) + " has an update of this client already; the first one counts";
    return out;
  }
  if (const auto checked = check_update(update, manifest_); !checked) {
    out.outcome = Outcome::kRefused;
    out.reason = checked.error().what();
    return out;
  }
  if (!manifest_.set) manifest_ = Manifest::of(update.weights);
  committed_.insert(update.client);
  order_.push_back(update.client);
  if (const auto it = clients_.find(update.client); it != clients_.end()) it->second.samples = update.weight;
  sum_->accumulate(std::move(update));
  abandoned_ = 0;
  if (committed_.size() >= options_.participants) close_round(false, now);
  return out;
}

void RoundMachine::refused(Time now) {
  last_event_ = now;
  if (phase_ == Phase::kCollecting) start_clock(now);
}

void RoundMachine::tick(Time now) {
  if (over()) return;
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
    }
  }
  if (phase_ == Phase::kCollecting && now >= last_event_ + options_.idle_limit) {
    fail("nothing has happened for " + seconds_text(options_.idle_limit) + "; round " +
         std::to_string(closed_rounds_ + 1) + " has " + std::to_string(committed_.size()) + " of " +
         std::to_string(options_.participants) + " updates");
    return;
  }
  check_finished(now);
}

void RoundMachine::fail(std::string reason) {
  if (over()) return;
  phase_ = Phase::kFailed;
  failure_ = std::move(reason);
}

std::optional<RoundMachine::Time> RoundMachine::next_wakeup() const {
  if (over()) return std::nullopt;
  if (phase_ == Phase::kCollecting) {
    const Time idle = last_event_ + options_.idle_limit;
    return deadline_ ? std::min(*deadline_, idle) : idle;
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
  std::erase_if(names, [&](const std::string& name) { return committed_.contains(name); });
  return names;
}

void RoundMachine::start_clock(Time now) {
  if (!deadline_) deadline_ = now + options_.round_deadline;
}

void RoundMachine::close_round(bool by_deadline, Time now) {
  Closed closed;
  closed.round = ++closed_rounds_;
  closed.last = closed_rounds_ >= options_.exit_round;
  closed.by_deadline = by_deadline;
  closed.missing = missing();
  closed.clients = std::exchange(order_, {});
  closed.sum = std::exchange(sum_, nullptr);
  committed_.clear();
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
  } else {
    sum_ = factory_();
  }
  closed_.push_back(std::move(closed));
}

void RoundMachine::check_finished(Time now) {
  if (phase_ != Phase::kClosing) return;
  const bool late = now >= closed_at_ + options_.finish_limit;
  const bool waited = now >= std::max(closed_at_, last_leave_) + options_.linger;
  if (late || (!anybody_connected() && (owed_.empty() || waited))) phase_ = Phase::kDone;
}

bool RoundMachine::anybody_connected() const {
  return std::ranges::any_of(clients_, [](const auto& entry) { return entry.second.connection.has_value(); });
}

}  // namespace sedna::federated
