// One watch: a place in a kind's history. It holds no events of its own, so that a slow reader costs nothing; one that
// falls behind what is kept gets 410. Read by one thread at a time. Internal to store/embedded and apiserver.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "sedna/store/embedded/core.hpp"

namespace sedna::store::embedded {

struct RawEvent {
  WatchEvent::Type type = WatchEvent::Type::kAdded;
  StoredPtr stored;                    ///< null for bookmarks and errors
  std::uint64_t resource_version = 0;  ///< of bookmarks
  bool initial_events_end = false;
  Status status;  ///< of errors
};

class WatchCursor {
 public:
  WatchCursor(Core& core, const Kind& kind, Filter filter, const WatchOptions& options);
  WatchCursor(const WatchCursor&) = delete;
  WatchCursor& operator=(const WatchCursor&) = delete;

  /// The next event when there is one now. After an error, or past its time, done() is true.
  std::optional<RawEvent> poll();
  bool done() const;
  /// When poll() should be asked again although nothing woke it: a bookmark or the end is due.
  SteadyClock::time_point due() const;
  /// Waits for wake() or the time; false when the time came.
  bool wait(SteadyClock::time_point until);
  /// Called (from any thread, once) at the next wake(), or at once when one came since the last poll(). Must be quick
  /// and not call back here.
  void when_woken(std::function<void()> call);
  /// After this the call will not be made, and is not under way.
  void forget_call();
  void stop();

  // For the core.
  void wake();
  void detach();
  const Kind& kind() const { return kind_; }

 private:
  friend class Core;
  std::optional<RawEvent> initial();
  std::optional<RawEvent> translate(const Change& change) const;
  bool refill();
  RawEvent bookmark(bool initial_end);

  const Kind& kind_;
  const Filter filter_;
  const bool bookmarks_;
  const bool initial_mark_;  ///< a bookmark ends the initial events
  const SteadyClock::time_point end_;
  SteadyClock::time_point next_bookmark_;

  std::vector<StoredPtr> initial_;  ///< still to be sent as ADDED, the first at the back
  bool initial_done_ = true;
  std::deque<Change> buffer_;
  std::uint64_t position_ = 0;  ///< everything up to here has been read
  bool failed_ = false;

  mutable std::mutex mutex_;
  std::condition_variable woken_;
  Core* core_;  ///< null when the core is gone
  bool signalled_ = false;
  bool stopped_ = false;
  std::function<void()> call_;
};

}  // namespace sedna::store::embedded
