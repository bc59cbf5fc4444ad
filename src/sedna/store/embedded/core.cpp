#include "sedna/store/embedded/core.hpp"

#include <algorithm>
#include <csignal>
#include <mutex>
#include <set>

#include "sedna/base/log.hpp"
#include "sedna/store/embedded/watch_cursor.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {
namespace {

/// Writes of one transaction: enough to share a flush, few enough that the first of them does not wait for long.
constexpr std::size_t kGroup = 256;

/// So many writes are not held back any longer: the writer begins while the rest of them comes.
constexpr std::size_t kWorthAFlush = 16;

thread_local int t_held_wakes = 0;

}  // namespace

HeldWakes::HeldWakes() {
  ++t_held_wakes;
}

HeldWakes::~HeldWakes() {
  --t_held_wakes;
}

Core::Core(CoreOptions options) : options_(std::move(options)), database_(options_.path) {
  for (const Kind* kind : api::all_kinds()) shelves_.emplace(kind, std::make_unique<Shelf>());
  database_.load(
      [this](std::shared_ptr<Stored> stored) {
        next_version_ = std::max(next_version_, stored->resource_version);
        bytes_ += stored->text.size();
        Shelf& place = shelf(*stored->kind);
        place.forgotten = std::max(place.forgotten, stored->resource_version);
        place.objects.insert_or_assign(stored->key, std::move(stored));
      },
      [this](const Kind& kind, std::uint64_t version) {
        next_version_ = std::max(next_version_, version);
        shelf(kind).forgotten = std::max(shelf(kind).forgotten, version);
      });
  committed_ = next_version_;
  // Signals belong to the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  writer_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Core::~Core() {
  close();
}

void Core::close() {
  {
    const std::unique_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (writer_.joinable()) writer_.join();
  for (const auto& [kind, place] : shelves_) {
    for (const auto& weak : place->cursors) {
      if (const auto cursor = weak.lock()) cursor->detach();
    }
  }
}

Core::Shelf& Core::shelf(const Kind& kind) const {
  const auto it = shelves_.find(&kind);
  SEDNA_CHECK(it != shelves_.end());
  return *it->second;
}

StoredPtr Core::find(const Kind& kind, std::string_view key) const {
  const std::shared_lock lock(mutex_);
  const Shelf& place = shelf(kind);
  const auto it = place.objects.find(key);
  return it == place.objects.end() ? nullptr : it->second;
}

StoredPtr Core::latest_locked(const Shelf& place, std::string_view key) const {
  const auto flying = place.in_flight.find(key);
  if (flying != place.in_flight.end()) return flying->second.value;
  const auto it = place.objects.find(key);
  return it == place.objects.end() ? nullptr : it->second;
}

StoredPtr Core::latest(const Kind& kind, std::string_view key) const {
  const std::shared_lock lock(mutex_);
  return latest_locked(shelf(kind), key);
}

bool Core::put(const StoredPtr& base, std::shared_ptr<Stored> next, Done done) {
  const Kind& kind = *next->kind;
  const std::string key = next->key;
  return propose(kind, key, base, std::move(next), false, std::move(done));
}

bool Core::erase(const StoredPtr& base, std::shared_ptr<Stored> last, Done done) {
  return propose(*base->kind, base->key, base, std::move(last), true, std::move(done));
}

bool Core::propose(const Kind& kind, const std::string& key, const StoredPtr& base, std::shared_ptr<Stored> version,
                   bool removes, Done done) {
  std::optional<Status> refused;
  bool enough = false;
  {
    const std::unique_lock lock(mutex_);
    Shelf& place = shelf(kind);
    if (latest_locked(place, key) != base) return false;
    if (stopping_) {
      refused = statuses::unavailable("the server is stopping");
    } else if (queue_.size() >= options_.max_queue) {
      refused = statuses::too_many_requests("too many writes are waiting, please try again later");
    } else if (!removes && bytes_ + version->text.size() > options_.max_bytes) {
      refused = statuses::internal("the database is full: objects may take " + std::to_string(options_.max_bytes) +
                                   " bytes in all; delete some");
    } else {
      number_version(*version, ++next_version_);
      version->row = base ? base->row : static_cast<std::int64_t>(next_version_);
      Pending pending;
      pending.change = {next_version_, base, version, removes};
      pending.done = std::move(done);
      place.in_flight.insert_or_assign(key, InFlight{removes ? nullptr : StoredPtr(version), next_version_});
      queue_.push_back(std::move(pending));
      enough = queue_.size() == kWorthAFlush;
    }
  }
  if (refused) {
    done(*std::move(refused));  // NOLINT(bugprone-use-after-move): given away only where nothing was refused
  } else if (t_held_wakes == 0 || enough) {
    wake_writer();
  }
  return true;
}

void Core::run() {
  pthread_setname_np(pthread_self(), "sedna-store");
  std::vector<Pending> group;
  for (;;) {
    group.clear();
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kGroup));
      group.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
      queue_.erase(queue_.begin(), end);
    }
    commit(group);
  }
}

