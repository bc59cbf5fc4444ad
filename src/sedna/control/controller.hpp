// A level-triggered controller: whatever happened, reconcile(key) looks at what should be and what is, and does the
// next step. It remembers nothing between calls. Controller runs one with a fixed number of workers over a WorkQueue.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/control/informer.hpp"
#include "sedna/control/work_queue.hpp"

namespace sedna::control {

/// What a reconciler wants next for its key.
struct ReconcileResult {
  ReconcileResult() {}
  /// Look again after this time although nothing has changed.
  std::optional<SteadyClock::duration> requeue_after;
  /// It did not work this time: look again after the key's back-off. The reason is logged (and should already be where
  /// the user looks).
  std::optional<std::string> retry;

  static ReconcileResult done() { return {}; }
  static ReconcileResult after(SteadyClock::duration delay) {
    ReconcileResult r;
    r.requeue_after = delay;
    return r;
  }
  static ReconcileResult failed(std::string why) {
    ReconcileResult r;
    r.retry = std::move(why);
    return r;
  }
};

class Reconciler {
 public:
  virtual ~Reconciler() = default;
  /// Never called for the same key twice at a time; for different keys from several threads. Throwing (Error or any
  /// std::exception) is like ReconcileResult::failed with its message.
  virtual ReconcileResult reconcile(const std::string& key) = 0;
};

struct ControllerOptions {
  ControllerOptions() {}
  std::string name;  ///< of the threads, in logs and metrics ("jointinferenceservice")
  int workers = 1;
  BackoffOptions backoff;
  const Clock* clock = &Clock::real();
  metrics::Registry* registry = nullptr;
};

/// Life: construct → watch(…) → start() → stop(), or step() from a test. The reconciler and the informers outlive it.
class Controller {
 public:
  Controller(Reconciler& reconciler, ControllerOptions options);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  WorkQueue& queue() { return queue_; }
  const std::string& name() const { return options_.name; }

  /// Changes of the informer's objects queue their own key. Before the informer starts.
  void watch(Informer& informer);
  /// Changes queue what `map` says of the object (before and after the change are both asked).
  void watch(Informer& informer, std::function<std::vector<std::string>(const api::Object& object)> map);
  /// Changes queue the key of the object's controller when that is of `owner`'s kind.
  void watch_owned(Informer& informer, const api::Kind& owner);

  /// Starts the workers once the informers given to watch() have synced.
  void start();
  /// Lets the workers finish what they hold. Idempotent.
  void stop();

  /// Reconciles one key that is due, on the calling thread. False when none is.
  bool step();
  /// step() until nothing is due; returns how many keys. Throws Error(kInternal) when it never ends (test's safety).
  std::size_t drain(std::size_t at_most = 100'000);

  std::uint64_t reconciled() const { return reconciled_.load(); }
  std::uint64_t failed() const { return failed_.load(); }

 private:
  void work();
  void reconcile_one(const std::string& key);

  Reconciler& reconciler_;
  const ControllerOptions options_;
  WorkQueue queue_;
  std::vector<Informer*> informers_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> reconciled_{0}, failed_{0};
  metrics::Counter* count_ = nullptr;
  metrics::Counter* failures_ = nullptr;
  metrics::Gauge* depth_ = nullptr;
  metrics::Histogram* duration_ = nullptr;
};

}  // namespace sedna::control
