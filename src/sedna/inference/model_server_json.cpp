// Upstream's JSON routes: GET /<service>, POST /<service>/predict, with the statuses and bodies of its server
// (docs/compatibility/server.md lists the differences).
#include <limits>
#include <optional>
#include <utility>

#include "sedna/base/log.hpp"
#include "sedna/inference/model_server_impl.hpp"
#include "sedna/inference/predict_json.hpp"
#include "sedna/json/json.hpp"

namespace sedna::inference {

using serve::Request;
using serve::Response;

namespace {

Response detail(int status, std::string_view text) {
  return Response::json(status, detail_body(text));
}

/// Any page may ask, as with upstream; a page that sends cookies gets its own origin back instead of "*".
void add_cors(const Request& request, Response& response) {
  const auto origin = request.headers.find("Origin");
  if (!origin) return;
  const bool cookies = request.headers.find("Cookie").has_value();
  response.headers.set("Access-Control-Allow-Origin", cookies ? std::string(*origin) : "*");
  response.headers.set("Access-Control-Allow-Credentials", "true");
  if (cookies) response.headers.set("Vary", "Origin");
}

/// The answer to a model's failure. Upstream gives a bare 500 for all of them.
Response failure(const Error& error, const RequestQueue& queue) {
  switch (error.code()) {
    case ErrorCode::kUnavailable: {
      Response response = detail(503, error.what());
      response.headers.set("Retry-After", std::to_string(queue.retry_after()));
      return response;
    }
    case ErrorCode::kDeadlineExceeded:
      return detail(504, error.what());
    case ErrorCode::kInvalidArgument:
      return detail(422, error.what());
    default:
      return detail(500, error.what());
  }
}

/// 422 in pydantic's form for data that is a list but not one that this model takes.
Response bad_data(const Error& error) {
  json::object problem = {{"loc", json::array{"body", "data"}}, {"msg", error.what()}, {"type", "value_error"}};
  return Response::json(422, json::write(json::object{{"detail", json::array{std::move(problem)}}}));
}

/// Reads the body into `work`; an answer instead when it is refused.
std::optional<Response> read_question(const Bytes& body, std::string_view type, const ServedModel& model, Work& work) {
  json::Limits limits;
  limits.max_bytes = std::numeric_limits<std::size_t>::max();  // the server bounds bodies
  auto parsed = tensor::parse_predict_body(body, type, limits);
  if (auto* refusal = std::get_if<tensor::PredictRefusal>(&parsed)) {
    return Response::json(refusal->status, std::move(refusal->body));
  }
  auto& question = std::get<tensor::PredictBody>(parsed);
  if (model.takes_json()) {
    work.is_json = true;
    work.json = std::move(question.data_text);
    work.callback = std::move(question.callback);
    // Typed as well where that says the same, so that rectangular lists become arrays without another reading.
    if (question.data.kind == tensor::JsonArray::Kind::kNumeric && !question.data.mixed) {
      work.inputs.push_back(std::move(question.data.tensor));
    }
    return std::nullopt;
  }
  if (question.callback && !question.callback->empty()) {
    return detail(500, "no post-process callback '" + *question.callback + "': this model runs without Python");
  }
  auto inputs = predict_inputs(model.metadata(), std::move(question));
  if (!inputs) return bad_data(inputs.error());
  work.inputs = std::move(*inputs);
  return std::nullopt;
}

/// {"result": …} around the JSON text of a result, which must be a list.
Response wrap(const Bytes& json) {
  const std::string_view text = json.text();
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '[') {
    return detail(500, "the model's result is not a list: upstream's clients can only read lists");
  }
  Response response = Response::json(200, "{\"result\":");
  response.body.push_back(json);
  response.body.push_back(Bytes::unowned(std::string_view("}")));
  return response;
}

std::string infos_body(const std::string& service) {
  json::array infos;
  const auto add = [&infos](std::string_view path, std::string_view name) {
    infos.push_back(json::object{{"path", path}, {"name", name}});
  };
  add("/" + service, "method");
  add("/" + service + "/predict", "method");
  add("/openapi.json", "openapi");
  add("/docs", "swagger_ui_html");
  add("/docs/oauth2-redirect", "swagger_ui_redirect");
  add("/redoc", "redoc_html");
  return json::write(json::object{{"infos", std::move(infos)}});
}

net::Task<Response> infos(Request& request, std::string service) {
  Response response =
      request.method == "HEAD" ? detail(405, "Method Not Allowed") : Response::json(200, infos_body(service));
  add_cors(request, response);
  co_return response;
}

/// /path/ → /path, as the framework below upstream's server does.
net::Task<Response> redirect(Request& request, std::string scheme, std::string path) {
  Response response;
  response.status = 307;
  const std::string_view host = request.headers.get("Host");
  response.headers.add("Location", host.empty() ? path : scheme + "://" + std::string(host) + path);
  add_cors(request, response);
  co_return response;
}

net::Task<Response> preflight(Request& request) {
  const auto origin = request.headers.find("Origin");
  const auto method = request.headers.find("Access-Control-Request-Method");
  Response response;
  if (!origin || !method) {
    response = detail(405, "Method Not Allowed");
  } else {
    response = Response::text(200, "OK");
    response.headers.set("Access-Control-Allow-Methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT");
    response.headers.set("Access-Control-Max-Age", "600");
    if (const auto wanted = request.headers.find("Access-Control-Request-Headers")) {
      response.headers.set("Access-Control-Allow-Headers", std::string(*wanted));
    }
  }
  add_cors(request, response);
  co_return response;
}

}  // namespace

