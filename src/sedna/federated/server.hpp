// The aggregation server: upstream's WebSocket protocol (ws://host:port/<aggregation>) over the server core. Made by
// sedna-worker aggregate and by the Python package's AggregationServer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/federated/aggregation.hpp"
#include "sedna/federated/rounds.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::federated {

/// One published round, for progress lines and figures.
struct RoundReport {
  std::int64_t round = 0;
  bool last = false;
  bool by_deadline = false;
  std::vector<std::string> clients;  ///< who is in the model
  std::size_t connected = 0;
  double total_weight = 0;
  std::uint64_t bytes_received = 0;  ///< updates of this round, as JSON text
  std::uint64_t bytes_sent = 0;      ///< the model's text, times those it was sent to
  double seconds = 0;                ///< since the previous round was published (the first: since the server began)
};

struct AggregationServerOptions {
  AggregationServerOptions() {}
  serve::ServerOptions server;
  std::string aggregation = "FedAvg";  ///< the path
  RoundOptions rounds;
  std::size_t max_message = std::size_t{1} << 30;    ///< of one message; larger ones close the connection with 1009
  AggregationFactory factory;                        ///< the rule; empty: the weighted mean
  std::function<void(const RoundReport&)> on_round;  ///< called from a thread of the server's
};

/// construct → start() → wait() → stop(). Thread-safe. The destructor stops.
class AggregationServer {
 public:
  AggregationServer(AggregationServerOptions options, metrics::Registry& registry);
  ~AggregationServer();
  AggregationServer(const AggregationServer&) = delete;
  AggregationServer& operator=(const AggregationServer&) = delete;

  void start();
  std::uint16_t port() const;
  std::string origin() const;
  /// True when the job is over: every round published and the clients gone, or failed.
  bool wait_for(SteadyClock::duration timeout);
  /// Why the job failed; empty when it has not.
  std::string failure() const;
  std::int64_t rounds() const;
  std::vector<std::string> clients() const;
  /// Says goodbye to the clients, then ends everything. Idempotent, blocking.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::federated
