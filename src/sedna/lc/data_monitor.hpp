// Looks after the node's Datasets and Models: counts samples as index files grow, notices whether model files are
// there, and reports what changed. One thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "sedna/base/clock.hpp"
#include "sedna/lc/node_state.hpp"
#include "sedna/lc/paths.hpp"

namespace sedna::lc {

/// Passes a fact on to GM; durable when it returns. May throw Error: then it is tried again.
using Reporter = std::function<void(const link::StateKey& subject, std::string_view worker, const json::object& fact)>;

struct DataMonitorOptions {
  DataMonitorOptions() {}
  SteadyClock::duration local_period = std::chrono::seconds(5);
  SteadyClock::duration remote_period = std::chrono::seconds(60);
  std::uint64_t max_digest = std::uint64_t{8} << 30;  ///< larger model files get no digest
  const Clock* clock = &Clock::real();
};

class DataMonitor {
 public:
  DataMonitor(NodeState& state, journal::Journal& store, Paths paths, Reporter report, DataMonitorOptions options = {});
  ~DataMonitor();
  DataMonitor(const DataMonitor&) = delete;
  DataMonitor& operator=(const DataMonitor&) = delete;

  void start();
  void stop();
  /// Something about this object changed: look now. Thread-safe.
  void wake(const link::StateKey& subject);
  /// Everything that is known is reported once more. Thread-safe.
  void report_all();
  /// Looks at everything that is due. For tests and for the thread.
  void look();

 private:
  struct Watched {
    SteadyClock::time_point due{};
    std::string identity;  ///< uid, url and format: another one is looked at from the start
    std::string fact;      ///< as last reported
    std::string memory;    ///< of the count, or of the model's file
  };
  void look_at(const link::StateKey& subject, const json::object& object);
  json::object dataset_fact(const json::object& object, Watched& watched);
  json::object remote_fact(const std::string& url, const json::object& object, Watched& watched);
  json::object model_fact(const json::object& object, Watched& watched) const;
  void load(const link::StateKey& subject, const std::string& identity, Watched& watched);
  void save(const link::StateKey& subject, const Watched& watched);

  NodeState& state_;
  journal::Journal& store_;
  const Paths paths_;
  const Reporter report_;
  const DataMonitorOptions options_;
  std::map<link::StateKey, Watched> watched_;  ///< the looking thread's
  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<link::StateKey> woken_;
  bool again_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace sedna::lc
