// Which clients train in a round. The round machine asks a selector with what it knows of them; each policy is a file
// of its own in selection/. The same seed, round and candidates give the same choice, on any machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/federated/settings.hpp"

namespace sedna::federated {

struct SelectionOptions {
  SelectionOptions() {}
  std::string policy;    ///< "random", "weighted", "oort,explore=0.9"; empty: every client trains
  double over = 1;       ///< so many times the participants are chosen, so that stragglers hold nothing up
  std::size_t pool = 0;  ///< clients that must be there before a round chooses; 0: as many as are chosen
  SteadyClock::duration wait = std::chrono::seconds(60);  ///< no longer than this for them, from the first one on
  std::uint64_t seed = 0;
};

/// What a job remembers of a client from its committed updates.
struct ClientHistory {
  std::int64_t last_round = 0;  ///< the newest round that it has trained for
  std::int64_t updates = 0;     ///< 0: nothing is known of it
  double samples = 0;
  double loss = std::numeric_limits<double>::quiet_NaN();  ///< that it reported; NaN: it did not
  double seconds = 0;                                      ///< from being chosen to its update
};

struct Candidate {
  std::string client;
  ClientHistory history;
};

/// Random numbers that are the same everywhere: the distributions of the standard library are not.
class Draw {
 public:
  Draw(std::uint64_t seed, std::int64_t round, std::uint64_t attempt);
  /// In (0, 1).
  double uniform();
  /// In [0, n), evenly.
  std::size_t below(std::size_t n);

 private:
  std::mt19937_64 random_;
};

/// Not thread-safe. Has no memory of its own: a restarted server chooses as the one before it would have.
class Selector {
 public:
  virtual ~Selector() = default;
  /// min(count, candidates) of them. `candidates` come in order of their names.
  virtual std::vector<std::string> choose(const std::vector<Candidate>& candidates, std::size_t count,
                                          std::int64_t round, Draw& draw) const = 0;
};

/// By name. Throws Error(kNotFound) listing the names, kInvalidArgument naming the parameter.
std::unique_ptr<Selector> make_selector(std::string_view text);
std::vector<std::string> selector_names();

/// `count` of the candidates without replacement, each time by its share of the weights that are left:
/// the ones with the largest log(u)/w. Weights of 0 come last.
/// Efraimidis and Spirakis, "Weighted random sampling with a reservoir", IPL 2006.
std::vector<std::string> draw_by_weight(const std::vector<Candidate>& candidates, const std::vector<double>& weights,
                                        std::size_t count, Draw& draw);

// The policies, one file each.
std::unique_ptr<Selector> make_random_selector(Settings& settings);
std::unique_ptr<Selector> make_weighted_selector(Settings& settings);
std::unique_ptr<Selector> make_oort_selector(Settings& settings);

}  // namespace sedna::federated
