// Startup, readiness and liveness probes: exec, httpGet, tcpSocket. The prober runs them on a few threads of its own;
// what their results mean is told to the Pod runner.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/base/clock.hpp"

namespace sedna::node {

struct ProbeSpec {
  ProbeSpec() {}
  enum class Kind : std::uint8_t { kExec, kHttp, kTcp, kUnknown } kind = Kind::kUnknown;
  std::vector<std::string> command;
  std::string scheme = "http", host, path = "/";
  std::vector<std::pair<std::string, std::string>> headers;
  std::uint16_t port = 0;
  std::chrono::seconds initial_delay{0}, period{10}, timeout{1};
  int success_threshold = 1, failure_threshold = 3;
};

/// A container's probe ("livenessProbe", …) or lifecycle handler; nothing when it has none. Named ports are looked up
/// in the container.
std::optional<ProbeSpec> read_probe(const json::object& container, std::string_view name);
/// The handler part alone (exec, httpGet, tcpSocket).
ProbeSpec read_handler(const json::object& container, const json::object& handler);

struct ProbeResult {
  bool ok = false;
  std::string message;  ///< "HTTP probe failed with statuscode: 503"
};

/// Once, blocking. `ip`: the Pod's address. `exec`: runs a command in the container.
struct ProbeTarget {
  ProbeTarget() {}
  std::string ip;
  std::function<ProbeResult(const std::vector<std::string>& command, Deadline deadline)> exec;
};
ProbeResult run_probe(const ProbeSpec& spec, const ProbeTarget& target);

/// Runs probes each in its period, and single tasks, on `threads` threads. Thread-safe. A callback runs on such a
/// thread; remove() waits for none.
class Prober {
 public:
  using Callback = std::function<void(const ProbeResult& result)>;
  explicit Prober(int threads = 2);
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  /// First after the initial delay, then each period, until remove(key). A second add() of a key changes nothing.
  void add(const std::string& key, const ProbeSpec& spec, ProbeTarget target, Callback callback);
  void remove(const std::string& key);
  /// Of all keys that begin so.
  void remove_all(const std::string& prefix);
  bool has(const std::string& key) const;
  /// Soon, once.
  void run(std::function<void()> task);

 private:
  struct Entry {
    ProbeSpec spec;
    ProbeTarget target;
    Callback callback;
    SteadyClock::time_point next;
    bool busy = false;
    std::uint64_t generation = 0;
  };
  void work();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
  std::vector<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

/// Counts results against the thresholds. A probe's answer changes after so many equal results in a row.
class ProbeCounter {
 public:
  ProbeCounter(int success, int failure, bool begins_ok) : success_(success), failure_(failure), ok_(begins_ok) {}
  /// True when the answer has changed (or a failure threshold has been reached again).
  bool take(bool ok) {
    if (ok == last_) {
      ++row_;
    } else {
      last_ = ok;
      row_ = 1;
    }
    if (ok && row_ >= success_ && !ok_) return ok_ = true;
    if (!ok && row_ == failure_) {
      ok_ = false;
      return true;
    }
    return false;
  }
  bool ok() const { return ok_; }

 private:
  int success_, failure_, row_ = 0;
  bool ok_, last_ = false;
};

}  // namespace sedna::node
