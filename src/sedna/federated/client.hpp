// A client of the aggregation server, upstream's or ours. Its connection lives on a thread of its own: training,
// however long, delays no heartbeat; a broken connection comes back under the same name and sends the update again that
// has not been answered. Used by the Python package and by C++ trainers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/federated/aggregation.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::federated {

struct ClientOptions {
  ClientOptions() {}
  std::string url = "ws://127.0.0.1:7363/FedAvg";
  std::string client_id;  ///< who this is, across connections and restarts (WORKER_NAME)
  std::string job_name;
  net::TlsClientOptions tls;  ///< for wss
  std::string bearer_token;
  SteadyClock::duration connect_timeout = std::chrono::seconds(300);  ///< at first, and after each break
  SteadyClock::duration heartbeat = std::chrono::seconds(60);         ///< a server silent for so long is gone
  std::size_t max_message = std::size_t{1} << 30;
  std::string personal;      ///< tensors that never leave: "FedBN", "FedPer,last=2"; empty: all are shared
  std::string state_folder;  ///< where they survive a restart; empty: nowhere

  /// AGG_PROTOCOL, AGG_IP, AGG_PORT, WORKER_NAME, JOB_NAME, CONNECT_TIMEOUT as upstream; SEDNA_AGG_TLS_CA, _CERT, _KEY
  /// and SEDNA_TOKEN_FILE beside them. Throws Error naming the variable.
  static ClientOptions from_context(const worker::Context& context, const std::string& aggregation);
};

/// A round's model, as the server sent it.
struct RoundModel {
  std::int64_t round = 0;
  std::int64_t total_samples = 0;
  bool last = false;  ///< exit_flag is "ok"
  bool none = false;  ///< the rule gave no weights
  Weights weights;    ///< FP64, without names
};

/// construct → connect() → (submit() → wait()) for each round → close(). One user thread at a time.
class AggregationClient {
 public:
  explicit AggregationClient(ClientOptions options);
  /// Closes. In a forked child: leaves the parent's connection alone.
  ~AggregationClient();
  AggregationClient(const AggregationClient&) = delete;
  AggregationClient& operator=(const AggregationClient&) = delete;

  /// Starts the thread; waits until the server has confirmed the subscription. Throws Error: kDeadlineExceeded,
  /// kUnauthenticated, kNotFound (no such aggregation there), …
  void connect();
  /// As RoundClient's.
  void adopt(const Weights& model);
  std::vector<std::size_t> personal() const;
  /// Hands an update over; sent as soon as there is a connection, again after each break until its round's model is
  /// here. Throws Error for dtypes that have no form in JSON.
  void submit(std::int64_t samples, const Weights& model);
  /// The next round's model; nothing at the timeout (call again: signal handlers may run in between). Throws Error once
  /// the server has ended the job (its reason) or could not be reached for connect_timeout.
  std::optional<RoundModel> wait(SteadyClock::duration timeout);
  /// Why the newest update was refused, once; empty otherwise. The round goes on without it.
  std::string take_refusal();
  /// Says goodbye. Idempotent, blocking (at most some seconds).
  void close();

  /// The newest round whose model has come.
  std::int64_t round() const;
  std::uint64_t reconnects() const;
  std::uint64_t bytes_sent() const;
  std::uint64_t bytes_received() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::federated
