// The Open Inference Protocol v2 (REST): what a stock tritonclient.http calls.
#include <algorithm>
#include <charconv>
#include <utility>

#include "sedna/inference/model_server_impl.hpp"
#include "sedna/inference/queue_estimator.hpp"
#include "sedna/json/json.hpp"
#include "sedna/serve/compression.hpp"
#include "sedna/tensor/oip.hpp"
#include "sedna/tensor/oip_documents.hpp"

namespace sedna::inference {

namespace oip = tensor::oip;
using serve::Request;
using serve::Response;

namespace {

int oip_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kUnimplemented:
      return 501;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kResourceExhausted:
      return 413;
    case ErrorCode::kInternal:
    case ErrorCode::kDataLoss:
      return 500;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    default:
      return 400;
  }
}

/// What decoding needs of a request, so that it can go on without it.
struct Packed {
  Bytes body;
  std::string encoding;                    ///< Content-Encoding
  std::optional<std::string> head_length;  ///< Inference-Header-Content-Length
  std::size_t limit = 0;                   ///< of the inflated body
};

/// The request's tensors, whatever its form.
Result<oip::InferRequest> decode(const Packed& packed, const ModelMetadata& metadata) {
  Bytes body = packed.body;
  if (!packed.encoding.empty()) {
    const auto coding = serve::content_coding(packed.encoding);
    if (!coding) return coding.error();
    if (*coding != serve::Coding::kIdentity) {
      auto inflated = serve::inflate(*coding, body.span(), packed.limit);
      if (!inflated) return inflated.error();
      body = std::move(*inflated);
    }
  }
  if (!packed.head_length) return oip::decode_request(body, std::nullopt);
  const std::string& text = *packed.head_length;
  std::size_t length = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (bad != std::errc() || end != text.data() + text.size()) {
    return Error(ErrorCode::kInvalidArgument, "must be a number of bytes", std::string(oip::kHeaderLengthField));
  }
  if (length > 0 || body.empty()) return oip::decode_request(body, length);
  if (metadata.inputs.size() != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "a raw request (header length 0) needs a model with exactly one input; '" + metadata.name + "' has " +
                     std::to_string(metadata.inputs.size()));
  }
  const TensorSpec& spec = metadata.inputs[0];
  return oip::decode_raw_request(body, {spec.name, spec.dtype, spec.shape}, metadata.max_batch_size > 0);
}

Response encode(oip::EncodedBody body) {
  Response response;
  response.headers.add("Content-Type", body.header_length ? "application/octet-stream" : "application/json");
  if (body.header_length) {
    response.headers.add(std::string(oip::kHeaderLengthField), std::to_string(*body.header_length));
  }
  response.body = std::move(body.parts);
  return response;
}

Response failure(const Error& error, const RequestQueue* queue = nullptr) {
  Response response = oip_error(0, error);
  if (response.status == 503) {
    response.headers.set("Retry-After", std::to_string(queue != nullptr ? queue->retry_after() : 1));
  }
  return response;
}

std::vector<std::string_view> extensions(bool has_repository) {
  std::vector<std::string_view> names = {"binary_tensor_data", "classification", "model_configuration", "statistics"};
  if (has_repository) names.insert(names.end(), {"model_repository", "model_repository(unload_dependents)"});
  return names;
}

oip::ModelDocument document(const ModelMetadata& m, std::vector<std::string> versions) {
  oip::ModelDocument d;
  d.name = m.name;
  d.versions = std::move(versions);
  d.platform = m.platform;
  d.backend = m.platform == "onnxruntime_onnx" ? "onnxruntime" : m.platform;
  d.max_batch_size = m.max_batch_size;
  for (const TensorSpec& spec : m.inputs) d.inputs.push_back({spec.name, spec.dtype, spec.shape});
  for (const TensorSpec& spec : m.outputs) d.outputs.push_back({spec.name, spec.dtype, spec.shape});
  return d;
}

net::Task<Response> unsupported(Request& request) {
  const Error error(ErrorCode::kUnimplemented, "this server has no shared memory, trace or log settings", request.path);
  co_return oip_error(0, error);
}

}  // namespace

Response oip_error(int status, const Error& error) {
  return Response::json(status != 0 ? status : oip_status(error.code()), oip::error_json(error.what()));
}

