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
#include "sedna/federated/selection.hpp"

namespace sedna::federated {

/// When a job ends before its last round. Metrics are those that clients report with their updates; a round's value is
/// the mean by samples.
struct StopOptions {
  StopOptions() {}
  std::string metric;              ///< "accuracy"; empty: no metric is looked at
  bool smaller_is_better = false;  ///< "loss"
  std::optional<double> target;    ///< reached: this round is the last
  int patience = 0;                ///< so many rounds without a better value: the last; 0: never
  SteadyClock::duration budget{};  ///< rounds that close later than this after the start are the last; 0: never
};

struct RoundOptions {
  RoundOptions() {}
  std::size_t participants = 1;  ///< so many updates close a round
  std::int64_t exit_round = 1;   ///< so many rounds end the job
  /// From the first update that arrives in a round (accepted or not): past it the round closes with what there is.
  SteadyClock::duration round_deadline = std::chrono::hours(1);
  std::size_t min_updates = 1;  ///< fewer at the deadline: the round is abandoned and begins again
  int max_abandoned = 3;        ///< so many abandoned rounds in a row fail the job
  /// From the same moment: past it a round closes as soon as it has `quorum` updates; 0: never.
  SteadyClock::duration soft_deadline{};
  std::size_t quorum = 1;
  /// So many refused updates and nothing more is taken from a client; 0: patience without end.
  int max_strikes = 10;
  /// Without any event (join, leave, update) the job fails after this.
  SteadyClock::duration idle_limit = std::chrono::hours(24);
  /// After the last round: how long clients may stay, and how long one is waited for that broke off.
  SteadyClock::duration finish_limit = std::chrono::minutes(5);
  SteadyClock::duration linger = std::chrono::seconds(15);
  /// Asynchronous rules: an update that began with a model so many rounds older than the newest one counts, once.
  /// Nothing: updates are for the open round only.
  std::optional<std::int64_t> max_staleness;
  /// Which clients train in a round. Then its clock starts with the choice.
  SelectionOptions selection;
  StopOptions stop;
};

/// What the machine knows of an update: who, how much, and which one. The tensors are the server's affair.
struct Offer {
  std::string client;
  double weight = 0;                        ///< samples
  std::string digest;                       ///< tells this update from another of the same client; may be empty
  std::optional<std::int64_t> round;        ///< which round it was trained for, when the client says so
  std::map<std::string, double> metrics{};  ///< what the client reports
};

/// Quorum, deadlines, duplicates, late joiners, leavers, who is chosen. Not thread-safe.
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
    kDuplicate,    ///< this client's update of the round is in already; nothing has changed
    kConflict,     ///< the same, and this one is another: the first one counts
    kLate,         ///< of a round that is closed: send the newest model
    kRefused,      ///< `reason`; the round goes on
    kQuarantined,  ///< too many of this client's updates were refused
    kFinished,     ///< the job is over: send the newest model
    kNotChosen,    ///< this round is for other clients: it waits for the next one
  };
  struct Verdict {
    Outcome outcome = Outcome::kCommitted;
    std::int64_t round = 0;      ///< the round that it counts for, or would have
    std::int64_t staleness = 0;  ///< how many rounds it began before that
    std::string reason;
  };

  /// What a client is to do in the open round.
  enum class Standing : std::uint8_t { kExpected, kCommitted, kWaiting, kQuarantined };

  /// A round that has ended.
  struct Closed {
    std::int64_t round = 0;
    bool last = false;
    bool by_deadline = false;
    std::vector<std::string> clients;       ///< who is in the sum, in order of commit
    std::vector<std::string> missing;       ///< who was connected and had brought nothing
    std::map<std::string, double> metrics;  ///< means by samples of what clients reported
    std::string stopped;                    ///< why this is the last round although more were planned
    std::vector<std::int64_t> staleness;    ///< of each of `clients`
    /// What is known of the clients at its end: for the records, where somebody asks for it (see remembers()).
    std::map<std::string, ClientHistory> known;
  };
  /// Who trains in the open round: told once for each choice, with all chosen so far.
  struct Chosen {
    std::int64_t round = 0;
    std::uint64_t attempt = 0;
    std::vector<std::string> clients;
  };

  /// What a restarted server knows from its records.
  struct Restored {
    std::int64_t closed_rounds = 0;
    std::vector<Offer> committed;                        ///< to the open round, in order
    std::vector<std::map<std::string, double>> metrics;  ///< of the closed rounds
    bool ended = false;                                  ///< the last round was closed
    std::map<std::string, ClientHistory> known{};
    std::optional<Chosen> chosen{};  ///< for the open round
  };

  struct Member {
    std::string client;
    SystemClock::time_point connected_at;
    std::optional<double> samples;  ///< of its last committed update
  };

  RoundMachine(RoundOptions options, Time now);
  /// Takes up where the records end. Before anything else.
  void restore(const Restored& from, Time now);

  /// `seen`: the round of the model that the client has, when it says so (it comes back).
  Joined join(const std::string& client, Connection connection, std::optional<std::int64_t> seen, Time now,
              SystemClock::time_point wall = {});
  /// Only the client's present connection counts. `clean`: it said goodbye.
  void leave(const std::string& client, Connection connection, bool clean, Time now);
  /// What would become of an update: kCommitted means that it may come. Changes nothing but the clock.
  Verdict preview(const Offer& offer, Time now);
  /// A checked update: commits it or changes nothing but the clock. The caller keeps its tensors when it is committed.
  Verdict commit(const Offer& offer, Time now);
  /// An update that did not pass its checks: it starts the round's clock as any other, and counts against the client.
  void refused(const std::string& client, Time now);
  /// Acts on deadlines that have passed.
  void tick(Time now);
  /// A site: round `round` has ended above, with or without what has come here, which counts for nothing any more.
  /// `last`: so has the job; `clients` are those who contributed here.
  void pass_to(std::int64_t round, bool last, const std::vector<std::string>& clients, Time now);
  /// The job cannot go on (a rule of user code raised).
  void fail(std::string reason);

  /// When tick() has something to do at the latest; never, once the job is over.
  std::optional<Time> next_wakeup() const;
  /// The rounds closed since the last call, oldest first.
  std::optional<Closed> take_closed();
  /// The newest choice, once.
  std::optional<Chosen> take_chosen();

  const RoundOptions& options() const { return options_; }
  Phase phase() const { return phase_; }
  const std::string& failure() const { return failure_; }
  std::int64_t closed_rounds() const { return closed_rounds_; }
  std::size_t updates() const { return committed_.size(); }
  std::vector<std::string> connected() const;  ///< in order of joining
  std::optional<Member> member(const std::string& client) const;
  /// Of those connected, who has not brought an update to the open round.
  std::vector<std::string> missing() const;
  /// Of the open round, in order of commit.
  const std::vector<Offer>& committed() const { return committed_; }
  /// All who were ever seen, connected or not, but at least the participants.
  std::size_t clients() const;
  bool quarantined(const std::string& client) const;
  Standing standing(const std::string& client) const;
  bool asynchronous() const { return options_.max_staleness.has_value(); }
  bool chooses() const { return selector_ != nullptr; }
  /// Whether what is known of clients decides anything, so that it must survive a restart.
  bool remembers() const { return asynchronous() || chooses(); }
  /// When the round's clock ends it; nothing before its first update.
  std::optional<Time> deadline() const { return deadline_; }

 private:
  struct Client {
    std::optional<Connection> connection;
    std::uint64_t order = 0;
    SystemClock::time_point connected_at;
    std::optional<double> samples;
  };
  Verdict judge(const Offer& offer);
  std::string stop_reason(const std::map<std::string, double>& metrics, Time now);
  bool better(double value) const;
  const Offer* find_committed(const std::string& client) const;
  void remember(const Offer& offer, Time now);
  // Who trains (rounds_choice.cpp).
  struct Choice {
    Time since;
    std::optional<Time> absent_since;
    bool given_up = false;  ///< its update is welcome, and not waited for
  };
  std::vector<Candidate> candidates() const;
  std::size_t hopeful(Time now);
  void choose(Time now);
  void note_presence(const std::string& client, bool here, bool clean, Time now);
  void give_up_the_chosen();
  void forget_choice();
  std::optional<Time> next_choice() const;
  void start_clock(Time now);
  void close_round(bool by_deadline, Time now);
  void check_finished(Time now);
  bool anybody_connected() const;
  bool over() const { return phase_ == Phase::kDone || phase_ == Phase::kFailed; }

  RoundOptions options_;
  Phase phase_ = Phase::kCollecting;
  std::string failure_;
  std::map<std::string, Client> clients_;
  std::uint64_t joins_ = 0;
  std::map<std::string, int> strikes_;
  std::vector<Offer> committed_;  // to the open round, in order
  std::int64_t closed_rounds_ = 0;
  int abandoned_ = 0;
  std::optional<Time> deadline_;
  std::optional<Time> soft_deadline_;
  std::optional<double> best_;
  int since_best_ = 0;
  Time started_;
  Time last_event_;
  Time closed_at_{};
  Time last_leave_{};
  bool restored_end_ = false;   // nobody knows who of the last round has its model
  std::set<std::string> owed_;  // contributors of the last round who broke off before they can have got its model
  std::deque<Closed> closed_;
  std::map<std::string, ClientHistory> known_;

  std::shared_ptr<const Selector> selector_;
  std::map<std::string, Choice> chosen_;  ///< for the open round
  std::vector<std::string> chosen_order_;
  std::optional<Time> pool_since_;  ///< when the first candidate was there, until there is a choice
  std::uint64_t attempt_ = 0;       ///< draws in this round so far
  bool choice_told_ = true;
};

}  // namespace sedna::federated
