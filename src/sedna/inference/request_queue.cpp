#include "sedna/inference/request_queue.hpp"

#include <algorithm>
#include <utility>

namespace sedna::inference {

namespace {

Answer failed(ErrorCode code, std::string message) {
  Answer answer;
  answer.error.emplace(code, std::move(message));
  return answer;
}

}  // namespace

bool Work::answer(Answer answer) {
  int state = state_.load(std::memory_order_acquire);
  do {
    if (state >= kAnswering) return false;
  } while (!state_.compare_exchange_weak(state, kAnswering, std::memory_order_acq_rel));
  answer_ = std::move(answer);
  ended = SteadyClock::now();
  state_.store(kAnswered, std::memory_order_release);
  if (on_answer) on_answer();
  return true;
}

DeadlineWatch::DeadlineWatch(std::function<SteadyClock::time_point(SteadyClock::time_point)> expire)
    : expire_(std::move(expire)) {}

DeadlineWatch::~DeadlineWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DeadlineWatch::announce(SteadyClock::time_point at) {
  const std::lock_guard lock(mutex_);
  if (at >= next_) return;  // it wakes before that anyway, and looks again
  next_ = at;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void DeadlineWatch::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = SteadyClock::now();
    if (next_ > now) {
      if (next_ == SteadyClock::time_point::max())
        changed_.wait(lock);
      else
        changed_.wait_until(lock, next_);
      continue;
    }
    next_ = SteadyClock::time_point::max();  // announcements from here on count
    lock.unlock();
    const auto following = expire_(now);
    lock.lock();
    next_ = std::min(next_, following);
  }
}

RequestQueue::RequestQueue(std::size_t capacity, int runners)
    : capacity_(std::max<std::size_t>(capacity, 1)),
      runners_(std::max(runners, 1)),
      watch_([this](SteadyClock::time_point now) { return expire(now); }) {}

RequestQueue::~RequestQueue() {
  abandon();
}

Result<void> RequestQueue::push(WorkPtr work) {
  const auto now = SteadyClock::now();
  bool wake = false;
  const auto deadline = work->deadline.at();
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Error(ErrorCode::kUnavailable, "the model is being unloaded or the server is stopping");
    if (waiting_.size() >= capacity_) {
      return Error(ErrorCode::kUnavailable,
                   "the model's queue is full (" + std::to_string(capacity_) + " requests wait)");
    }
    if (now >= deadline) return Error(ErrorCode::kUnavailable, "the deadline had passed when the request arrived");
    // With nothing under way a request is always let in: a slow first run must not close the door for good.
    if (!work->deadline.is_never() && !live_.empty()) {
      // Those in front are shared by the runners; then this one's own run.
      const auto run = median_run();
      const auto rounds = static_cast<SteadyClock::rep>(waiting_.size() / static_cast<std::size_t>(runners_) + 1);
      if (now + run * rounds > deadline) {
        return Error(ErrorCode::kUnavailable, "the deadline cannot be met: the queue and one run take longer");
      }
    }
    work->queued = now;
    work->slot_ = live_.size();
    live_.push_back(work);
    waiting_.push_back(std::move(work));
    wake = idle_ > 0;
  }
  if (wake) ready_.notify_one();
  if (deadline != SteadyClock::time_point::max()) watch_.announce(deadline);
  return {};
}

/// The front, marked as running; null when its deadline has answered it meanwhile.
WorkPtr RequestQueue::take_front_locked() {
  WorkPtr work = std::move(waiting_.front());
  waiting_.pop_front();
  int expected = Work::kQueued;
  if (!work->state_.compare_exchange_strong(expected, Work::kRunning)) {
    forget_locked(*work);
    return nullptr;
  }
  work->started = SteadyClock::now();
  return work;
}

