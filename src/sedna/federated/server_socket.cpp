// The connections of AggregationServer: reading, subscribing, updates, goodbyes.
#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/federated/server_impl.hpp"

namespace sedna::federated {

namespace asio = net::asio;

namespace {

constexpr std::uint16_t kUnsupportedData = 1003;
constexpr std::uint16_t kPolicyViolation = 1008;
constexpr std::uint16_t kTooBig = 1009;
constexpr std::size_t kMaxClientId = 253;
constexpr std::size_t kMaxPassedOn = std::size_t{1} << 20;  ///< of a message that goes to all others

double unix_seconds(SystemClock::time_point t) {
  return std::chrono::duration<double>(t.time_since_epoch()).count();
}

Bytes text_of(const json::object& members) {
  return Bytes::from_string(json::write(members, json::WriteOptions::python()));
}

}  // namespace

std::string_view outcome_name(RoundMachine::Outcome outcome) {
  switch (outcome) {
    case RoundMachine::Outcome::kCommitted:
      return "committed";
    case RoundMachine::Outcome::kDuplicate:
      return "duplicate";
    case RoundMachine::Outcome::kConflict:
      return "conflict";
    case RoundMachine::Outcome::kQuarantined:
      return "quarantined";
    case RoundMachine::Outcome::kLate:
      return "late";
    case RoundMachine::Outcome::kRefused:
      return "refused";
    case RoundMachine::Outcome::kFinished:
      return "finished";
    case RoundMachine::Outcome::kNotChosen:
      return "not_chosen";
  }
  return "refused";
}

void AggregationServer::Impl::count_update(const RoundMachine::Verdict& verdict, const std::string& client) {
  registry
      .counter("sedna_federated_updates_total", "Updates that arrived.",
               {{"outcome", std::string(outcome_name(verdict.outcome))}})
      .add();
  if (verdict.outcome == RoundMachine::Outcome::kRefused || verdict.outcome == RoundMachine::Outcome::kQuarantined) {
    log::warning("an update was refused", {{"client", client}, {"round", verdict.round}, {"reason", verdict.reason}});
  }
  changed.notify_all();
}

net::Task<void> AggregationServer::Impl::serve_socket(serve::Request& request, serve::WebSocket& socket) {
  Session session;
  {
    const std::lock_guard lock(mutex);
    session.peer = std::make_shared<Peer>(++connections, request.executor);
  }
  session.identity = request.identity.name;
  asio::co_spawn(request.executor, Peer::write_all(session.peer, &socket), asio::detached);
  bool clean = false;
  std::string failure;
  try {
    while (true) {
      auto message = co_await socket.read();
      if (!message) {
        clean = true;
        break;
      }
      auto work = [this, session, data = std::move(message->data)] { return handle(session, data.text()); };
      message.reset();
      Step step = co_await pool.run(std::move(work));
      if (step.client) session.client = std::move(*step.client);
      if (step.close_code != 0) session.peer->close(step.close_code, std::move(step.reason));
    }
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty()) {
    log::info("a client's connection has broken", {{"client", session.client}, {"error", failure}});
  }
  // Whatever ended the reader, the writer must not touch the socket once this function is over.
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await session.peer->finish();
  leave(session, clean);
}

AggregationServer::Impl::Step AggregationServer::Impl::handle(const Session& session, std::string_view text) {
  Step step;
  if (session.peer->closing()) return step;  // what comes before it has noticed counts for nothing
  auto frame = parse_frame(text, options.max_message);
  if (!frame) {
    step.close_code = kUnsupportedData;
    step.reason = frame.error().message();
    return step;
  }
  if (frame->type == "subscribe" && session.client.empty()) return subscribe(session, *frame);
  if (session.client.empty()) {
    step.close_code = kPolicyViolation;
    step.reason = "the first message must be of type subscribe";
    return step;
  }
  if (frame->type == "update_weight") {
    take_update(session, std::move(*frame), text.size());
    return step;
  }
  if (frame->type == "subscribe") {
    step.close_code = kPolicyViolation;
    step.reason = "this connection has subscribed already, as " + session.client;
    return step;
  }
  if (frame->type == "recv_weight" || frame->type == "CLIENT_JOIN" || frame->type == "update_refused") {
    log::warning("a client has sent a message that only the server sends; it is not passed on",
                 {{"client", session.client}, {"type", frame->type}});
    return step;
  }
  return pass_on(*frame, text.size());
}

AggregationServer::Impl::Step AggregationServer::Impl::subscribe(const Session& session, const Frame& frame) {
  Step step;
  std::string client = text_member(frame.members, "client_id");
  if (client.empty()) client = session.identity.empty() ? random_hex(16) : session.identity;
  const bool other = !session.identity.empty() && session.identity != client;
  if (other || client.size() > kMaxClientId) {
    step.close_code = kPolicyViolation;
    step.reason = other ? "this token or certificate is not " + client + "'s" : "the client_id is too long";
    return step;
  }
  const Bytes joined_text = Bytes::from_string(write_joined(client));
  const Bytes echo = text_of(frame.members);
  const std::lock_guard lock(mutex);
  if (over || stopping) {
    step.close_code = 1001;
    step.reason = machine.failure().empty() ? "the job is over" : machine.failure();
    return step;
  }
  const auto joined = machine.join(client, session.peer->connection(), integer_member(frame.members, "round_number"),
                                   SteadyClock::now(), SystemClock::now());
  if (joined.replaced) {
    // A restarted worker comes back under its name while the old connection looks alive: the newest one is right.
    const auto old = peers.find(client);
    if (old != peers.end()) {
      old->second->close(kPolicyViolation, "the same client has connected again");
      peers.erase(old);
    }
    members.erase(client);
  }
  broadcast_locked(joined_text);
  peers[client] = session.peer;
  broadcast_locked(echo);
  if (joined.behind) send_model_locked(session.peer);
  clients_gauge.set(static_cast<double>(peers.size()));
  log::info("a client has joined", {{"client", client},
                                    {"clients", peers.size()},
                                    {"again", joined.replaced ? 1 : 0},
                                    {"round", machine.closed_rounds() + 1}});
  collect_chosen_locked();
  changed.notify_all();
  step.client = std::move(client);
  return step;
}

bool AggregationServer::Impl::park_initial(const Session& session, Update& update, Offer& offer) {
  const std::lock_guard lock(mutex);
  if (!options.site || !wants_initial) return false;
  // What the first client begins with is what the job begins with; then this counts in round 1.
  if (!std::exchange(offered_initial, true)) offer_upwards(update.weights, session.client);
  parked.insert_or_assign(session.client, Parked{std::move(update), std::move(offer)});
  return true;
}

void AggregationServer::Impl::take_update(const Session& session, Frame frame, std::size_t bytes) {
  received_bytes.add(bytes);
  {
    const std::lock_guard lock(mutex);
    round_bytes += bytes;
  }
  RoundMachine::Verdict verdict;
  bool settled = true;
  if (frame.unusable) {
    verdict = refuse(session.client, *frame.unusable);
  } else {
    Offer offer;
    offer.client = session.client;
    offer.weight = samples_of(frame);
    offer.round = integer_member(frame.members, "round_number");
    {
      const std::lock_guard lock(mutex);
      if (asynchronous() && !offer.round) offer.round = session.peer->model_round + 1;
      verdict = machine.preview(offer, SteadyClock::now());
      if (verdict.outcome == RoundMachine::Outcome::kCommitted && verdict.staleness > 0 && *offer.round == 1) {
        // Whoever has no model of the job yet has begun with one of its own, and nobody knows which.
        verdict.outcome = RoundMachine::Outcome::kLate;
      }
      if (verdict.outcome == RoundMachine::Outcome::kCommitted ||
          verdict.outcome == RoundMachine::Outcome::kNotChosen) {
        envelope = std::move(frame.members);
      }
    }
    if (verdict.outcome == RoundMachine::Outcome::kCommitted || verdict.outcome == RoundMachine::Outcome::kNotChosen) {
      Update update{session.client, offer.weight, std::move(*frame.weights)};
      if (const auto usable = check(update); !usable) {
        verdict = refuse(session.client, usable.error());
      } else if (park_initial(session, update, offer)) {
        verdict.outcome = RoundMachine::Outcome::kNotChosen;
      } else if (verdict.outcome == RoundMachine::Outcome::kCommitted) {
        const auto done = commit_or_park(std::move(update), std::move(offer));
        settled = done.has_value();
        if (done) verdict = *done;
      } else {
        // It trains before it is asked: the conductor takes this if it is chosen yet. Otherwise the round's model is
        // its answer.
        const std::lock_guard lock(mutex);
        if (!offer.round) offer.round = verdict.round;
        if (verdict.round == machine.closed_rounds() + 1) {
          parked.insert_or_assign(session.client, Parked{std::move(update), std::move(offer)});
        }
      }
    }
  }
  const std::lock_guard lock(mutex);
  if (asynchronous()) {
    // It waits for a model now, and the one that its update is in may be out already.
    session.peer->waiting = true;
    if (model_round >= verdict.round) send_model_locked(session.peer);
  }
  switch (verdict.outcome) {
    case RoundMachine::Outcome::kCommitted:
    case RoundMachine::Outcome::kNotChosen:
      break;
    case RoundMachine::Outcome::kLate:
    case RoundMachine::Outcome::kFinished:
      send_model_locked(session.peer);
      break;
    case RoundMachine::Outcome::kDuplicate:
    case RoundMachine::Outcome::kConflict:
    case RoundMachine::Outcome::kRefused:
    case RoundMachine::Outcome::kQuarantined:
      session.peer->send(Bytes::from_string(
          write_refusal(session.client, outcome_name(verdict.outcome), verdict.reason, verdict.round)));
      break;
  }
  if (settled) count_update(verdict, session.client);
}

AggregationServer::Impl::Step AggregationServer::Impl::pass_on(const Frame& frame, std::size_t bytes) {
  Step step;
  if (bytes > kMaxPassedOn) {
    step.close_code = kTooBig;
    step.reason = "messages to other clients may have " + std::to_string(kMaxPassedOn) + " bytes";
    return step;
  }
  const Bytes text = text_of(frame.members);
  const std::lock_guard lock(mutex);
  broadcast_locked(text);
  return step;
}

void AggregationServer::Impl::leave(const Session& session, bool clean) {
  if (session.client.empty()) return;
  const std::lock_guard lock(mutex);
  machine.leave(session.client, session.peer->connection(), clean, SteadyClock::now());
  collect_chosen_locked();
  const auto it = peers.find(session.client);
  if (it == peers.end() || it->second != session.peer) return;
  peers.erase(it);
  clients_gauge.set(static_cast<double>(peers.size()));
  log::info("a client has left", {{"client", session.client}, {"clients", peers.size()}});
  changed.notify_all();
}

net::Task<serve::Response> AggregationServer::Impl::tell_clients(serve::Request& request) {
  std::string client;
  bool named = false;
  if (!request.body.empty()) {
    auto body = json::parse(request.body.text(), json::python_options());
    if (!body || !body->is_object()) {
      co_return serve::Response::json(422, R"({"detail":"the body must be a JSON object with client_id"})");
    }
    named = body->as_object().contains("client_id");
    client = text_member(body->as_object(), "client_id");
  }
  json::value answer;
  {
    const std::lock_guard lock(mutex);
    if (!named) {
      json::array names;
      for (const std::string& name : machine.connected()) names.emplace_back(name);
      answer = json::object{{"clients", std::move(names)}};
    } else if (const auto member = machine.member(client)) {
      json::object about;
      about["client_id"] = member->client;
      about["connected_at"] = unix_seconds(member->connected_at);
      about["info"] = nullptr;
      if (member->samples) {
        // Upstream counts in whole numbers; the weights it would tell here as well are not kept.
        const double samples = *member->samples;
        const auto whole = static_cast<std::int64_t>(std::min(samples, 9e15));
        about["info"] = json::object{};
        about["info"].as_object()["num_samples"] =
            static_cast<double>(whole) == samples ? json::value(whole) : json::value(samples);
      }
      answer = std::move(about);
    }
  }
  co_return serve::Response::json(200, json::write(answer));
}

}  // namespace sedna::federated
