#include "sedna/inference/cloud_wire.hpp"

#include <algorithm>
#include <charconv>

#include "sedna/json/json.hpp"
#include "sedna/tensor/json_tensor.hpp"
#include "sedna/tensor/oip.hpp"

namespace sedna::inference {
namespace {

using tensor::Tensor;
namespace oip = tensor::oip;

constexpr std::size_t kLongestMessage = 300;
constexpr auto kLongestRetryAfter = std::chrono::hours(1);

/// What a server says about an error: {"error": …}, else the beginning of its text.
std::string error_text(const net::HttpResponse& response) {
  std::string message = "the cloud answered " + std::to_string(response.status);
  std::string detail;
  if (const auto document = json::parse(response.body.text()); document && document->is_object()) {
    if (auto error = json::require_string(document->get_object(), "error")) detail = std::move(*error);
  }
  if (detail.empty()) detail = std::string(response.body.text().substr(0, kLongestMessage));
  std::ranges::replace_if(detail, [](unsigned char c) { return c < 0x20; }, ' ');
  if (!detail.empty()) message += ": " + detail;
  return message;
}

std::optional<SteadyClock::duration> retry_after(const net::HttpResponse& response) {
  const auto field = response.headers.find("Retry-After");
  if (!field) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, failure] = std::from_chars(field->data(), field->data() + field->size(), seconds);
  // The date form says nothing to a device without a set clock; upstream's and our servers send seconds.
  if (failure != std::errc() || end != field->data() + field->size() || seconds < 0) return std::nullopt;
  return std::min<SteadyClock::duration>(std::chrono::seconds(std::min<std::int64_t>(seconds, 3600)),
                                         kLongestRetryAfter);
}

CloudReply from_failure(const net::TransportFailure& failure) {
  CloudReply reply;
  reply.asked = true;
  reply.message = failure.error.what();
  switch (failure.error.code()) {
    case ErrorCode::kDeadlineExceeded:
      reply.status = CloudStatus::kDeadline;
      break;
    case ErrorCode::kDataLoss:
    case ErrorCode::kResourceExhausted:
      reply.status = CloudStatus::kGarbage;
      break;
    case ErrorCode::kInvalidArgument:  // a request that cannot be made: ours
      reply.status = CloudStatus::kRefused;
      reply.asked = false;
      break;
    default:
      reply.status = CloudStatus::kTransport;
      reply.may_retry = failure.error.code() == ErrorCode::kUnavailable && !failure.may_have_executed;
  }
  reply.forget_peer = reply.status == CloudStatus::kTransport;
  return reply;
}

/// Anything but 200.
CloudReply from_status(const net::HttpResponse& response) {
  CloudReply reply;
  reply.asked = true;
  reply.http_status = response.status;
  reply.message = error_text(response);
  reply.uploaded = true;
  if (response.status == 503 || response.status == 429) {
    reply.status = CloudStatus::kQueue;
    reply.may_retry = true;
    reply.retry_after = retry_after(response);
  } else if (response.status == 504 || response.status == 408) {
    reply.status = CloudStatus::kDeadline;
  } else if (response.status >= 400 && response.status < 500) {
    reply.status = CloudStatus::kRefused;
    reply.alive = true;
    reply.forget_peer = response.status == 404;
  } else if (response.status >= 500) {
    reply.status = CloudStatus::kTransport;
  } else {
    reply.status = CloudStatus::kGarbage;
    reply.forget_peer = true;
  }
  return reply;
}

CloudReply garbage(const net::HttpResponse& response, std::string what) {
  CloudReply reply;
  reply.status = CloudStatus::kGarbage;
  reply.asked = true;
  reply.http_status = response.status;
  reply.message = "the cloud's answer cannot be read: " + std::move(what);
  reply.uploaded = true;
  reply.forget_peer = true;
  return reply;
}

CloudReply refuse(std::string message) {
  CloudReply reply;
  reply.status = CloudStatus::kRefused;
  reply.message = std::move(message);
  return reply;
}

/// The cloud works, but not for us.
CloudReply unusable(std::string message) {
  CloudReply reply = refuse(std::move(message));
  reply.asked = true;
  reply.alive = true;
  return reply;
}

CloudReply answered() {
  CloudReply reply;
  reply.status = CloudStatus::kAnswered;
  reply.alive = true;
  reply.asked = true;
  return reply;
}

net::HttpRequest get(std::string target) {
  net::HttpRequest request;
  request.target = std::move(target);
  return request;
}

std::string model_path(const std::string& model) {
  return "/v2/models/" + net::percent_encode(model);
}

/// Which model to ask when none was named.
CloudReply choose_model(net::HttpClient& http, const CloudClientOptions& options, Deadline deadline,
                        std::string& model) {
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/v2/repository/index";
  request.idempotent = true;
  net::HttpOutcome outcome = http.exchange(request, deadline);
  if (outcome.failure) return from_failure(*outcome.failure);
  std::vector<std::string> names;
  if (outcome.response->status == 200) {
    const auto document = json::parse(outcome.response->body.text());
    if (!document || !document->is_array()) return garbage(*outcome.response, "no list of models");
    for (const auto& entry : document->get_array()) {
      if (!entry.is_object()) continue;
      if (auto name = json::require_string(entry.get_object(), "name")) names.push_back(std::move(*name));
    }
  } else if (outcome.response->status >= 500 && outcome.response->status != 501) {
    return from_status(*outcome.response);
  }
  if (names.size() == 1) {
    model = names.front();
  } else if (names.empty() || std::ranges::find(names, options.service) != names.end()) {
    model = options.service;
  } else {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    return unusable("the cloud serves several models (" + list + "); name one (--cloud-model, SEDNA_CLOUD_MODEL)");
  }
  return answered();
}

CloudReply read_model_inputs(net::HttpClient& http, Deadline deadline, CloudPeer& peer) {
  net::HttpOutcome outcome = http.exchange(get(model_path(peer.model)), deadline);
  if (outcome.failure) return from_failure(*outcome.failure);
  if (outcome.response->status == 404) return unusable("the cloud has no model \"" + peer.model + "\"");
  if (outcome.response->status != 200) return from_status(*outcome.response);
  const auto document = json::parse(outcome.response->body.text());
  if (!document || !document->is_object()) return garbage(*outcome.response, "no model metadata");
  const auto* inputs = document->get_object().if_contains("inputs");
  if (inputs != nullptr && inputs->is_array()) {
    for (const auto& entry : inputs->get_array()) {
      if (!entry.is_object()) return garbage(*outcome.response, "metadata: an input is no object");
      auto name = json::require_string(entry.get_object(), "name");
      auto datatype = json::require_string(entry.get_object(), "datatype");
      if (!name || !datatype) return garbage(*outcome.response, "metadata: an input without name or datatype");
      const auto dtype = tensor::dtype_from_name(*datatype);
      if (!dtype) return garbage(*outcome.response, "metadata: unknown datatype " + *datatype);
      Tensor input;
      input.name = std::move(*name);
      input.dtype = *dtype;
      peer.inputs.push_back(std::move(input));
    }
  }
  return answered();
}

/// Edge and cloud models seldom name their inputs alike: where no name fits, they are paired in order.
void pair_inputs(std::vector<Tensor>& inputs, const CloudPeer& peer) {
  if (inputs.size() != peer.inputs.size()) return;
  const bool named_alike = std::ranges::all_of(inputs, [&](const Tensor& input) {
    return std::ranges::find(peer.inputs, input.name, &Tensor::name) != peer.inputs.end();
  });
  if (named_alike) return;
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].name = peer.inputs[i].name;
}

