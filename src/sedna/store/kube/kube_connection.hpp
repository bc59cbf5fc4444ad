// What every call of a KubeClient goes through: one server, one identity, waiting where the server asks for it, and
// failures as Statuses. Shared by the client and its watches.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "sedna/net/http_client.hpp"
#include "sedna/store/kube/kube_client.hpp"
#include "sedna/store/kube/token_source.hpp"

namespace sedna::store {

class KubeConnection {
 public:
  KubeConnection(KubeConfig config, KubeClientOptions options);

  const KubeConfig& config() const { return config_; }
  const KubeClientOptions& options() const { return options_; }
  Deadline call_deadline() const { return Deadline::after(options_.timeout); }

  /// One exchange with what is needed to get an answer: the token, one repetition with a renewed token, waits for 429.
  /// Answers below 400.
  Outcome<net::HttpResponse> exchange(net::HttpRequest request, Deadline deadline);
  /// The same for an answer that is read piece by piece. Registered until released.
  Outcome<std::unique_ptr<net::HttpStream>> open(net::HttpRequest request, Deadline deadline);

  /// Streams that shutdown() interrupts. False when it has been called already.
  bool add(net::HttpStream* stream);
  void remove(net::HttpStream* stream);
  void shutdown();

  /// The server once refused a watch with initial events: list and watch instead for a while.
  bool watch_list_refused() const;
  void refuse_watch_list();

 private:
  struct Attempt {
    int status = 0;  ///< 0: no answer
    std::optional<Status> failure;
    std::string retry_after;
  };
  /// Runs `attempt` until it succeeds, fails for good, or the deadline leaves no time to wait. The last failure.
  std::optional<Status> persist(net::HttpRequest& request, Deadline deadline, const std::function<Attempt()>& attempt);
  bool wait(SteadyClock::duration time);
  Status unreachable(const net::TransportFailure& failure) const;
  Status shutting_down() const;

  const KubeConfig config_;
  const KubeClientOptions options_;
  std::string prefix_;  ///< path of the server's URL, without the last slash
  TokenSource token_;
  std::unique_ptr<net::HttpClient> http_;
  mutable std::mutex mutex_;
  std::condition_variable closing_changed_;
  bool closing_ = false;
  std::set<net::HttpStream*> streams_;
  std::optional<SteadyClock::time_point> watch_list_refused_;
};

/// The Status that a body of an answer of 400 or above holds, or one made from its text.
Status status_of_answer(int http_status, std::string_view body);

}  // namespace sedna::store
