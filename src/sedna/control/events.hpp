// Kubernetes events about objects (core/v1 Event), as `kubectl describe` shows them. The same event again raises a
// count instead of making a new object, and one object cannot flood the server. Used by every controller and the node
// agent.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "sedna/base/clock.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::control {

struct EventOptions {
  EventOptions() {}
  std::string component;  ///< "jointinferenceservice-controller", "sedna-node"
  std::string host;       ///< the node, where it matters
  /// Per object: this many at once, then one each `refill`.
  int burst = 25;
  SteadyClock::duration refill = std::chrono::minutes(5);
  std::size_t remembered = 4096;  ///< events that a repetition is recognised of
  std::size_t max_queue = 1000;   ///< more are dropped, and counted
  const Clock* clock = &Clock::real();
};

/// What the event is about; also a reference of an object that is gone by now.
struct EventSubject {
  EventSubject() {}
  explicit EventSubject(const api::Object& object);
  std::string api_version, kind, ns, name, uid, resource_version;
  std::string field_path;  ///< "spec.containers{big-model}"
};

/// Thread-safe; recording never blocks on the server. Events are best effort: what must not be missed is a condition.
class EventRecorder {
 public:
  EventRecorder(store::ApiServer& server, EventOptions options);
  /// Writes what waits, for at most a second.
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  void normal(const EventSubject& subject, std::string_view reason, std::string_view message);
  void warning(const EventSubject& subject, std::string_view reason, std::string_view message);
  void normal(const api::Object& object, std::string_view reason, std::string_view message) {
    normal(EventSubject(object), reason, message);
  }
  void warning(const api::Object& object, std::string_view reason, std::string_view message) {
    warning(EventSubject(object), reason, message);
  }

  /// The writing thread; without it a test writes with flush().
  void start();
  /// Writes what waits, on the calling thread.
  void flush();
  std::uint64_t dropped() const;

 private:
  struct Waiting {
    EventSubject subject;
    std::string type, reason, message;
    SystemClock::time_point at;
  };
  struct Known {
    std::string name;
    std::string first_time;
    std::int64_t count = 0;
    std::uint64_t used = 0;
  };
  struct Bucket {
    double tokens = 0;
    SteadyClock::time_point at;
  };
  void record(const EventSubject& subject, std::string_view type, std::string_view reason, std::string_view message);
  bool allowed(const std::string& object);
  void write(const Waiting& event);
  bool repeat(Known& known, const Waiting& event);
  void create(const std::string& key, const Waiting& event);

  store::ApiServer& server_;
  const EventOptions options_;
  mutable std::mutex mutex_;  ///< queue, buckets
  std::condition_variable wake_;
  std::deque<Waiting> queue_;
  std::map<std::string, Bucket> buckets_;
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;
  std::mutex writing_;  ///< known_
  std::map<std::string, Known> known_;
  std::uint64_t uses_ = 0;
  std::thread thread_;
};

}  // namespace sedna::control
