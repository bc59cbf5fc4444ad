// Tells the node's local controller how a federated job gets on: round, who has arrived, who is waited for, bytes, and
// what clients reported. Used by sedna-worker aggregate and by the Python package's AggregationServer, in Pods that our
// GM makes; never on the path of an update.
#pragma once

#include <memory>
#include <string>

#include "sedna/federated/server.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::federated {

struct JobReporterOptions {
  JobReporterOptions() {}
  /// LC_SERVER, WORKER_NAME, NAMESPACE, JOB_NAME, POD_UID. Outside of such a Pod (no POD_UID) nothing is ever sent.
  static JobReporterOptions from_context(const worker::Context& context);
  std::string lc_server;
  std::string worker_name, namespace_name, job_name, pod_uid;
  SteadyClock::duration period = std::chrono::seconds(1);   ///< between two looks; only what changed is sent
  SteadyClock::duration timeout = std::chrono::seconds(3);  ///< of one report; bounds the destructor too
};

/// Life: construct → watch(options) → the server is made of them and started → follow(server) → finish() before the
/// server goes. Thread-safe.
class JobReporter {
 public:
  explicit JobReporter(JobReporterOptions options);
  ~JobReporter();
  JobReporter(const JobReporter&) = delete;
  JobReporter& operator=(const JobReporter&) = delete;

  bool enabled() const;
  /// Puts itself before the options' on_round, which is still called.
  void watch(AggregationServerOptions& options);
  /// Starts the thread. The server outlives finish().
  void follow(const AggregationServer& server);
  /// The last report; then the thread has ended. Idempotent.
  void finish();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sedna::federated
