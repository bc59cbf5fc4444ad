#include "sedna/federated/server.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "sedna/base/cpu.hpp"
#include "sedna/base/log.hpp"
#include "sedna/federated/server_impl.hpp"

namespace sedna::federated {

namespace {

AggregationServerOptions checked(AggregationServerOptions o) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  if (o.aggregation.empty() || !std::ranges::all_of(o.aggregation, plain)) {
    throw Error(ErrorCode::kInvalidArgument, "must be a name of letters, digits, '_', '-' and '.'", "aggregation");
  }
  o.server.not_found = [](int status, const Error&) {
    return serve::Response::json(status, R"({"detail":")" + std::string(net::reason_phrase(status)) + R"("})");
  };
  return o;
}

serve::OffloadOptions pool_options(metrics::Registry& registry) {
  serve::OffloadOptions o;
  o.name = "federated";
  o.threads = static_cast<unsigned>(std::clamp(usable_cores(), 1, 4));
  o.max_queue = 1U << 20;  // one job a connection, and connections are bounded
  o.registry = &registry;
  return o;
}

Rules rules_of(const AggregationServerOptions& options) {
  if (options.site) return Rules::of_site(options.site_rules);
  return options.factory ? Rules::around(options.factory) : Rules::make(options.rules);
}

RoundOptions rounds_of(RoundOptions options, const Rules& rules, bool site) {
  // Which round is the last one is said above.
  if (site) options.exit_round = std::numeric_limits<std::int64_t>::max();
  options.min_updates = std::max(options.min_updates, rules.min_updates);
  if (const auto asynchrony = rules.algorithm->asynchrony()) {
    options.max_staleness = asynchrony->max_staleness;
    if (asynchrony->buffer > 0) options.participants = asynchrony->buffer;
  }
  return options;
}

}  // namespace

AggregationServer::Impl::Impl(AggregationServerOptions o, metrics::Registry& r)
    : options(checked(std::move(o))),
      rounds_total(r.counter("sedna_federated_rounds_total", "Rounds published.")),
      round_gauge(r.gauge("sedna_federated_round", "The round that is open.")),
      clients_gauge(r.gauge("sedna_federated_clients", "Clients connected.")),
      received_bytes(r.counter("sedna_federated_received_bytes_total", "Updates that arrived, as JSON or as files.")),
      sent_bytes(r.counter("sedna_federated_sent_bytes_total", "Models that were sent, as JSON or as files.")),
      registry(r),
      codec(options.codec),
      rules(rules_of(options)),
      machine(rounds_of(options.rounds, rules, options.site), SteadyClock::now()),
      budget(std::make_shared<StagingBudget>(options.staging_bytes)),
      pool(pool_options(r)),
      server(options.server, r) {
  if (!codec.none() && rules.algorithm->needs_extra()) {
    throw Error(ErrorCode::kInvalidArgument,
                "is not for " + std::string(rules.algorithm->name()) + ", whose control variates are sent as they are",
                "codec");
  }
  if (!options.exchange.url.empty()) {
    exchange = std::make_unique<Exchange>(options.exchange);
    serve::OffloadOptions transfers = pool_options(r);
    transfers.name = "federated_exchange";
    exchange_pool = std::make_unique<serve::Offload>(std::move(transfers));
  }
  if (options.features && (!options.factory || !codec.none())) {
    throw Error(ErrorCode::kInvalidArgument, "are for a rule of user code, and are not coded", "features");
  }
  restore();
  serve::RouteOptions route;
  route.max_body = options.max_message;
  route.websocket_idle = SteadyClock::duration::zero();  // a client that trains for hours says nothing meanwhile
  route.without_upgrade = [this](serve::Request& request) { return tell_clients(request); };
  server.websocket(
      "/" + options.aggregation,
      [this](serve::Request& request, serve::WebSocket& socket) { return serve_socket(request, socket); },
      std::move(route));
  add_routes();
}

AggregationServer::Impl::~Impl() {
  stop();
}

void AggregationServer::Impl::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    for (const auto& [name, peer] : peers) peer->close(1001, "the server is going away");
    changed_locked();
  }
  changed.notify_all();
  if (conductor.joinable()) conductor.join();
  if (follower.joinable()) follower.join();
  if (started) server.drain();
  server.stop();
}

AggregationServer::AggregationServer(AggregationServerOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), registry)) {}

AggregationServer::~AggregationServer() = default;

void AggregationServer::start() {
  impl_->server.start();
  impl_->started = true;
  impl_->round_began = SteadyClock::now();
  impl_->conductor = std::thread([impl = impl_.get()] { impl->conduct(); });
  if (impl_->options.upstream) impl_->follower = std::thread([impl = impl_.get()] { impl->follow_upstream(); });
}

std::uint16_t AggregationServer::port() const {
  return impl_->server.port();
}
std::string AggregationServer::origin() const {
  return impl_->server.origin();
}

bool AggregationServer::wait_for(SteadyClock::duration timeout) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, timeout, [this] { return impl_->over; });
}

std::string AggregationServer::failure() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->machine.failure();
}

std::int64_t AggregationServer::rounds() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->model_round;
}

std::vector<std::string> AggregationServer::clients() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->machine.connected();
}

JobProgress AggregationServer::progress() const {
  const std::lock_guard lock(impl_->mutex);
  JobProgress out;
  out.round = impl_->model_round;
  out.arrived = impl_->machine.updates();
  out.selected = impl_->machine.options().participants;
  out.connected = impl_->machine.connected().size();
  const auto phase = impl_->machine.phase();
  if (phase == RoundMachine::Phase::kCollecting) out.missing = impl_->machine.missing();
  out.stalled = impl_->stalled;
  return out;
}

void AggregationServer::stop() {
  impl_->stop();
}

}  // namespace sedna::federated