void Core::commit(std::vector<Pending>& group) {
  std::vector<RowChange> rows;
  rows.reserve(group.size());
  for (const Pending& pending : group) {
    const Change& change = pending.change;
    rows.push_back(
        {change.after->kind, change.after->row, change.resource_version, change.removed ? nullptr : change.after});
  }
  try {
    database_.write(rows);
  } catch (const Error& error) {
    log::error("objects could not be stored", {{"error", error.what()}, {"writes", group.size()}});
    const bool full = error.code() == ErrorCode::kResourceExhausted;
    const std::string hint = full ? "; free some space on the disk of the state folder" : "";
    give_up(group, statuses::internal(std::string("the object could not be stored: ") + error.what() + hint));
    return;
  }
  publish(group);
}

void Core::publish(std::vector<Pending>& group) {
  std::vector<std::shared_ptr<WatchCursor>> woken;
  std::set<Shelf*> touched;
  {
    const std::unique_lock lock(mutex_);
    trouble_.clear();
    for (const Pending& pending : group) {
      const Change& change = pending.change;
      const StoredPtr& version = change.after;
      Shelf& place = shelf(*version->kind);
      const auto flying = place.in_flight.find(version->key);
      if (flying != place.in_flight.end() && flying->second.resource_version == change.resource_version) {
        place.in_flight.erase(flying);
      }
      if (change.before) bytes_ -= change.before->text.size();
      if (change.removed) {
        place.objects.erase(version->key);
      } else {
        bytes_ += version->text.size();
        place.objects.insert_or_assign(version->key, version);
      }
      place.history.push_back(change);
      place.history_bytes += version->text.size();
      while (place.history.size() > options_.history_events || place.history_bytes > options_.history_bytes) {
        place.forgotten = place.history.front().resource_version;
        place.history_bytes -= place.history.front().after->text.size();
        place.history.pop_front();
      }
      committed_ = change.resource_version;
      touched.insert(&place);
    }
    for (Shelf* place : touched) {
      std::erase_if(place->cursors, [&woken](const std::weak_ptr<WatchCursor>& weak) {
        if (auto cursor = weak.lock()) {
          woken.push_back(std::move(cursor));
          return false;
        }
        return true;
      });
    }
  }
  for (Pending& pending : group) pending.done(pending.change.after);
  for (const auto& cursor : woken) cursor->wake();
}

void Core::give_up(std::vector<Pending>& group, const Status& status) {
  {
    // What came after may build on what failed: all of it fails.
    const std::unique_lock lock(mutex_);
    trouble_ = status.message;
    std::move(queue_.begin(), queue_.end(), std::back_inserter(group));
    queue_.clear();
    for (const auto& [kind, place] : shelves_) place->in_flight.clear();
  }
  for (Pending& pending : group) pending.done(status);
}

std::uint64_t Core::resource_version() const {
  const std::shared_lock lock(mutex_);
  return committed_;
}

std::size_t Core::size(const Kind& kind) const {
  const std::shared_lock lock(mutex_);
  return shelf(kind).objects.size();
}

std::size_t Core::watches() const {
  const std::shared_lock lock(mutex_);
  std::size_t count = 0;
  for (const auto& [kind, place] : shelves_) {
    for (const auto& weak : place->cursors) count += weak.expired() ? 0 : 1;
  }
  return count;
}

std::string Core::trouble() const {
  const std::shared_lock lock(mutex_);
  return trouble_;
}

}  // namespace sedna::store::embedded
