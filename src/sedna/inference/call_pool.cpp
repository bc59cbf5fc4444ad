#include "sedna/inference/call_pool.hpp"

#include <exception>
#include <system_error>
#include <utility>

#include "sedna/base/log.hpp"

namespace sedna::inference {

CallPool::CallPool(std::size_t max_threads, std::size_t max_queued)
    : max_threads_(max_threads), max_queued_(max_queued), state_(std::make_shared<State>()) {}

CallPool::~CallPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.get_id() == std::this_thread::get_id()) {
      // Nothing may run once this destructor has returned, and this may be the only thread.
      std::unique_lock lock(state_->mutex);
      while (!state_->jobs.empty()) run_front(*state_, lock);
      thread.detach();
    } else {
      thread.join();
    }
  }
}

bool CallPool::submit(Job& job) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (state.jobs.size() >= state.idle && threads_.size() < max_threads_) {
    try {
      threads_.emplace_back([shared = state_] { run(shared); });
      ++state.idle;
    } catch (const std::system_error& failure) {
      if (threads_.empty()) {
        log::warning("No thread could be started for cloud calls", {{"error", failure.what()}});
        return false;
      }
    }
  }
  if (state.jobs.size() >= state.idle + max_queued_) return false;
  state.jobs.push_back(std::move(job));
  state.wake.notify_one();
  return true;
}

void CallPool::run_front(State& state, std::unique_lock<std::mutex>& lock) {
  Job job = std::move(state.jobs.front());
  state.jobs.pop_front();
  lock.unlock();
  try {
    job();
  } catch (const std::exception& failure) {  // a callback of the user's threw: its sample is lost, not the others
    log::error("A cloud call's callback threw", {{"error", failure.what()}});
  }
  job = nullptr;  // may destroy the pool
  lock.lock();
}

void CallPool::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    state->wake.wait(lock, [&] { return state->stop || !state->jobs.empty(); });
    --state->idle;
    if (state->jobs.empty()) return;
    run_front(*state, lock);
    ++state->idle;
  }
}

}  // namespace sedna::inference
