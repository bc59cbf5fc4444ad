// The rounds of one federated job as a pure state machine: no sockets, no clock, no threads. The server feeds it what
// happened and when, and sends what it answers; tests drive it through random schedules.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/federated/aggregation.hpp"

namespace sedna::federated {

struct RoundOptions {
  RoundOptions() {}
  std::size_t participants = 1;  ///< so many updates close a round
  std::int64_t exit_round = 1;   ///< so many rounds end the job
  /// From the first update that arrives in a round (accepted or not): past it the round closes with what there is.
  SteadyClock::duration round_deadline = std::chrono::hours(1);
  std::size_t min_updates = 1;  ///< fewer at the deadline: the round is abandoned and begins again
  int max_abandoned = 3;        ///< so many abandoned rounds in a row fail the job
  /// Without any event (join, leave, update) the job fails after this.
  SteadyClock::duration idle_limit = std::chrono::hours(24);
  /// After the last round: how long clients may stay, and how long one is waited for that broke off.
  SteadyClock::duration finish_limit = std::chrono::minutes(5);
  SteadyClock::duration linger = std::chrono::seconds(15);
};

/// Quorum, deadlines, duplicates, late joiners, leavers. Not thread-safe.
class RoundMachine {
 public:
  using Time = SteadyClock::time_point;
  using Connection = std::uint64_t;

  enum class Phase : std::uint8_t {
    kCollecting,
    kClosing,  ///< the last round is closed; clients fetch it and go
    kDone,
    kFailed,  ///< see failure()
  };

  struct Joined {
    std::optional<Connection> replaced;  ///< the same client's older connection: close it
    bool behind = false;                 ///< it said which model it has, and there is a newer one: send that
  };

  enum class Outcome : std::uint8_t {
    kCommitted,
    kDuplicate,  ///< this client's update of the round is in already; nothing has changed
    kLate,       ///< of a round that is closed: send the newest model
    kRefused,    ///< `reason`; the round goes on
    kFinished,   ///< the job is over: send the newest model
  };
  struct Verdict {
    Outcome outcome = Outcome::kCommitted;
    std::int64_t round = 0;  ///< the round that it counts for, or would have
    std::string reason;
  };

  /// A round that has ended; its sum has not been reported yet.
  struct Closed {
    std::int64_t round = 0;
    bool last = false;
    bool by_deadline = false;
    std::vector<std::string> clients;  ///< who is in the sum, in order of commit
    std::vector<std::string> missing;  ///< who was connected and had brought nothing
    std::unique_ptr<Aggregation> sum;
  };

  struct Member {
    std::string client;
    SystemClock::time_point connected_at;
    std::optional<double> samples;  ///< of its last committed update
  };

  RoundMachine(RoundOptions options, AggregationFactory factory, Time now);

  /// `seen`: the round of the model that the client has, when it says so (it comes back).
  Joined join(const std::string& client, Connection connection, std::optional<std::int64_t> seen, Time now,
              SystemClock::time_point wall = {});
  /// Only the client's present connection counts. `clean`: it said goodbye.
  void leave(const std::string& client, Connection connection, bool clean, Time now);
  /// `round`: which round the update is for, when the client says so. Checks it, then adds it to the sum or changes
  /// nothing but the clock.
  Verdict submit(Update update, std::optional<std::int64_t> round, Time now);
  /// An update that could not even be read: refused, and it starts the round's clock as any other.
  void refused(Time now);
  /// Acts on deadlines that have passed.
  void tick(Time now);
  /// The job cannot go on (a rule of user code raised).
  void fail(std::string reason);

  /// When tick() has something to do at the latest; never, once the job is over.
  std::optional<Time> next_wakeup() const;
  /// The rounds closed since the last call, oldest first.
  std::optional<Closed> take_closed();

  Phase phase() const { return phase_; }
  const std::string& failure() const { return failure_; }
  std::int64_t closed_rounds() const { return closed_rounds_; }
  std::size_t updates() const { return committed_.size(); }
  std::vector<std::string> connected() const;  ///< in order of joining
  std::optional<Member> member(const std::string& client) const;
  /// Of those connected, who has not brought an update to the open round.
  std::vector<std::string> missing() const;

 private:
  struct Client {
    std::optional<Connection> connection;
    std::uint64_t order = 0;
    SystemClock::time_point connected_at;
    std::optional<double> samples;
  };
  void start_clock(Time now);
  void close_round(bool by_deadline, Time now);
  void check_finished(Time now);
  bool anybody_connected() const;
  bool over() const { return phase_ == Phase::kDone || phase_ == Phase::kFailed; }

  RoundOptions options_;
  AggregationFactory factory_;
  Phase phase_ = Phase::kCollecting;
  std::string failure_;
  std::map<std::string, Client> clients_;
  std::uint64_t joins_ = 0;
  Manifest manifest_;
  std::unique_ptr<Aggregation> sum_;
  std::vector<std::string> order_;  // of commits in the open round
  std::set<std::string> committed_;
  std::int64_t closed_rounds_ = 0;
  int abandoned_ = 0;
  std::optional<Time> deadline_;
  Time last_event_;
  Time closed_at_{};
  Time last_leave_{};
  std::set<std::string> owed_;  // contributors of the last round who broke off before they can have got its model
  std::deque<Closed> closed_;
};

}  // namespace sedna::federated
