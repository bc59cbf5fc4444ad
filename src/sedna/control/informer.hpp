// Keeps an ObjectCache equal to the API server's objects of one kind and tells handlers what changed: list once, watch
// from there, go on where a lost watch ended, list again only when the server has forgotten (410). One thread per
// informer, or none: a test calls step().
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/control/object_cache.hpp"
#include "sedna/control/work_queue.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::control {

struct InformerOptions {
  InformerOptions() {}
  std::string ns;  ///< "": all namespaces
  std::string label_selector;
  std::string field_selector;
  std::size_t page = 500;  ///< objects a list request asks for
  /// Applied to each object before it is kept: leave out what no handler reads. metadata.managedFields never is kept.
  std::function<void(api::Object& object)> trim;
  /// Between attempts when the server does not answer.
  BackoffOptions backoff;
  const Clock* clock = &Clock::real();
};

class Informer {
 public:
  /// Called on the informer's thread (or on that of whoever called remember()), without locks held. Must be quick and
  /// thread-safe: put a key into a queue.
  using Handler = std::function<void(const ObjectCache::Change& change)>;

  Informer(store::ApiServer& server, const api::Kind& kind, InformerOptions options = {});
  ~Informer();
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  const api::Kind& kind() const { return kind_; }
  const ObjectCache& cache() const { return cache_; }
  /// Before start() or the first step().
  void add_handler(Handler handler);
  void add_index(std::string name, IndexFunction function) { cache_.add_index(std::move(name), std::move(function)); }

  void start();
  /// Ends the thread. Idempotent.
  void stop();
  /// The first list has been taken in and its handlers were called.
  bool synced() const { return synced_.load(); }
  bool wait_synced(Deadline deadline) const;

  /// What we have just written, as the server answered: reconcilers then never read an older version than their own
  /// write. Late watch events of older versions are passed over. Trimmed as others are.
  void remember(api::Object object);
  /// We have just deleted it and the server said that it is gone. `answer` is what remove() gave back.
  void remember_gone(const api::Object& answer);

  /// One thing: a list, the start of a watch, or one event; waits for it until the deadline. True when something was
  /// taken in. For tests and for start()'s thread.
  bool step(Deadline deadline);

  /// The last failure, "" while all is well. For readiness and status.
  std::string problem() const;
  std::uint64_t lists() const { return lists_.load(); }

 private:
  bool list(Deadline deadline);
  bool start_watch(Deadline deadline);
  bool take(store::WatchEvent event);
  void failed(const store::Status& status, std::string_view doing, Deadline deadline);
  void wait(SteadyClock::duration time, Deadline deadline);
  void tell(const ObjectCache::Change& change) const;
  void trim(api::Object& object) const;
  void run();

  store::ApiServer& server_;
  const api::Kind& kind_;
  const InformerOptions options_;
  ObjectCache cache_;
  std::vector<Handler> handlers_;
  std::atomic<bool> synced_{false}, stopping_{false};
  std::atomic<std::uint64_t> lists_{0};

  std::string version_;  ///< watch from here; empty: list first. The informer's thread only, as is failures_.
  int failures_ = 0;
  std::shared_ptr<store::Watch> watch_;  ///< guarded by mutex_ against stop()
  std::string problem_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace sedna::control
