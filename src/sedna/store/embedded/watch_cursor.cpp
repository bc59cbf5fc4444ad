#include "sedna/store/embedded/watch_cursor.hpp"

#include <algorithm>
#include <shared_mutex>

#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {
namespace {

/// About as often as kube-apiserver sends them.
constexpr auto kBookmarkInterval = std::chrono::seconds(60);
constexpr std::size_t kPiece = 64;

}  // namespace

WatchCursor::WatchCursor(Core& core, const Kind& kind, Filter filter, const WatchOptions& options)
    : kind_(kind),
      filter_(std::move(filter)),
      bookmarks_(options.bookmarks),
      initial_mark_(options.send_initial_events),
      end_(SteadyClock::now() + options.timeout),
      next_bookmark_(SteadyClock::now() + kBookmarkInterval),
      core_(&core) {}

RawEvent WatchCursor::bookmark(bool initial_end) {
  RawEvent event;
  event.type = WatchEvent::Type::kBookmark;
  event.resource_version = position_;
  event.initial_events_end = initial_end;
  next_bookmark_ = SteadyClock::now() + kBookmarkInterval;
  return event;
}

std::optional<RawEvent> WatchCursor::initial() {
  if (!initial_.empty()) {
    RawEvent event;
    event.stored = std::move(initial_.back());
    initial_.pop_back();
    return event;
  }
  initial_done_ = true;
  if (initial_mark_) return bookmark(true);
  return std::nullopt;
}

std::optional<RawEvent> WatchCursor::translate(const Change& change) const {
  // A change moves an object into or out of a selection: it is then made or gone for this watch.
  const bool before = change.before && filter_.matches(*change.before);
  const bool after = !change.removed && filter_.matches(*change.after);
  if (!before && !after) return std::nullopt;
  RawEvent event;
  event.type = !before ? WatchEvent::Type::kAdded : after ? WatchEvent::Type::kModified : WatchEvent::Type::kDeleted;
  // What left the selection is shown as it was in it, at the version at which it left.
  event.stored = after || change.removed ? change.after : with_version(*change.before, change.resource_version);
  return event;
}

bool WatchCursor::refill() {
  const std::lock_guard alive(mutex_);
  signalled_ = false;
  if (core_ == nullptr) return true;
  const std::shared_lock lock(core_->mutex_);
  const Core::Shelf& shelf = core_->shelf(kind_);
  if (position_ < shelf.forgotten) return false;
  auto it = std::upper_bound(shelf.history.begin(), shelf.history.end(), position_,
                             [](std::uint64_t version, const Change& c) { return version < c.resource_version; });
  for (; it != shelf.history.end() && buffer_.size() < kPiece; ++it) buffer_.push_back(*it);
  if (buffer_.empty()) position_ = std::max(position_, core_->committed_);
  return true;
}

std::optional<RawEvent> WatchCursor::poll() {
  if (done()) return std::nullopt;
  if (!initial_done_) {
    if (auto event = initial()) return event;
  }
  for (;;) {
    while (!buffer_.empty()) {
      const Change change = std::move(buffer_.front());
      buffer_.pop_front();
      position_ = change.resource_version;
      if (auto event = translate(change)) return event;
    }
    const std::uint64_t before = position_;
    if (!refill()) {
      failed_ = true;
      RawEvent event;
      event.type = WatchEvent::Type::kError;
      event.status = statuses::expired("too old resource version: " + std::to_string(before) + " (" +
                                       std::to_string(before + 1) + ")");
      return event;
    }
    if (buffer_.empty()) break;
  }
  // Also when nothing has changed: it is the sign of life by which a client tells a quiet watch from a dead one.
  if (bookmarks_ && SteadyClock::now() >= next_bookmark_) return bookmark(false);
  return std::nullopt;
}

bool WatchCursor::done() const {
  const std::lock_guard lock(mutex_);
  return failed_ || stopped_ || core_ == nullptr || SteadyClock::now() >= end_;
}

SteadyClock::time_point WatchCursor::due() const {
  return bookmarks_ ? std::min(end_, next_bookmark_) : end_;
}

bool WatchCursor::wait(SteadyClock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return signalled_ || stopped_ || core_ == nullptr; };
  if (until == SteadyClock::time_point::max()) {
    woken_.wait(lock, ready);
    return true;
  }
  return woken_.wait_until(lock, until, ready);
}

void WatchCursor::when_woken(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (!signalled_ && !stopped_ && core_ != nullptr) {
      call_ = std::move(call);
      return;
    }
  }
  call();
}

void WatchCursor::forget_call() {
  const std::lock_guard lock(mutex_);
  call_ = nullptr;
}

void WatchCursor::wake() {
  {
    const std::lock_guard lock(mutex_);
    signalled_ = true;
    // Under the lock: whoever takes the call back knows that it is not running.
    if (call_) call_();
    call_ = nullptr;
  }
  woken_.notify_all();
}

void WatchCursor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake();
}

void WatchCursor::detach() {
  {
    const std::lock_guard lock(mutex_);
    core_ = nullptr;
  }
  wake();
}

}  // namespace sedna::store::embedded
