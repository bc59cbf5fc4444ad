// Leader election by a Lease, as Kubernetes' own controllers do it: of several GMs one works, the others stand by. Used
// by sedna-gm.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "sedna/base/clock.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::control {

/// How long a request about a Lease may take with the options' defaults; for the client that is given to LeaderElector.
constexpr std::chrono::seconds kLeaseTimeout(4);

struct LeaderOptions {
  LeaderOptions() {}
  std::string ns = "default";
  std::string name;                                          ///< of the Lease
  std::string identity;                                      ///< of this process; two processes never share one
  SteadyClock::duration lease = std::chrono::seconds(15);    ///< others take over after this long without renewal
  SteadyClock::duration renew = std::chrono::seconds(10);    ///< we give up when we could not renew for this long
  SteadyClock::duration interval = std::chrono::seconds(2);  ///< between attempts
  const Clock* clock = &Clock::real();
};

/// A renewal may take as long as the server's client waits for an answer: `renew` and that together must be shorter
/// than `lease`, so that whoever cannot renew has given up before another takes over, also when the server hangs (see
/// kLeaseTimeout). Time is measured by the own clock only: another holder's lease is over when we have not seen it
/// renewed for its duration, whatever its clock says.
class LeaderElector {
 public:
  LeaderElector(store::ApiServer& server, LeaderOptions options);
  ~LeaderElector();
  LeaderElector(const LeaderElector&) = delete;
  LeaderElector& operator=(const LeaderElector&) = delete;

  /// Called from the elector's thread (or step()'s): once when leadership begins, once when it is lost.
  void on_started(std::function<void()> callback) { on_started_ = std::move(callback); }
  void on_lost(std::function<void()> callback) { on_lost_ = std::move(callback); }

  void start();
  /// Ends the thread and gives the Lease back, so that a standby takes over at once. Idempotent.
  void stop();
  /// One attempt to take or renew the Lease. For tests and for start()'s thread.
  void step();

  bool is_leader() const { return leading_.load(); }
  /// The holder as last seen; "" when nobody.
  std::string holder() const;

 private:
  bool try_hold();
  bool write(api::Object lease, bool create);
  /// For so long not renewed that another soon may lead.
  bool overdue() const;
  SteadyClock::duration pause() const;
  void release();

  store::ApiServer& server_;
  const LeaderOptions options_;
  std::function<void()> on_started_, on_lost_;
  std::atomic<bool> leading_{false};
  SteadyClock::time_point renewed_{};  ///< when our last write succeeded
  std::string seen_version_;           ///< of the Lease, and when it was first seen
  SteadyClock::time_point seen_at_{};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::string holder_;
  bool stopping_ = false;
  std::thread thread_;
};

/// metav1.MicroTime: "2026-01-31T13:05:59.000000Z".
std::string format_micro_time(SystemClock::time_point t);

}  // namespace sedna::control
