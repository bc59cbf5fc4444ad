// The keys that wait for a reconciler. A key that is added many times waits once; one that is added while it is worked
// on waits again afterwards, so no two workers ever hold the same key. Failures wait longer each time. Used by
// Controller.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sedna/base/clock.hpp"

namespace sedna::control {

struct BackoffOptions {
  BackoffOptions() {}
  SteadyClock::duration first = std::chrono::milliseconds(200);
  SteadyClock::duration longest = std::chrono::seconds(60);
};

/// first · 2^(failures - 1), at most `longest`; failures from 1.
SteadyClock::duration backoff_after(const BackoffOptions& options, int failures);

/// Thread-safe.
class WorkQueue {
 public:
  explicit WorkQueue(BackoffOptions backoff = {}, const Clock& clock = Clock::real());

  /// First come, first served; adding a key that waits already changes nothing.
  void add(std::string_view key);
  /// Not before `delay` has passed; an earlier time of the same key wins.
  void add_after(std::string_view key, SteadyClock::duration delay);
  /// After the back-off of this key, which grows with each call until forget().
  void add_failed(std::string_view key);
  /// The next failure of the key begins with the shortest wait again.
  void forget(std::string_view key);
  int failures(std::string_view key) const;

  /// The next key, held by the caller until done(). Nothing when the deadline passed or the queue was closed.
  std::optional<std::string> next(Deadline deadline);
  /// As next() without waiting: what is due by the clock now.
  std::optional<std::string> try_next();
  void done(const std::string& key);

  /// Keys that are due, waiting for a worker.
  std::size_t size() const;
  /// Keys that wait for a time.
  std::size_t delayed() const;
  std::size_t processing() const;
  /// When the earliest delayed key is due.
  std::optional<SteadyClock::time_point> next_due() const;
  /// Ends every wait; nothing is given out any more.
  void close();
  bool closed() const;

 private:
  void add_locked(std::string_view key);
  void take_due();
  std::optional<std::string> pop();

  const BackoffOptions backoff_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::map<std::uint64_t, std::string> order_;              ///< waiting, oldest first
  std::unordered_map<std::string, std::uint64_t> waiting_;  ///< key → place in order_
  std::unordered_set<std::string> processing_, again_;      ///< held; held and added meanwhile
  std::set<std::pair<SteadyClock::time_point, std::string>> by_time_;
  std::unordered_map<std::string, SteadyClock::time_point> times_;
  std::unordered_map<std::string, int> failures_;
  std::uint64_t next_place_ = 0;
  bool closed_ = false;
};

}  // namespace sedna::control
