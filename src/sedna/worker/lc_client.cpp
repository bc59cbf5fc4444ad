#include "sedna/worker/lc_client.hpp"

#include "sedna/json/json.hpp"
#include "sedna/net/http_client.hpp"

namespace sedna::worker {

std::string worker_info_body(const WorkerInfo& info) {
  std::string body = "{";
  const auto text = [&](std::string_view key, std::string_view value) {
    if (body.size() > 1) body += ", ";
    json::append_string(body, key, true);
    body += ": ";
    json::append_string(body, value, true);
  };
  text("name", info.name);
  text("namespace", info.namespace_name);
  text("ownerName", info.owner_name);
  text("ownerKind", info.owner_kind);
  text("kind", info.kind);
  if (info.status) text("status", *info.status);
  if (info.results) body.append(", \"results\": ").append(*info.results);
  if (info.owner_info) body.append(", \"ownerInfo\": ").append(*info.owner_info);
  body += '}';
  return body;
}

struct LcClient::Impl {
  net::HttpClient http;
  std::string base;  ///< path prefix of the URL, without a slash at the end

  static net::HttpClientOptions options() {
    net::HttpClientOptions options;
    options.max_idle = 1;
    options.max_response_body = 64 * 1024;
    return options;
  }
  static std::string origin(std::string_view server) {
    const net::Url url = net::parse_url(server).value();
    return url.scheme + "://" + url.authority();
  }
  explicit Impl(std::string_view server)
      : http(origin(server), options()), base(net::parse_url(server).value().target) {
    while (!base.empty() && base.back() == '/') base.pop_back();
  }
};

LcClient::LcClient(std::string_view server) : impl_(std::make_unique<Impl>(server)) {}
LcClient::~LcClient() = default;

Result<void> LcClient::post(std::string_view worker_name, std::string body, Deadline deadline) {
  net::HttpRequest request;
  request.method = "POST";
  request.target = impl_->base + "/sedna/workers/" + net::percent_encode(worker_name) + "/info";
  request.headers.add("Content-Type", "application/json");
  request.body.push_back(Bytes::from_string(std::move(body)));
  const net::HttpOutcome outcome = impl_->http.exchange(request, deadline);
  if (outcome.failure) return outcome.failure->error;
  if (outcome.response->status < 200 || outcome.response->status > 299) {
    return Error(error_code_from_http(outcome.response->status),
                 "the local controller answered " + std::to_string(outcome.response->status), request.target);
  }
  return {};
}

}  // namespace sedna::worker