void JsonRoutes::install(serve::Server& server, const std::string& scheme) {
  serve::RouteOptions options;
  options.error_body = [](int status, const Error& error) { return detail(status, error.what()); };
  serve::RouteOptions open = options;
  open.anonymous = true;  // a preflight never carries an identity
  for (const std::string& service : services_) {
    const std::string path = "/" + service;
    const std::string ask = path + "/predict";
    server.route("GET", path, [service](Request& request) { return infos(request, service); }, options);
    server.route(
        "GET", path + "/", [scheme, path](Request& request) { return redirect(request, scheme, path); }, options);
    serve::RouteOptions predicting = options;
    predicting.metric_name = "predict";
    server.route("POST", ask, [this](Request& request) { return predict(request); }, predicting);
    server.route(
        "POST", ask + "/", [scheme, ask](Request& request) { return redirect(request, scheme, ask); }, options);
    server.route("OPTIONS", path, &preflight, open);
    server.route("OPTIONS", ask, &preflight, open);
  }
}

void JsonRoutes::set_default_model(std::string name) {
  const std::lock_guard lock(mutex_);
  if (model_.empty()) model_ = std::move(name);
}

ServedModelPtr JsonRoutes::model() const {
  const std::lock_guard lock(mutex_);
  return models_.find(model_);
}

net::Task<Response> JsonRoutes::predict(Request& request) {
  const auto arrived = SteadyClock::now();
  const ServedModelPtr served = model();
  if (served == nullptr) {
    Response none = detail(503, "no model is loaded");
    none.headers.set("Retry-After", "1");
    co_return none;
  }
  auto work = std::make_shared<Work>();
  work->request_id = request.request_id;
  work->deadline = request.deadline;
  const Bytes body = request.body;
  const std::string type(request.headers.get("Content-Type"));
  std::optional<Response> refused;
  if (body.size() > kDecodeHere) {
    auto job = [body, type, served, work] { return read_question(body, type, *served, *work); };
    auto outcome = co_await pool_.run(std::move(job), request.deadline);
    refused = std::move(outcome);
  } else {
    refused = read_question(body, type, *served, *work);
  }
  if (refused) {
    served->stats().failed(FailureKind::kInput, SteadyClock::now() - arrived);
    add_cors(request, *refused);
    co_return std::move(*refused);
  }
  const auto decoded_at = SteadyClock::now();
  co_await run_model(served, work);
  account(*served, *work, arrived, decoded_at);
  Answer& answer = work->result();
  Response response;
  if (answer.error) {
    response = failure(*answer.error, served->queue());
  } else if (!answer.json.empty()) {
    response = wrap(answer.json);
  } else if (auto text = predict_result(answer.outputs)) {
    response = Response::json(200, std::move(*text));
  } else {
    response = detail(500, text.error().what());
  }
  add_cors(request, response);
  co_return response;
}

}  // namespace sedna::inference
