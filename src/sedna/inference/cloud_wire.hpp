// One exchange with the cloud, without policy: which wire the peer speaks, how a call becomes a request, what an answer
// (or its absence) means. CloudClient puts deadline, retries and breaker around it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sedna/inference/cloud_client.hpp"
#include "sedna/net/http_client.hpp"

namespace sedna::inference {

/// What is known of the peer for one connection epoch.
struct CloudPeer {
  bool oip = false;
  std::string model;                   ///< OIP: the model to ask
  std::vector<tensor::Tensor> inputs;  ///< OIP: names and dtypes of its inputs; empty: takes anything
};

/// The outcome of one exchange.
struct CloudReply {
  CloudStatus status = CloudStatus::kTransport;
  bool may_retry = false;    ///< nothing was executed
  bool alive = false;        ///< the peer answered as a working one does (also by saying no)
  bool asked = false;        ///< the peer (or the way to it) is to blame for the outcome; false: the sample or we are
  bool forget_peer = false;  ///< what is known of the peer may be wrong
  std::optional<SteadyClock::duration> retry_after;
  int http_status = 0;
  std::string message;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  bool uploaded = false;
  std::vector<tensor::Tensor> outputs;
  Bytes json;
};

/// The peer, or why it is not known.
struct CloudDiscovery {
  std::shared_ptr<const CloudPeer> peer;
  CloudReply failure;  ///< when peer is null
};

/// Asks the peer what it is: GET /v2, then which models, then the model's inputs.
CloudDiscovery discover_peer(net::HttpClient& http, const CloudClientOptions& options, Deadline deadline);

/// Sends one call and reads the answer.
CloudReply exchange_call(net::HttpClient& http, const CloudClientOptions& options, const CloudPeer& peer,
                         const CloudCall& call, Deadline deadline);

/// Whether a peer that was down serves again: GET /v2/health/ready, or GET /<service> of an upstream peer.
CloudReply probe_ready(net::HttpClient& http, const CloudClientOptions& options, const CloudPeer* peer,
                       Deadline deadline);

/// The JSON wire's body as upstream's edge writes it: {"post_process": null, "data": [[…]]}.
Result<std::string> predict_body(const CloudCall& call);
/// The JSON wire's answer: {"result": …}. A rectangular numeric result also becomes a tensor.
Result<std::vector<tensor::Tensor>> read_predict_answer(std::string_view body);

}  // namespace sedna::inference
