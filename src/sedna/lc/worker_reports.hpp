// What the node's workers report: upstream's message (POST /sedna/workers/<name>/info) read, the service it belongs to
// found, figures added up over restarts of a worker, and passed on to GM as a fact.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "sedna/base/metrics.hpp"
#include "sedna/base/result.hpp"
#include "sedna/lc/data_monitor.hpp"
#include "sedna/lc/node_state.hpp"

namespace sedna::lc {

/// A worker's message. `name`, `namespace`, `ownerName`, `ownerKind`, `ownerInfo`, `kind`, `status`, `results` are
/// upstream's; `podUid`, `run` and `statistics` ours.
struct WorkerReport {
  std::string name, ns, owner_name, owner_kind, kind, status;
  std::string pod_uid;  ///< of the worker's Pod: replicas share a name
  std::string run;      ///< of the worker's process: figures begin anew with it
  json::object owner_info;
  json::object statistics;  ///< uploads, uploadBytes, fallbacks, latencyMilliseconds, errors; federated
  json::array results;      ///< of jobs: [{format, url, metrics}]
};

/// Errors name the field. Member names compare without case, as Go's decoder does.
Result<WorkerReport> parse_worker_report(std::string_view body);

/// Thread-safe; take() writes to the disk.
class WorkerReports {
 public:
  WorkerReports(NodeState& state, journal::Journal& store, Reporter report, metrics::Registry& registry,
                const Clock& clock = Clock::real());

  /// Durable when it returns. Returns what became of it, for the log: "" when it was passed on. Throws Error when the
  /// disk takes nothing more.
  std::string take(const WorkerReport& report);
  /// What workers of JointInferenceServices reported last, since this process began: [{service: "namespace/name",
  /// worker: the Pod's uid or else a name, time, figures: as in the service's status}].
  json::array latest() const;

 private:
  std::string owner_key(const WorkerReport& report, std::string_view kind) const;
  std::string take_service(const WorkerReport& report);
  std::string take_job(const WorkerReport& report);
  void remember(const std::string& service, const std::string& worker, const json::object& fact);

  NodeState& state_;
  journal::Journal& store_;
  const Reporter report_;
  const Clock& clock_;
  metrics::Counter& taken_;
  metrics::Counter& dropped_;
  metrics::Registry& registry_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, json::object> latest_;  ///< by service and worker
};

/// Figures of a worker over all its runs: those of this run (`now`) plus those of the runs before it (`base`).
json::object add_base(const json::object& now, const json::object& base);

}  // namespace sedna::lc
