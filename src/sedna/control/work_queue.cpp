#include "sedna/control/work_queue.hpp"

#include <algorithm>

namespace sedna::control {

SteadyClock::duration backoff_after(const BackoffOptions& options, int failures) {
  constexpr int kMostDoublings = 30;  // beyond, the shift would overflow long after `longest` was reached
  const int doublings = std::clamp(failures - 1, 0, kMostDoublings);
  const auto limit = options.longest / (std::int64_t{1} << doublings);
  if (options.first >= limit) return options.longest;
  return options.first * (std::int64_t{1} << doublings);
}

WorkQueue::WorkQueue(BackoffOptions backoff, const Clock& clock) : backoff_(backoff), clock_(clock) {}

void WorkQueue::add_locked(std::string_view key_view) {
  if (closed_) return;
  std::string key(key_view);
  if (const auto it = times_.find(key); it != times_.end()) {
    by_time_.erase({it->second, key});
    times_.erase(it);
  }
  if (processing_.contains(key)) {
    again_.insert(std::move(key));
    return;
  }
  if (waiting_.contains(key)) return;
  const auto place = next_place_++;
  order_.emplace(place, key);
  waiting_.emplace(std::move(key), place);
  ready_.notify_one();
}

void WorkQueue::add(std::string_view key) {
  const std::lock_guard lock(mutex_);
  add_locked(key);
}

void WorkQueue::add_after(std::string_view key_view, SteadyClock::duration delay) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (delay <= SteadyClock::duration::zero()) return add_locked(key_view);
  std::string key(key_view);
  if (waiting_.contains(key) || again_.contains(key)) return;  // sooner already
  const auto due = clock_.now() + delay;
  const auto known = times_.find(key);
  if (known != times_.end()) {
    if (known->second <= due) return;
    by_time_.erase({known->second, key});
    times_.erase(known);
  }
  times_.emplace(key, due);
  by_time_.emplace(due, std::move(key));
  ready_.notify_one();
}

void WorkQueue::add_failed(std::string_view key) {
  SteadyClock::duration delay;
  {
    const std::lock_guard lock(mutex_);
    delay = backoff_after(backoff_, ++failures_[std::string(key)]);
  }
  add_after(key, delay);
}

void WorkQueue::forget(std::string_view key) {
  const std::lock_guard lock(mutex_);
  failures_.erase(std::string(key));
}

int WorkQueue::failures(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto it = failures_.find(std::string(key));
  return it == failures_.end() ? 0 : it->second;
}

void WorkQueue::take_due() {
  const auto now = clock_.now();
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const std::string key = by_time_.begin()->second;
    add_locked(key);  // also takes it out of by_time_
  }
}

std::optional<std::string> WorkQueue::pop() {
  if (closed_ || order_.empty()) return std::nullopt;
  const auto first = order_.begin();
  std::string key = std::move(first->second);
  order_.erase(first);
  waiting_.erase(key);
  processing_.insert(key);
  return key;
}

std::optional<std::string> WorkQueue::try_next() {
  const std::lock_guard lock(mutex_);
  if (!closed_) take_due();
  return pop();
}

std::optional<std::string> WorkQueue::next(Deadline deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (closed_) return std::nullopt;
    take_due();
    if (auto key = pop()) return key;
    if (deadline.expired()) return std::nullopt;
    auto until = deadline.at();
    if (!by_time_.empty()) until = std::min(until, by_time_.begin()->first);
    if (until == SteadyClock::time_point::max()) {
      ready_.wait(lock);
    } else {
      ready_.wait_until(lock, until);
    }
  }
}

void WorkQueue::done(const std::string& key) {
  const std::lock_guard lock(mutex_);
  processing_.erase(key);
  if (again_.erase(key) > 0) add_locked(key);
}

std::size_t WorkQueue::size() const {
  const std::lock_guard lock(mutex_);
  return order_.size();
}

std::size_t WorkQueue::delayed() const {
  const std::lock_guard lock(mutex_);
  return by_time_.size();
}

std::size_t WorkQueue::processing() const {
  const std::lock_guard lock(mutex_);
  return processing_.size();
}

std::optional<SteadyClock::time_point> WorkQueue::next_due() const {
  const std::lock_guard lock(mutex_);
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

void WorkQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  ready_.notify_all();
}

bool WorkQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace sedna::control