WorkPtr RequestQueue::pop(SteadyClock::time_point until) {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!waiting_.empty()) {
      if (WorkPtr work = take_front_locked()) return work;
    }
    if (closed_) return nullptr;
    ++idle_;
    std::cv_status status = std::cv_status::no_timeout;
    if (until == SteadyClock::time_point::max())
      ready_.wait(lock);
    else
      status = ready_.wait_until(lock, until);
    --idle_;
    if (status == std::cv_status::timeout && waiting_.empty()) return nullptr;
  }
}

std::vector<WorkPtr> RequestQueue::pop_batch(const std::function<bool(const Work&, const Work&)>& joins) {
  std::vector<WorkPtr> batch;
  WorkPtr first = pop(SteadyClock::time_point::max());
  if (first == nullptr) return batch;
  batch.push_back(std::move(first));
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty() && joins(*batch.front(), *waiting_.front())) {
    if (WorkPtr next = take_front_locked()) batch.push_back(std::move(next));
  }
  return batch;
}

void RequestQueue::forget_locked(Work& work) {
  if (work.slot_ >= live_.size() || live_[work.slot_].get() != &work) return;  // forgotten already
  live_.back()->slot_ = work.slot_;
  std::swap(live_[work.slot_], live_.back());
  live_.pop_back();
}

void RequestQueue::done(const WorkPtr& work) {
  const auto now = SteadyClock::now();
  const std::lock_guard lock(mutex_);
  forget_locked(*work);
  recent_[runs_++ % recent_.size()] = now - work->started;
  if (runs_ % 16 == 0 || runs_ < 4) {
    auto sorted = recent_;
    const auto n = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(runs_, recent_.size()));
    std::nth_element(sorted.begin(), sorted.begin() + n / 2, sorted.begin() + n);
    median_.store(sorted[static_cast<std::size_t>(n / 2)].count(), std::memory_order_relaxed);
  }
}

SteadyClock::time_point RequestQueue::expire(SteadyClock::time_point now) {
  std::vector<WorkPtr> over;
  auto next = SteadyClock::time_point::max();
  {
    const std::lock_guard lock(mutex_);
    for (const WorkPtr& work : live_) {
      if (work->answered()) continue;
      if (work->deadline.at() <= now)
        over.push_back(work);
      else
        next = std::min(next, work->deadline.at());
    }
    std::erase_if(waiting_, [&](const WorkPtr& work) {
      if (work->deadline.at() > now) return false;
      forget_locked(*work);
      return true;
    });
  }
  for (const WorkPtr& work : over) {
    const bool running = work->state_.load() == Work::kRunning;
    work->answer(running ? failed(ErrorCode::kDeadlineExceeded, "the deadline passed while the model ran")
                         : failed(ErrorCode::kUnavailable, "timed out in the model's queue"));
  }
  return next;
}

void RequestQueue::close() {
  std::deque<WorkPtr> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    left.swap(waiting_);
    for (const WorkPtr& work : left) forget_locked(*work);
  }
  ready_.notify_all();
  for (const WorkPtr& work : left) {
    work->answer(failed(ErrorCode::kUnavailable, "the model is being unloaded or the server is stopping"));
  }
}

void RequestQueue::abandon() {
  close();
  std::vector<WorkPtr> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(live_);
  }
  for (const WorkPtr& work : left) work->answer(failed(ErrorCode::kUnavailable, "the server is stopping"));
}

bool RequestQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

std::size_t RequestQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

SteadyClock::duration RequestQueue::median_run() const {
  return SteadyClock::duration(median_.load(std::memory_order_relaxed));
}

int RequestQueue::retry_after() const {
  std::size_t rounds = 0;
  {
    const std::lock_guard lock(mutex_);
    rounds = waiting_.size() / static_cast<std::size_t>(runners_) + 1;
  }
  const auto wait = std::chrono::duration<double>(median_run() * static_cast<SteadyClock::rep>(rounds)).count();
  return static_cast<int>(std::clamp(wait + 0.999, 1.0, 300.0));
}

void RequestQueue::set_runners(int runners) {
  const std::lock_guard lock(mutex_);
  runners_ = std::max(runners, 1);
}

}  // namespace sedna::inference
