// Tells the local controller, each period in which something happened, how many samples were inferred, were hard and
// went to the cloud. Cumulative, so that a lost report costs nothing. Never on the inference path: JointInference only
// counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sedna/base/clock.hpp"
#include "sedna/base/fork.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::inference {

struct LcReporterOptions {
  LcReporterOptions() {}
  /// LC_SERVER, LC_PERIOD, WORKER_NAME, NAMESPACE, JOB_NAME, POD_UID. Throws Error naming the variable.
  static LcReporterOptions from_context(const worker::Context& context);
  std::string lc_server;  ///< http://host:port; empty: nothing is ever sent and no thread started
  SteadyClock::duration period = std::chrono::seconds(30);
  std::string worker_name, namespace_name, job_name;
  /// Set in Pods that our GM makes: reports then say which Pod and which process of it, and more than upstream's.
  std::string pod_uid;
  SteadyClock::duration timeout = std::chrono::seconds(3);  ///< of one report; bounds the destructor too
  const Clock* clock = &Clock::real();                      ///< for the times in the body
};

/// What a report says.
struct LcCounts {
  std::uint64_t inferences = 0;
  std::uint64_t hard = 0;
  std::uint64_t uploaded = 0;
  std::string statistics{};  ///< a JSON object: uploads, uploadBytes, fallbacks, latencyMilliseconds, errors
};

/// The body, byte for byte as upstream's workers write it; with a Pod's uid also podUid, run (`run`: what tells this
/// process from the one before it in the same Pod) and statistics.
std::string lc_report_body(const LcReporterOptions& options, const LcCounts& counts, SystemClock::time_point start,
                           SystemClock::time_point update, std::string_view run = {});

/// Thread-safe. The thread starts with the first touch() (again in a forked child) and ends with the object.
class LcReporter {
 public:
  using Source = std::function<LcCounts()>;
  explicit LcReporter(LcReporterOptions options);
  ~LcReporter();
  LcReporter(const LcReporter&) = delete;
  LcReporter& operator=(const LcReporter&) = delete;

  /// Where the counts come from; called on the reporter's thread. JointInference sets it, and clears it when it ends.
  void set_source(Source source);
  /// Something was inferred. A few nanoseconds once the thread runs.
  void touch() {
    if (started_for_.load(std::memory_order_relaxed) != fork_generation()) start();
  }
  /// Sends now what the next period would (at the end of a worker). False when the LC did not take it.
  bool flush(Deadline deadline);
  std::uint64_t sent() const;
  std::uint64_t failed() const;

 private:
  void start();
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::atomic<std::uint64_t> started_for_{0};  ///< fork generation whose thread runs; 0 none
};

}  // namespace sedna::inference