CloudReply call_oip(net::HttpClient& http, const CloudPeer& peer, const CloudCall& call, Deadline deadline) {
  oip::InferRequest infer;
  infer.inputs = call.inputs;
  infer.binary_data_output = true;
  pair_inputs(infer.inputs, peer);
  for (std::size_t i = 0; i < infer.inputs.size(); ++i) {
    if (infer.inputs[i].name.empty()) infer.inputs[i].name = "input_" + std::to_string(i);
  }
  const auto left = deadline.remaining();
  if (!deadline.is_never()) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(left).count();
    infer.timeout_us = static_cast<std::uint64_t>(std::max<std::int64_t>(1, us));
  }
  auto encoded = oip::encode_request(infer);
  if (!encoded) return refuse(std::string("the sample cannot be sent: ") + encoded.error().what());
  net::HttpRequest request;
  request.method = "POST";
  request.target = model_path(peer.model) + "/infer";
  // An inference changes nothing: a kept connection that turns out closed is replaced without a word.
  request.idempotent = true;
  request.headers.add("Content-Type", encoded->header_length ? "application/octet-stream" : "application/json");
  if (encoded->header_length) {
    request.headers.add(std::string(oip::kHeaderLengthField), std::to_string(*encoded->header_length));
  }
  if (!call.traceparent.empty()) request.headers.add("traceparent", call.traceparent);
  request.body = std::move(encoded->parts);
  const std::size_t up = request.body_size();
  net::HttpOutcome outcome = http.exchange(request, deadline);
  CloudReply reply;
  if (outcome.failure) {
    reply = from_failure(*outcome.failure);
  } else if (outcome.response->status != 200) {
    reply = from_status(*outcome.response);
  } else {
    const net::HttpResponse& response = *outcome.response;
    std::optional<std::size_t> header_length;
    if (const auto field = response.headers.find(oip::kHeaderLengthField)) {
      std::size_t length = 0;
      const auto [end, bad] = std::from_chars(field->data(), field->data() + field->size(), length);
      if (bad != std::errc() || end != field->data() + field->size()) {
        reply = garbage(response, std::string(oip::kHeaderLengthField) + " is no number");
        reply.bytes_up = up;
        return reply;
      }
      header_length = length;
    }
    auto decoded = oip::decode_response(response.body, header_length);
    if (decoded) {
      reply = answered();
      reply.uploaded = true;
      reply.http_status = 200;
      reply.outputs = std::move(decoded->outputs);
    } else {
      reply = garbage(response, decoded.error().what());
    }
    reply.bytes_down = response.body.size();
  }
  reply.bytes_up = outcome.failure && reply.may_retry ? 0 : up;
  return reply;
}

