// The GlobalManager: all its controllers, the link to the local controllers, and who of several GMs works. What
// cmd/sedna-gm runs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sedna/base/metrics.hpp"
#include "sedna/gm/worker_builder.hpp"
#include "sedna/link/server.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::gm {

struct ManagerOptions {
  ManagerOptions() {}
  std::string ns;  ///< whose objects it looks after; "" all
  WorkerOptions workers;
  link::LinkServerOptions link;
  int worker_threads = 32;  ///< of the JointInferenceService controller: most of the time they wait for the server
  int job_threads = 8;      ///< of the FederatedLearningJob controller
  bool elect = true;        ///< several GMs may run, one works
  std::string lease_namespace = "default";
  std::string lease_name = "sedna-gm";
  std::string identity;  ///< of this process in the Lease
  /// Asked about the Lease, when not the server itself: a client that waits no longer than control::kLeaseTimeout.
  store::ApiServer* lease_server = nullptr;
  /// Where this process is a Pod itself: the leading one labels itself, so that a Service can select it.
  std::string pod_namespace, pod_name;
  /// Leadership was lost: the process should end, because what it holds in memory is another's business now.
  std::function<void()> on_lost;
};

/// Life: construct → start() → wait_ready()… → stop(). Thread-safe.
class Manager {
 public:
  Manager(store::ApiServer& server, ManagerOptions options, metrics::Registry& registry);
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  void start();
  void stop();

  /// It works, or stands by for another that does.
  bool ready() const;
  bool wait_ready(Deadline deadline);
  bool leading() const;
  /// Why it cannot work whatever it waits for ("" otherwise): the process should end, and another try.
  std::string failure() const;
  /// What is wrong, "" while all is well; one line, for /readyz and status.
  std::string problem() const;
  /// Of the link, once it is leading.
  std::uint16_t link_port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::gm
