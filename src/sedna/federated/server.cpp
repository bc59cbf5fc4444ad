#include "sedna/federated/server.hpp"

#include <algorithm>
#include <utility>

#include "sedna/base/cpu.hpp"
#include "sedna/base/log.hpp"
#include "sedna/federated/mean.hpp"
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
  if (!o.factory) o.factory = [] { return std::make_unique<WeightedMean>(); };
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

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

AggregationServer::Impl::Impl(AggregationServerOptions o, metrics::Registry& r)
    : options(checked(std::move(o))),
      rounds_total(r.counter("sedna_federated_rounds_total", "Rounds published.")),
      clients_gauge(r.gauge("sedna_federated_clients", "Clients connected.")),
      received_bytes(r.counter("sedna_federated_received_bytes_total", "Updates, as JSON text.")),
      sent_bytes(r.counter("sedna_federated_sent_bytes_total", "Models, as JSON text.")),
      registry(r),
      machine(options.rounds, options.factory, SteadyClock::now()),
      pool(pool_options(r)),
      server(options.server, r) {
  serve::RouteOptions route;
  route.max_body = options.max_message;
  route.websocket_idle = SteadyClock::duration::zero();  // a client that trains for hours says nothing meanwhile
  route.without_upgrade = [this](serve::Request& request) { return tell_clients(request); };
  server.websocket(
      "/" + options.aggregation,
      [this](serve::Request& request, serve::WebSocket& socket) { return serve_socket(request, socket); },
      std::move(route));
}

AggregationServer::Impl::~Impl() {
  stop();
}

void AggregationServer::Impl::conduct() {
  std::unique_lock lock(mutex);
  while (!stopping && !over) {
    machine.tick(SteadyClock::now());
    collect_closed_locked();
    if (!to_publish.empty()) {
      Publication next = std::move(to_publish.front());
      to_publish.pop_front();
      lock.unlock();
      publish(std::move(next));
      lock.lock();
      continue;
    }
    const auto phase = machine.phase();
    if (phase == RoundMachine::Phase::kDone || phase == RoundMachine::Phase::kFailed) {
      end_locked();
      break;
    }
    const auto wake = machine.next_wakeup();
    // In slices: a steady clock's far future overflows in some libraries' waits.
    const auto slice = SteadyClock::now() + std::chrono::hours(1);
    changed.wait_until(lock, wake ? std::min(*wake, slice) : slice);
  }
}

void AggregationServer::Impl::collect_closed_locked() {
  while (auto closed = machine.take_closed()) {
    Publication next{std::move(*closed), envelope, {}};
    next.report.round = next.closed.round;
    next.report.last = next.closed.last;
    next.report.by_deadline = next.closed.by_deadline;
    next.report.clients = next.closed.clients;
    next.report.bytes_received = std::exchange(round_bytes, 0);
    if (next.closed.by_deadline) {
      log::warning("the round's deadline has passed", {{"round", next.closed.round},
                                                       {"updates", next.closed.clients.size()},
                                                       {"missing", joined(next.closed.missing)}});
    }
    to_publish.push_back(std::move(next));
  }
}

void AggregationServer::Impl::publish(Publication publication) {
  RoundReport& report = publication.report;
  Bytes text;
  try {
    const Aggregate model = publication.closed.sum->report();
    publication.closed.sum.reset();
    report.total_weight = model.total_weight;
    text =
        Bytes::from_string(write_model(publication.envelope, model, publication.closed.round, publication.closed.last));
  } catch (const std::exception& error) {
    log::error("the aggregation has failed", {{"round", publication.closed.round}, {"error", error.what()}});
    const std::lock_guard lock(mutex);
    machine.fail("the aggregation of round " + std::to_string(publication.closed.round) +
                 " has failed: " + error.what());
    return;
  }
  {
    const std::lock_guard lock(mutex);
    model_text = text;
    model_round = publication.closed.round;
    report.connected = peers.size();
    report.bytes_sent = text.size() * peers.size();
    report.seconds = std::chrono::duration<double>(SteadyClock::now() - round_began).count();
    round_began = SteadyClock::now();
    broadcast_locked(text);
    for (const auto& [name, peer] : peers) peer->model_round = model_round;
  }
  rounds_total.add();
  sent_bytes.add(report.bytes_sent);
  log::info("round published", {{"round", report.round},
                                {"updates", report.clients.size()},
                                {"clients", report.connected},
                                {"samples", report.total_weight},
                                {"seconds", report.seconds}});
  if (options.on_round) options.on_round(report);
}

void AggregationServer::Impl::end_locked() {
  over = true;
  const bool failed = machine.phase() == RoundMachine::Phase::kFailed;
  if (failed) log::error("the job has failed", {{"reason", machine.failure()}});
  for (const auto& [name, peer] : peers) {
    // An upstream client whose connection ends raises; one whose connection stays would wait for ever.
    if (failed) peer->close(1011, machine.failure());
    if (!failed) peer->close(1000, "the job is over");
  }
  changed.notify_all();
}

void AggregationServer::Impl::send_model_locked(const std::shared_ptr<Peer>& peer) {
  // A newer model than this one may be in the making: then everybody connected is about to get it.
  if (model_round != machine.closed_rounds() || model_text.empty() || peer->model_round == model_round) return;
  peer->model_round = model_round;
  if (peer->send(model_text)) sent_bytes.add(model_text.size());
}

void AggregationServer::Impl::broadcast_locked(const Bytes& text, const Peer* except) {
  for (const auto& [name, peer] : peers) {
    if (peer.get() != except) peer->send(text);
  }
}

void AggregationServer::Impl::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    for (const auto& [name, peer] : peers) peer->close(1001, "the server is going away");
  }
  changed.notify_all();
  if (conductor.joinable()) conductor.join();
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

void AggregationServer::stop() {
  impl_->stop();
}

}  // namespace sedna::federated