CloudReply call_json(net::HttpClient& http, const CloudClientOptions& options, const CloudCall& call,
                     Deadline deadline) {
  auto body = predict_body(call);
  if (!body) return refuse(std::string("the sample cannot be sent as JSON: ") + body.error().what());
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/" + net::percent_encode(options.service) + "/predict";
  request.idempotent = true;
  request.headers.add("Content-Type", "application/json");
  if (!call.traceparent.empty()) request.headers.add("traceparent", call.traceparent);
  const std::size_t up = body->size();
  request.body.push_back(Bytes::from_string(std::move(*body)));
  net::HttpOutcome outcome = http.exchange(request, deadline);
  CloudReply reply;
  if (outcome.failure) {
    reply = from_failure(*outcome.failure);
  } else if (outcome.response->status != 200) {
    reply = from_status(*outcome.response);
  } else {
    auto outputs = read_predict_answer(outcome.response->body.text());
    if (outputs) {
      reply = answered();
      reply.uploaded = true;
      reply.http_status = 200;
      reply.outputs = std::move(*outputs);
      reply.json = outcome.response->body;
    } else {
      reply = garbage(*outcome.response, outputs.error().what());
    }
    reply.bytes_down = outcome.response->body.size();
  }
  reply.bytes_up = outcome.failure && reply.may_retry ? 0 : up;
  return reply;
}

}  // namespace

