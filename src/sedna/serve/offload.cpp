#include "sedna/serve/offload.hpp"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace sedna::serve {

struct Offload::Impl {
  explicit Impl(OffloadOptions o) : options(std::move(o)) {
    if (options.registry == nullptr) return;
    const metrics::Labels labels{{"pool", options.name}};
    waiting = &options.registry->gauge("sedna_offload_waiting", "Jobs waiting for a worker thread.", labels);
    refused = &options.registry->counter("sedna_offload_refused_total", "Jobs refused: the queue is full.", labels);
    expired =
        &options.registry->counter("sedna_offload_expired_total", "Jobs dropped: late before they began.", labels);
  }

  void work() {
    pthread_setname_np(pthread_self(), options.name.substr(0, 15).c_str());
    for (;;) {
      std::unique_ptr<Job> job;
      {
        std::unique_lock lock(mutex);
        ++idle;
        wake.wait(lock, [&] { return stopping || !queue.empty(); });
        --idle;
        if (queue.empty()) return;
        job = std::move(queue.front());
        queue.pop_front();
        if (waiting != nullptr) waiting->set(static_cast<double>(queue.size()));
      }
      std::exception_ptr dropped;
      if (job->deadline.expired()) {
        if (expired != nullptr) expired->add();
        dropped =
            std::make_exception_ptr(Error(ErrorCode::kDeadlineExceeded, "the request waited too long for a worker"));
      }
      job->finish(std::move(dropped));
    }
  }

  OffloadOptions options;
  metrics::Gauge* waiting = nullptr;
  metrics::Counter* refused = nullptr;
  metrics::Counter* expired = nullptr;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<Job>> queue;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  bool stopping = false;
};

Offload::Offload(OffloadOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Offload::~Offload() {
  std::deque<std::unique_ptr<Job>> left;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    left.swap(impl_->queue);
  }
  impl_->wake.notify_all();
  for (auto& job : left) job->finish(std::make_exception_ptr(Error(ErrorCode::kUnavailable, "the server is stopping")));
  for (std::thread& thread : impl_->threads) thread.join();
}

void Offload::submit(std::unique_ptr<Job> job) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->stopping || impl_->queue.size() >= impl_->options.max_queue) {
    lock.unlock();
    if (impl_->refused != nullptr) impl_->refused->add();
    job->finish(std::make_exception_ptr(Error(ErrorCode::kUnavailable, "too much work is waiting")));
    return;
  }
  impl_->queue.push_back(std::move(job));
  if (impl_->waiting != nullptr) impl_->waiting->set(static_cast<double>(impl_->queue.size()));
  const std::size_t wanted = std::max<std::size_t>(1, impl_->options.threads);
  if (impl_->idle < impl_->queue.size() && impl_->threads.size() < wanted) {
    // Signals belong to the program's own threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  lock.unlock();
  impl_->wake.notify_one();
}

}  // namespace sedna::serve
