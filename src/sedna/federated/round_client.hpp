// A client of the aggregation server over HTTP: long poll for what to do, models with ETag and Range, updates as
// safetensors that go on where a broken upload stopped. Its traffic lives on threads of its own: training, however
// long, delays nothing. Used by the Python package and by C++ trainers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/exchange.hpp"
#include "sedna/federated/round_plan.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::federated {

struct RoundClientOptions {
  RoundClientOptions() {}
  std::string origin = "http://127.0.0.1:7363";
  std::string aggregation = "FedAvg";
  std::string client_id;  ///< who this is, across connections and restarts (WORKER_NAME)
  net::HttpClientOptions http;
  SteadyClock::duration connect_timeout = std::chrono::seconds(300);  ///< at first, and after each break
  /// Where what coding has not sent yet, and the personal tensors, survive a restart; empty: nowhere.
  std::string state_folder;
  std::string personal;      ///< tensors that never leave: "FedBN", "FedPer,last=2"; empty: all are shared
  ExchangeOptions exchange;  ///< an object store that bulk goes through, where the server has it too; empty url: none
  bool site = false;         ///< an aggregator with clients of its own: it sends sums (submit_file)
  SteadyClock::duration poll = std::chrono::seconds(20);  ///< how long a question for news may wait

  /// AGG_PROTOCOL (http, https), AGG_IP, AGG_PORT, WORKER_NAME, CONNECT_TIMEOUT, SEDNA_AGG_TLS_CA, _CERT, _KEY,
  /// SEDNA_TOKEN_FILE, SEDNA_FL_CLIENT_STATE, SEDNA_FL_PERSONAL. Throws Error naming the variable.
  static RoundClientOptions from_context(const worker::Context& context, const std::string& aggregation);
};

/// What the server asks for next.
struct RoundTask {
  std::int64_t round = 0;      ///< to train for; when `finished`: the last one
  std::int64_t rounds = 0;     ///< planned
  bool finished = false;       ///< no more training: `model` is the job's result
  std::optional<Model> model;  ///< to begin with; nothing before there is one
  double samples = 0;          ///< that the model was made of
  std::string algorithm;
  std::map<std::string, double> parameters;
  bool needs_extra = false;
  bool needs_steps = false;
};

struct TrainedUpdate {
  double samples = 0;
  double steps = 0;
  Weights weights;
  Weights extra;
  std::map<std::string, double> metrics;
};

/// construct → connect() → next() → (submit() → next())* → close(). One user thread at a time.
class RoundClient {
 public:
  explicit RoundClient(RoundClientOptions options);
  /// Closes. In a forked child: leaves the parent's connections alone.
  ~RoundClient();
  RoundClient(const RoundClient&) = delete;
  RoundClient& operator=(const RoundClient&) = delete;

  /// Waits until the server has answered. Throws Error.
  void connect();
  /// The same; false when that takes longer than `timeout`: call again.
  bool connect(SteadyClock::duration timeout);
  /// With personal tensors: the whole model as this client has it, before all else. From then on models come and go
  /// whole; what is personal is cut out of what is sent and put back into what arrives. Throws Error.
  void adopt(const Weights& model);
  /// The indices of the tensors that stay; after adopt().
  std::vector<std::size_t> personal() const;
  /// Whether the job has no model yet and asks for one to begin with.
  bool wants_initial() const;
  /// Offers these weights as the initial model; the first client's become it.
  void offer_initial(const Weights& model);
  /// The next thing to do; nothing at the timeout, and when an update was refused (see take_refusal()). Throws Error
  /// once the job has failed (its reason) or the server could not be reached for connect_timeout.
  std::optional<RoundTask> next(SteadyClock::duration timeout);
  /// For the round of the last task. Kept until that round's model is out: a server that has lost it gets it again.
  void submit(const TrainedUpdate& update);
  /// The same for an update that is a file already: a site's sum. From any thread.
  void submit_file(std::int64_t round, std::vector<Bytes> parts);
  /// What the server said last; after connect().
  RoundPlan plan() const;
  /// Why the newest update was refused, once; empty otherwise.
  std::string take_refusal();
  /// Whether the newest update is committed, as far as is known.
  bool committed() const;
  /// Says goodbye. Idempotent, blocking (at most some seconds).
  void close();

  std::int64_t round() const;     ///< of the newest model that has come
  std::uint64_t resumed() const;  ///< uploads that went on where they had stopped
  std::uint64_t reconnects() const;
  /// Updates and models that went through the object store.
  std::uint64_t exchanged() const;
  std::uint64_t bytes_sent() const;
  std::uint64_t bytes_received() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::federated