CloudDiscovery discover_peer(net::HttpClient& http, const CloudClientOptions& options, Deadline deadline) {
  CloudDiscovery found;
  auto peer = std::make_shared<CloudPeer>();
  peer->oip = options.wire == CloudWire::kOip;
  if (options.wire == CloudWire::kAuto) {
    net::HttpOutcome outcome = http.exchange(get("/v2"), deadline);
    if (outcome.failure) {
      found.failure = from_failure(*outcome.failure);
      return found;
    }
    const net::HttpResponse& response = *outcome.response;
    if (response.status >= 500 || response.status == 401 || response.status == 403 || response.status == 429) {
      found.failure = from_status(response);
      found.failure.uploaded = false;
      return found;
    }
    const auto document =
        response.status == 200 ? json::parse(response.body.text()) : Result<json::value>(json::value());
    peer->oip = document && document->is_object() && document->get_object().contains("extensions");
  }
  if (peer->oip) {
    peer->model = options.model;
    CloudReply step = answered();
    if (peer->model.empty()) step = choose_model(http, options, deadline, peer->model);
    if (step.status == CloudStatus::kAnswered) step = read_model_inputs(http, deadline, *peer);
    if (step.status != CloudStatus::kAnswered) {
      found.failure = std::move(step);
      found.failure.uploaded = false;
      return found;
    }
  }
  found.peer = std::move(peer);
  return found;
}

CloudReply exchange_call(net::HttpClient& http, const CloudClientOptions& options, const CloudPeer& peer,
                         const CloudCall& call, Deadline deadline) {
  // A body that the caller made is for the JSON wire, which our servers speak on the same port.
  return peer.oip && call.json_body.empty() ? call_oip(http, peer, call, deadline)
                                            : call_json(http, options, call, deadline);
}

CloudReply probe_ready(net::HttpClient& http, const CloudClientOptions& options, const CloudPeer* peer,
                       Deadline deadline) {
  const bool json_only = options.wire == CloudWire::kJson || (peer != nullptr && !peer->oip);
  net::HttpOutcome outcome =
      http.exchange(get(json_only ? "/" + net::percent_encode(options.service) : "/v2/health/ready"), deadline);
  if (outcome.failure) return from_failure(*outcome.failure);
  CloudReply reply;
  reply.asked = true;
  reply.http_status = outcome.response->status;
  // A 404 is an upstream server that knows no health route: it lives.
  if (outcome.response->status == 200 || (outcome.response->status == 404 && peer == nullptr)) {
    reply.status = CloudStatus::kAnswered;
    reply.alive = true;
    reply.asked = true;
    return reply;
  }
  reply = from_status(*outcome.response);
  reply.message = "not ready: " + reply.message;
  reply.uploaded = false;
  reply.alive = false;
  return reply;
}

Result<std::string> predict_body(const CloudCall& call) {
  if (!call.json_body.empty()) return call.json_body;
  if (call.inputs.size() != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "upstream's route takes one input, the sample has " + std::to_string(call.inputs.size()), "inputs");
  }
  std::string body = "{" + (call.json_members.empty() ? std::string("\"post_process\": null") : call.json_members);
  body += ", \"data\": ";
  tensor::ListStyle style;
  style.separator = ", ";
  if (auto written = tensor::append_lists(body, call.inputs.front(), style); !written) return written.error();
  body += '}';
  return body;
}

Result<std::vector<Tensor>> read_predict_answer(std::string_view body) {
  json::Limits limits;
  limits.allow_nan = true;
  json::Scanner scanner(body, limits);
  std::vector<Tensor> outputs;
  bool has_result = false;
  if (scanner.peek() != json::Token::kObject) {
    return scanner.failed() ? scanner.error() : Error(ErrorCode::kDataLoss, "not an object with \"result\"");
  }
  if (!scanner.enter()) return scanner.error();
  bool first = true;
  std::string key;
  while (scanner.next_member(first, key)) {
    const json::Token token = scanner.peek();
    if (key != "result" || token != json::Token::kArray) {
      has_result = has_result || key == "result";
      if (!scanner.skip_value()) return scanner.error();
      continue;
    }
    has_result = true;
    auto array = tensor::read_array(scanner);
    if (!array) return scanner.error();
    outputs.clear();
    if (array->kind == tensor::JsonArray::Kind::kNumeric) {
      array->tensor.name = "result";
      outputs.push_back(std::move(array->tensor));
    }
  }
  if (scanner.failed() || !scanner.finish()) return scanner.error();
  if (!has_result) return Error(ErrorCode::kDataLoss, "an object without \"result\"");
  return outputs;
}

}  // namespace sedna::inference
