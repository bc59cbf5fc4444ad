// The heart of the embedded server: every object in memory, the recent history of each kind, and one thread that makes
// writes durable in groups. It knows versions and keys; what a write means is decided above (engine.hpp). Internal to
// store/embedded.
//
//   propose() ─▶ the queue (already visible to later proposals) ─▶ one transaction ─▶ index, history, watches ─▶ done
//
// A proposal wakes the writer at once. A thread that has many requests before it proposes under HeldWakes and calls
// wake_writer() when it has been through them: one transaction, one flush and one wake for all.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "sedna/store/api_server.hpp"
#include "sedna/store/embedded/database.hpp"
#include "sedna/store/embedded/filter.hpp"
#include "sedna/store/embedded/stored.hpp"

namespace sedna::store::embedded {

class WatchCursor;

struct CoreOptions {
  CoreOptions() {}
  std::string path = ":memory:";
  std::size_t history_events = 4096;                 ///< kept a kind
  std::size_t history_bytes = std::size_t{8} << 20;  ///< the same, of their texts
  std::size_t max_queue = 4096;                      ///< writes waiting; more are refused (429)
  std::size_t max_watches = 2048;
  std::size_t max_bytes = std::size_t{512} << 20;  ///< of all objects' texts
};

/// What happened to one object.
struct Change {
  std::uint64_t resource_version = 0;
  StoredPtr before;  ///< null: it was made
  StoredPtr after;   ///< of a removal: its last version
  bool removed = false;
};

struct RawList {
  std::vector<StoredPtr> items;
  std::uint64_t resource_version = 0;
  std::string continue_token;
  std::optional<std::int64_t> remaining;
};

enum class VersionMatch : std::uint8_t { kUnset, kNotOlderThan, kExact };

/// While one lives, the first few writes its thread proposes do not wake the writer (who may take them all the same):
/// whoever holds it sees to it that Core::wake_writer() is called soon. Without that call the writes wait for the next
/// one, or for close().
class HeldWakes {
 public:
  HeldWakes();
  ~HeldWakes();
  HeldWakes(const HeldWakes&) = delete;
  HeldWakes& operator=(const HeldWakes&) = delete;
};

/// Thread-safe. `Done` runs on the writer's thread and must be quick.
class Core {
 public:
  using Done = std::function<void(Outcome<StoredPtr>)>;

  explicit Core(CoreOptions options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// The committed version, or null.
  StoredPtr find(const Kind& kind, std::string_view key) const;
  /// The newest version, also when it is not yet committed; null when there is none.
  StoredPtr latest(const Kind& kind, std::string_view key) const;
  /// Writes `next` over `base` (null: makes it). False, and nothing done, when `base` is not the latest any more.
  bool put(const StoredPtr& base, std::shared_ptr<Stored> next, Done done);
  /// Removes `base`; `last` is the version that watchers see. As put().
  bool erase(const StoredPtr& base, std::shared_ptr<Stored> last, Done done);

  Outcome<RawList> list(const Kind& kind, const Filter& filter, const ListOptions& options, VersionMatch match) const;
  Outcome<std::shared_ptr<WatchCursor>> watch(const Kind& kind, Filter filter, const WatchOptions& options);
  std::uint64_t resource_version() const;
  std::size_t size(const Kind& kind) const;
  std::size_t watches() const;
  void backup(const std::string& path) { database_.backup(path); }
  /// What was proposed under HeldWakes is to be written now.
  void wake_writer() { wake_.notify_one(); }
  /// Finishes the writes that wait; later ones are refused, watches end. Idempotent; the destructor does it.
  void close();
  /// "" or why the last write failed.
  std::string trouble() const;

 private:
  friend class WatchCursor;
  struct Pending {
    Change change;
    Done done;
  };
  struct InFlight {
    StoredPtr value;  ///< null: removed
    std::uint64_t resource_version = 0;
  };
  struct Shelf {
    std::map<std::string, StoredPtr, std::less<>> objects;
    std::map<std::string, InFlight, std::less<>> in_flight;
    std::deque<Change> history;
    std::size_t history_bytes = 0;
    std::uint64_t forgotten = 0;  ///< changes up to this version may be missing in `history`
    std::vector<std::weak_ptr<WatchCursor>> cursors;
  };

  Shelf& shelf(const Kind& kind) const;
  StoredPtr latest_locked(const Shelf& shelf, std::string_view key) const;
  bool propose(const Kind& kind, const std::string& key, const StoredPtr& base, std::shared_ptr<Stored> version,
               bool removes, Done done);
  void run();
  void commit(std::vector<Pending>& group);
  void publish(std::vector<Pending>& group);
  void give_up(std::vector<Pending>& group, const Status& status);
  Outcome<std::vector<StoredPtr>> range_at(const Shelf& shelf, const std::string& from, const std::string& to,
                                           std::uint64_t version) const;
  void start_cursor(const Shelf& shelf, WatchCursor& cursor) const;

  const CoreOptions options_;
  Database database_;
  mutable std::shared_mutex mutex_;
  std::condition_variable_any wake_;
  std::map<const Kind*, std::unique_ptr<Shelf>> shelves_;
  std::vector<Pending> queue_;
  std::uint64_t next_version_ = 1;  ///< the last one given out
  std::uint64_t committed_ = 1;
  std::size_t bytes_ = 0;
  std::string trouble_;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace sedna::store::embedded
