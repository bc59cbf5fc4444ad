#include "sedna/federated/upstream.hpp"

#include <filesystem>
#include <utility>

#include "sedna/base/log.hpp"
#include "sedna/federated/client_options.hpp"
#include "sedna/federated/journal.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

namespace {

RoundClientOptions client_options(const UpstreamOptions& options) {
  constexpr const char* kUrl = "upstream";
  const std::size_t scheme = options.url.find("://");
  const std::size_t path = scheme == std::string::npos ? std::string::npos : options.url.find('/', scheme + 3);
  const std::string protocol = options.url.substr(0, scheme);
  if (path == std::string::npos || path + 1 >= options.url.size() || path == scheme + 3 ||
      options.url.find_first_of("/?#", path + 1) != std::string::npos || (protocol != "http" && protocol != "https")) {
    throw Error(ErrorCode::kInvalidArgument,
                "is '" + options.url + "'; it must be http://HOST:PORT/<aggregation>, or https", kUrl);
  }
  if (options.site.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "must say what this aggregator is called above (WORKER_NAME)", "site");
  }
  RoundClientOptions out;
  out.origin = options.url.substr(0, path);
  out.aggregation = options.url.substr(path + 1);
  out.client_id = options.site;
  out.connect_timeout = options.connect_timeout;
  out.http.tls.ca_file = options.tls_ca;
  out.http.tls.cert_file = options.tls_cert;
  out.http.tls.key_file = options.tls_key;
  if (!options.token_file.empty())
    out.http.bearer_token = token_from_file(options.token_file, "AGG_UPSTREAM_TOKEN_FILE");
  out.site = true;
  return out;
}

}  // namespace

UpstreamOptions UpstreamOptions::from_context(const worker::Context& context) {
  UpstreamOptions out;
  out.url = context.get_or("AGG_UPSTREAM", "");
  out.site = context.get_or("WORKER_NAME", "");
  out.token_file = context.get_or("AGG_UPSTREAM_TOKEN_FILE", "");
  out.tls_ca = context.get_or("SEDNA_AGG_TLS_CA", "");
  out.tls_cert = context.get_or("SEDNA_AGG_TLS_CERT", "");
  out.tls_key = context.get_or("SEDNA_AGG_TLS_KEY", "");
  out.connect_timeout = std::chrono::milliseconds(
      static_cast<std::int64_t>(context.get_number("CONNECT_TIMEOUT", 300, 0.001, 1e7) * 1000));
  return out;
}

Upstream::Upstream(const UpstreamOptions& options) : options_(client_options(options)), client_(options_) {}

void Upstream::say_goodbye() {
  net::HttpClient http(options_.origin, options_.http);
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/" + options_.aggregation + "/leave";
  request.body = {Bytes::from_string(json::write(json::object{{"client", options_.client_id}}))};
  request.idempotent = true;
  const auto outcome = http.exchange(request, Deadline::after(std::chrono::seconds(3)));
  // It may be over and gone there.
  if (!outcome.response) log::info("nobody to say goodbye to", {{"origin", options_.origin}});
}

bool Upstream::connect(SteadyClock::duration timeout) {
  const auto until = SteadyClock::now() + timeout;
  if (!client_.connect(timeout)) return false;
  const RoundPlan plan = client_.plan();
  if (plan.sum.empty()) {
    throw Error(ErrorCode::kUnimplemented, "takes no sums of sites: another version, or a rule that needs each client",
                "upstream");
  }
  while (true) {
    if (client_.wants_initial()) return true;
    const auto now = SteadyClock::now();
    // Between a round's close and its model there is nothing to begin with, for a moment.
    first_ = client_.next(until > now ? until - now : SteadyClock::duration::zero());
    if (first_) return true;
    if (SteadyClock::now() >= until) return false;
  }
}

void Upstream::configure(AggregationServerOptions& options) const {
  if (options.factory) {
    throw Error(ErrorCode::kInvalidArgument, "is user code; a site adds its clients' updates up", "aggregation");
  }
  const RoundPlan plan = client_.plan();
  options.site = true;
  options.site_rules.algorithm = plan.algorithm;
  for (const auto& [name, value] : plan.parameters) options.site_rules.parameters.push_back({name, value});
  options.site_rules.strict = plan.sum == "strict";
  options.site_rules.clip = plan.sum_clip;
  options.site_rules.alike = plan.sum_alike;
  options.codec = plan.codec;
  options.rounds.exit_round = plan.rounds;
  options.rules = RuleOptions();
}

void Upstream::check_settings(const std::map<std::string, std::string>& settings) {
  for (const char* name : {"algorithm", "robust", "late", "clip", "bucket", "strict", "privacy", "codec",
                           "initial-model", "stop-metric", "stop-target", "stop-patience", "stop-seconds"}) {
    if (settings.contains(name)) {
      throw Error(ErrorCode::kInvalidArgument, "is said by the aggregator above, for the whole job", name);
    }
  }
}

std::optional<RoundTask> Upstream::take_first() {
  return std::exchange(first_, std::nullopt);
}

bool site_has_ended(const std::string& state_folder) {
  if (state_folder.empty()) return false;
  Layout layout;
  layout.root = state_folder;
  if (!std::filesystem::exists(layout.journal())) return false;
  const Journal journal(layout.journal());
  bool last = false;
  for (const Record& record : journal.records()) {
    if (record.kind == Record::Kind::kPublished) last = record.last;
  }
  return last;
}

}  // namespace sedna::federated
