// The edge's view of the cloud model: one logical model at host:port, asked under one absolute deadline, with the
// retry, back-off and circuit-breaker rules of docs/compatibility/client.md. Used by JointInference, the Python package
// and the benchmarks. Speaks the Open Inference Protocol (binary tensors) to our servers and upstream's JSON to all
// others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sedna/algo/hard_example.hpp"
#include "sedna/base/clock.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/tensor/tensor.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::inference {

/// kAuto: GET /v2 is asked once per connection epoch (and again after the peer was lost).
enum class CloudWire : std::uint8_t { kAuto, kOip, kJson };

struct CloudClientOptions {
  CloudClientOptions() {}
  /// BIG_MODEL_IP, BIG_MODEL_PORT, JOB_NAME, SEDNA_CLOUD_{MODEL,WIRE,DEADLINE_MS,TLS,TLS_CA,TLS_CERT,TLS_KEY} and
  /// SEDNA_TOKEN_FILE. Throws Error naming the variable.
  static CloudClientOptions from_context(const worker::Context& context);

  std::string host = "127.0.0.1";
  std::uint16_t port = 5000;
  bool tls = false;
  net::HttpClientOptions http;    ///< authorities, certificate, bearer token, pool size
  std::string service = "sedna";  ///< the JSON wire's route: POST /<service>/predict
  std::string model;  ///< the cloud's model name; empty: the only one there, or the one named as the service
  CloudWire wire = CloudWire::kAuto;
  SteadyClock::duration deadline = std::chrono::seconds(1);  ///< for calls that bring none
  int max_attempts = 2;
  int max_in_flight = 16;       ///< threads of the asynchronous call; started one by one as needed
  std::size_t max_queued = 64;  ///< asynchronous calls that wait for a thread; more are answered kQueue at once
  int breaker_failures = 5;     ///< consecutive failures that open the breaker
  SteadyClock::duration breaker_open = std::chrono::seconds(5);  ///< first open time; doubles
  SteadyClock::duration breaker_open_max = std::chrono::seconds(300);
  const Clock* clock = &Clock::real();  ///< for breaker and throttle only
};

/// One sample for the cloud. The tensors must stay alive for a synchronous call; an asynchronous one keeps the copies
/// (their bytes are shared, not copied).
struct CloudCall {
  std::vector<tensor::Tensor> inputs;
  /// The JSON wire's body exactly as it is to be sent, when the caller made it (Python). Empty: made from inputs.
  std::string json_body;
  /// The JSON wire's members before "data" when the body is made from inputs, as text without braces; empty:
  /// "post_process": null. The Open Inference Protocol carries the inputs only.
  std::string json_members;
  std::string traceparent;
};

enum class CloudStatus : std::uint8_t {
  kAnswered,   ///< outputs (or json) hold the answer
  kDeadline,   ///< nothing in time
  kTransport,  ///< refused, reset, cut, 5xx
  kGarbage,    ///< an answer that is none
  kRefused,    ///< the cloud said no (4xx): not retried, no failure of the breaker
  kBreaker,    ///< not asked: the breaker is open
  kQueue,      ///< not asked: too many calls wait here, or the cloud's queue is full (503)
};
std::string_view cloud_status_name(CloudStatus status);
/// The metric label and result reason of a status; kAnswered is kHard (that is why the sample went).
algo::Reason reason_of(CloudStatus status);

struct CloudAnswer {
  CloudStatus status = CloudStatus::kTransport;
  std::vector<tensor::Tensor>
      outputs;          ///< OIP wire; on the JSON wire one FP64/INT64 tensor when the result is rectangular
  Bytes json;           ///< JSON wire: the body as received, {"result": …}
  std::string message;  ///< for a person, when not answered
  int http_status = 0;  ///< 0: no response
  int attempts = 0;
  bool uploaded = false;       ///< the cloud has received the sample (it answered, with whatever status)
  std::uint64_t bytes_up = 0;  ///< bodies sent, retries included
  std::uint64_t bytes_down = 0;
  SteadyClock::duration latency{};
  bool ok() const { return status == CloudStatus::kAnswered; }
};

enum class BreakerState : std::uint8_t { kClosed, kOpen, kHalfOpen };

/// Thread-safe. No thread is started before the first asynchronous call. In a forked child everything starts afresh.
class CloudClient {
 public:
  explicit CloudClient(CloudClientOptions options, metrics::Registry& registry);
  ~CloudClient();  ///< waits for asynchronous calls, whose deadlines bound it
  CloudClient(const CloudClient&) = delete;
  CloudClient& operator=(const CloudClient&) = delete;

  /// Asks and waits, on the calling thread, never past the deadline (the options' when `deadline` is never). Never
  /// throws for outside causes.
  CloudAnswer ask(const CloudCall& call, Deadline deadline = {});

  using Callback = std::function<void(CloudAnswer)>;
  /// Asks on another thread; `done` runs there, exactly once (here and now when the breaker is open or the queue full).
  void ask_async(CloudCall call, Deadline deadline, Callback done);

  /// The moment's state. kOpen: ask() would answer kBreaker at once.
  BreakerState breaker_state() const;
  /// Cheap test for the hot path: false while the breaker is open and its time is not over.
  bool available() const;
  /// Whether, as measured, an answer to a payload of `bytes` comes within `left`. True before the first answer.
  bool fits(std::uint64_t bytes, SteadyClock::duration left) const;
  const CloudClientOptions& options() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sedna::inference