void OipRoutes::install(serve::Server& server) {
  serve::RouteOptions plain;
  plain.error_body = [](int status, const Error& error) { return oip_error(status, error); };
  serve::RouteOptions health = plain;
  health.anonymous = true;
  serve::RouteOptions tensors = plain;
  tensors.align_at_header = oip::kHeaderLengthField;
  tensors.metric_name = "infer";
  const auto on = [&](const char* method, const char* pattern, net::Task<Response> (OipRoutes::*handler)(Request&),
                      const serve::RouteOptions& options) {
    server.route(method, pattern, [this, handler](Request& request) { return (this->*handler)(request); }, options);
  };
  on("GET", "/v2/health/live", &OipRoutes::live, health);
  on("GET", "/v2/health/ready", &OipRoutes::ready, health);
  on("GET", "/v2", &OipRoutes::server_metadata, plain);
  on("GET", "/v2/models/stats", &OipRoutes::statistics, plain);
  on("POST", "/v2/repository/index", &OipRoutes::index, plain);
  on("POST", "/v2/repository/models/{model}/load", &OipRoutes::load, plain);
  on("POST", "/v2/repository/models/{model}/unload", &OipRoutes::unload, plain);
  for (const std::string base : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    on("GET", base.c_str(), &OipRoutes::model_metadata, plain);
    on("GET", (base + "/ready").c_str(), &OipRoutes::model_ready, plain);
    on("GET", (base + "/config").c_str(), &OipRoutes::model_config, plain);
    on("GET", (base + "/stats").c_str(), &OipRoutes::statistics, plain);
    on("POST", (base + "/infer").c_str(), &OipRoutes::infer, tensors);
  }
  for (const char* pattern : {"/v2/logging", "/v2/trace/setting", "/v2/models/{model}/trace/setting",
                              "/v2/systemsharedmemory/{rest...}", "/v2/cudasharedmemory/{rest...}"}) {
    for (const char* method : {"GET", "POST"}) server.route(method, pattern, &unsupported, plain);
  }
}

net::Task<Response> OipRoutes::live(Request&) {
  co_return Response();
}

net::Task<Response> OipRoutes::ready(Request&) {
  Response response;
  if (models_.all().empty()) response = oip_error(400, Error(ErrorCode::kUnavailable, "no model is loaded"));
  co_return response;
}

net::Task<Response> OipRoutes::server_metadata(Request&) {
  co_return Response::json(200, oip::server_metadata_json("sedna", "0.1.0", extensions(models_.has_repository())));
}

net::Task<Response> OipRoutes::model_ready(Request& request) {
  const std::string version = request.params.size() > 1 ? request.params[1] : "";
  if (models_.find(request.params[0], version) == nullptr) {
    co_return oip_error(400, models_.not_found(request.params[0], version));
  }
  co_return Response();
}

net::Task<Response> OipRoutes::model_metadata(Request& request) {
  const std::string version = request.params.size() > 1 ? request.params[1] : "";
  const ServedModelPtr model = models_.find(request.params[0], version);
  if (model == nullptr) co_return failure(models_.not_found(request.params[0], version));
  co_return Response::json(200,
                           oip::model_metadata_json(document(model->metadata(), models_.versions(request.params[0]))));
}

net::Task<Response> OipRoutes::model_config(Request& request) {
  const std::string version = request.params.size() > 1 ? request.params[1] : "";
  const ServedModelPtr model = models_.find(request.params[0], version);
  if (model == nullptr) co_return failure(models_.not_found(request.params[0], version));
  co_return Response::json(200, oip::model_config_json(document(model->metadata(), {})));
}

net::Task<Response> OipRoutes::statistics(Request& request) {
  const std::string name = request.params.empty() ? "" : request.params[0];
  const std::string version = request.params.size() > 1 ? request.params[1] : "";
  std::vector<oip::ModelStatistics> entries;
  for (const ServedModelPtr& model : models_.all()) {
    const ModelMetadata& m = model->metadata();
    if ((!name.empty() && m.name != name) || (!version.empty() && m.version != version)) continue;
    entries.push_back(model->stats().snapshot(m.name, m.version));
  }
  if (!name.empty() && entries.empty()) co_return failure(models_.not_found(name, version));
  co_return Response::json(200, oip::statistics_json(entries));
}

/// The answer to a request that was decoded and has run.
Response OipRoutes::answer(ServedModel& model, Work& work, const oip::InferRequest& question,
                           SteadyClock::time_point arrived, SteadyClock::time_point decoded_at) {
  Answer& answer = work.result();
  if (answer.error) {
    account(model, work, arrived, decoded_at);
    return failure(*answer.error, &model.queue());
  }
  oip::InferResponse said;
  said.model = model.metadata().name;
  said.version = model.metadata().version;
  said.id = question.id;
  if (!answer.json.empty()) {
    const std::string_view text = answer.json.text();
    said.outputs.push_back(tensor::make_bytes_tensor(std::string(kJsonOutput), std::span(&text, 1)));
    said.parameters = R"({"content_type":"json"})";
  } else {
    said.outputs = std::move(answer.outputs);
  }
  auto encoded = oip::encode_response(said, question);
  account(model, work, arrived, decoded_at);
  if (!encoded) return failure(encoded.error());
  return encode(std::move(*encoded));
}

// Kept small: a coroutine frame above 1020 bytes is not among those that Asio keeps for the next request.
net::Task<Response> OipRoutes::infer(Request& request) {
  const auto arrived = SteadyClock::now();
  const std::string version = request.params.size() > 1 ? request.params[1] : "";
  const ServedModelPtr model = models_.find(request.params[0], version);
  if (model == nullptr) co_return failure(models_.not_found(request.params[0], version));

  Packed packed;
  packed.body = request.body;
  packed.limit = max_body_;
  packed.encoding = request.headers.get("Content-Encoding");
  if (const auto field = request.headers.find(oip::kHeaderLengthField)) packed.head_length = *field;
  const bool here = packed.encoding.empty() && (packed.head_length || packed.body.size() <= kDecodeHere);
  std::optional<Result<oip::InferRequest>> decoded;
  if (here) {
    decoded.emplace(decode(packed, model->metadata()));
  } else {
    auto job = [packed, model] { return decode(packed, model->metadata()); };
    auto result = co_await pool_.run(std::move(job), request.deadline);
    decoded.emplace(std::move(result));
  }
  const auto refuse = [&](const Error& error) {
    model->stats().failed(FailureKind::kInput, SteadyClock::now() - arrived);
    return failure(error);
  };
  if (!*decoded) co_return refuse(decoded->error());
  oip::InferRequest& question = **decoded;
  if (auto fits = model->check_inputs(question.inputs); !fits) co_return refuse(fits.error());

  auto work = std::make_shared<Work>();
  work->inputs = std::move(question.inputs);
  work->request_id = request.request_id;
  work->deadline = request.deadline;
  if (question.timeout_us > 0) {
    const auto most = std::chrono::microseconds(std::chrono::hours(24));
    const auto asked = std::chrono::microseconds(static_cast<std::int64_t>(
        std::min<std::uint64_t>(question.timeout_us, static_cast<std::uint64_t>(most.count()))));
    work->deadline = work->deadline.earlier(Deadline(arrived + asked));
  }
  const auto decoded_at = SteadyClock::now();
  if (model->may_run_inline(*work)) {
    model->run_inline(*work);
  } else {
    co_await run_model(model, work);
  }
  co_return answer(*model, *work, question, arrived, decoded_at);
}

net::Task<Response> OipRoutes::index(Request&) {
  co_return Response::json(200, oip::repository_index_json(models_.index()));
}

net::Task<Response> OipRoutes::load(Request& request) {
  if (!request.body.empty()) {
    auto document = json::parse(request.body.text());
    if (!document) co_return failure(document.error());
    const auto* top = document->if_object();
    const auto* parameters =
        top != nullptr && top->contains("parameters") ? top->at("parameters").if_object() : nullptr;
    if (top == nullptr || (parameters != nullptr && !parameters->empty())) {
      co_return failure(Error(ErrorCode::kUnimplemented,
                              "models are loaded from the repository as they are: config and "
                              "file overrides are not supported",
                              "parameters"));
    }
  }
  const std::string name = request.params[0];
  auto task = [this, name] { models_.load(name); };
  std::optional<Error> error;
  try {
    co_await pool_.run(std::move(task));
  } catch (const Error& e) {
    error = e;
  }
  if (error) {
    // Triton: a model that does not load is a bad request unless it is simply not there.
    co_return failure(error->code() == ErrorCode::kInternal ? Error(ErrorCode::kInvalidArgument, error->what())
                                                            : *error);
  }
  co_return Response();
}

net::Task<Response> OipRoutes::unload(Request& request) {
  const std::string name = request.params[0];
  auto task = [this, name] { models_.unload(name); };
  std::optional<Error> error;
  try {
    co_await pool_.run(std::move(task));
  } catch (const Error& e) {
    error = e;
  }
  if (error) co_return failure(*error);
  co_return Response();
}

}  // namespace sedna::inference
