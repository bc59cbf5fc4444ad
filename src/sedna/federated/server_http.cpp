// The routes of AggregationServer for clients that speak HTTP:
//   POST …/join                          {"client": …}               the plan
//   GET  …/plan?client=&after=&wait=     long poll: answers when the plan's version is another than `after`
//   GET  …/models/{digest}               a model: safetensors; ETag, Range
//   PUT  …/rounds/{r}/updates/{client}   an update: safetensors; Content-Range resumes; round 0 is the initial model
//   GET  …/rounds/{r}/updates/{client}   how far it has come
//   POST …/rounds/{r}/updates/{client}/fetch   it lies in the object store (server_exchange.cpp)
//   POST …/leave                         {"client": …}
#include <algorithm>
#include <utility>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/log.hpp"
#include "sedna/federated/server_answers.hpp"
#include "sedna/federated/server_impl.hpp"
#include "sedna/serve/file_response.hpp"

namespace sedna::federated {

namespace asio = net::asio;
using serve::Request;
using serve::Response;
using Outcome = RoundMachine::Outcome;

namespace {

constexpr std::size_t kMaxClientId = 253;
constexpr auto kLongestWait = std::chrono::seconds(60);

std::string decoded(std::optional<std::string_view> raw) {
  if (!raw) return {};
  const auto text = net::percent_decode(*raw, true);
  return text ? *text : std::string();
}

}  // namespace

namespace {

std::string_view standing_name(RoundMachine::Standing standing) {
  switch (standing) {
    case RoundMachine::Standing::kExpected:
      return "expected";
    case RoundMachine::Standing::kCommitted:
      return "committed";
    case RoundMachine::Standing::kWaiting:
      return "waiting";
    case RoundMachine::Standing::kQuarantined:
      break;
  }
  return "quarantined";
}

void wake(const std::weak_ptr<asio::steady_timer>& weak) {
  if (auto timer = weak.lock()) {
    auto executor = timer->get_executor();
    asio::post(executor, [timer = std::move(timer)] { timer->cancel(); });
  }
}

}  // namespace

void AggregationServer::Impl::add_routes() {
  const std::string base = "/" + options.aggregation;
  const auto options_for = [](const char* name) {
    serve::RouteOptions o;
    o.metric_name = name;
    o.error_body = error_answer;
    return o;
  };
  server.route("POST", base + "/join", [this](Request& r) { return join(r); }, options_for("join"));
  server.route("POST", base + "/leave", [this](Request& r) { return leave_by_request(r); }, options_for("leave"));
  auto waiting = options_for("plan");
  waiting.long_lived = true;
  server.route("GET", base + "/plan", [this](Request& r) { return plan(r); }, std::move(waiting));
  auto download = options_for("models");
  download.long_lived = true;  // a slow link takes as long as it takes
  server.route("GET", base + "/models/{digest}", [this](Request& r) { return get_model(r); }, std::move(download));
  server.route(
      "GET", base + "/rounds/{round}/updates/{client}", [this](Request& r) { return upload_state(r); },
      options_for("update_state"));
  auto fetch = options_for("updates_fetch");
  fetch.long_lived = true;  // the object store takes as long as it takes
  server.route(
      "POST", base + "/rounds/{round}/updates/{client}/fetch", [this](Request& r) { return fetch_update(r); },
      std::move(fetch));
  auto upload = options_for("updates");
  upload.stream_body = true;
  upload.max_body = std::size_t{1} << 60;  // what the model says, and no more: see receive()
  server.route(
      "PUT", base + "/rounds/{round}/updates/{client}", [this](Request& r) { return put_update(r); },
      std::move(upload));
}

std::string AggregationServer::Impl::client_of(const Request& request, std::string_view named) const {
  std::string client(named);
  if (client.empty()) client = request.identity.name;
  if (client.empty() || client.size() > kMaxClientId) {
    throw Error(ErrorCode::kInvalidArgument, "must be a name of 1 to " + std::to_string(kMaxClientId) + " characters",
                "client");
  }
  if (!request.identity.name.empty() && request.identity.name != client) {
    throw Error(ErrorCode::kPermissionDenied, "this token or certificate is not " + client + "'s", "client");
  }
  return client;
}

void AggregationServer::Impl::touch_locked(const std::string& client) {
  if (left.contains(client)) return;
  const auto now = SteadyClock::now();
  const auto [it, fresh] = members.try_emplace(client);
  it->second.expires = now + options.lease;
  if (!fresh) return;
  it->second.connection = ++connections;
  const auto joined = machine.join(client, it->second.connection, std::nullopt, now, SystemClock::now());
  if (joined.replaced) {
    if (const auto old = peers.find(client); old != peers.end()) {
      old->second->close(1008, "the same client has connected again");
      peers.erase(old);
    }
  }
  clients_gauge.set(static_cast<double>(machine.connected().size()));
  log::info("a client has joined", {{"client", client},
                                    {"clients", machine.connected().size()},
                                    {"again", joined.replaced ? 1 : 0},
                                    {"round", machine.closed_rounds() + 1}});
  collect_chosen_locked();
  changed.notify_all();
}

void AggregationServer::Impl::expire_members_locked(SteadyClock::time_point now) {
  std::erase_if(left, [&](const auto& entry) { return entry.second <= now; });
  for (auto it = members.begin(); it != members.end();) {
    if (it->second.expires > now) {
      ++it;
      continue;
    }
    log::info("a client has not been heard of and counts as gone", {{"client", it->first}});
    machine.leave(it->first, it->second.connection, false, now);
    it = members.erase(it);
    clients_gauge.set(static_cast<double>(machine.connected().size()));
  }
  collect_chosen_locked();
}

void AggregationServer::Impl::changed_locked() {
  ++plan_version;
  for (const auto& [client, weak] : std::exchange(plan_waiters, {})) wake(weak);
}

std::string AggregationServer::Impl::plan_text_locked(const std::string& client) const {
  json::object plan;
  plan["epoch"] = epoch;
  plan["version"] = std::to_string(epoch) + "-" + std::to_string(plan_version);
  const auto phase = machine.phase();
  // Between a round's close and its model the round is not over for clients: neither a next one nor an end to go by.
  const bool closing = model_round < machine.closed_rounds() && phase != RoundMachine::Phase::kFailed;
  plan["phase"] = phase == RoundMachine::Phase::kFailed                   ? "failed"
                  : !closing && phase != RoundMachine::Phase::kCollecting ? "finished"
                  : wants_initial                                         ? "initial"
                                                                          : "collecting";
  if (phase == RoundMachine::Phase::kFailed) plan["reason"] = machine.failure();
  if (!stalled.empty()) plan["stalled"] = stalled;
  plan["round"] = model_round + 1;
  plan["rounds"] = options.rounds.exit_round;
  plan["model"] = nullptr;
  if (published && !published->none) {
    json::object model;
    model["round"] = published->model->round;
    model["digest"] = published->digest;
    model["url"] = "/" + options.aggregation + "/models/" + published->digest;
    model["bytes"] = published->size;
    model["samples"] = published->total_weight;
    model["last"] = published->last;
    plan["model"] = std::move(model);
  }
  json::object algorithm;
  algorithm["name"] = rules.algorithm->name();
  json::object parameters;
  for (const auto& [name, value] : rules.algorithm->for_clients()) parameters[name] = value;
  algorithm["parameters"] = std::move(parameters);
  algorithm["extra"] = rules.algorithm->needs_extra();
  algorithm["steps"] = rules.algorithm->needs_steps();
  plan["algorithm"] = std::move(algorithm);
  if (rules.composes() && !machine.chooses()) {
    json::object sum;
    sum["kind"] = rules.strict ? "strict" : "mean";
    if (rules.clip) sum["clip"] = rules.clip_text;
    if (rules.privacy || rules.alike) sum["alike"] = true;
    plan["sum"] = std::move(sum);
  }
  plan["codec"] = codec.text();
  if (const auto deadline = machine.deadline()) {
    plan["deadline_seconds"] = std::chrono::duration<double>(*deadline - SteadyClock::now()).count();
  }
  plan["you"] = left.contains(client) ? "left" : closing ? "closing" : standing_name(machine.standing(client));
  plan["committed"] = machine.committed().size();
  plan["participants"] = machine.options().participants;
  if (machine.chooses()) plan["chosen"] = chosen.size();
  if (const auto staleness = machine.options().max_staleness) plan["max_staleness"] = *staleness;
  return json::write(plan);
}

net::Task<Response> AggregationServer::Impl::join(Request& request) {
  auto body = json::parse(request.body.text());
  if (!body) throw Error(body.error());
  const auto object = json::as_object(*body);
  if (!object) throw Error(object.error());
  const std::string client = client_of(request, text_member(**object, "client"));
  const auto* const site = (*object)->if_contains("site");
  if (site != nullptr && site->is_bool() && site->as_bool()) {
    if (const auto may = may_send_sums(client); !may) throw Error(may.error());
  }
  const std::lock_guard lock(mutex);
  if (stopping) throw Error(ErrorCode::kUnavailable, "the server is going away");
  left.erase(client);
  touch_locked(client);
  co_return Response::json(200, plan_text_locked(client));
}

net::Task<Response> AggregationServer::Impl::leave_by_request(Request& request) {
  auto body = json::parse(request.body.text());
  if (!body) throw Error(body.error());
  const auto object = json::as_object(*body);
  if (!object) throw Error(object.error());
  const std::string client = client_of(request, text_member(**object, "client"));
  {
    const std::lock_guard lock(mutex);
    const auto it = members.find(client);
    if (it != members.end()) {
      machine.leave(client, it->second.connection, true, SteadyClock::now());
      members.erase(it);
      left[client] = SteadyClock::now() + options.lease;
      collect_chosen_locked();
      clients_gauge.set(static_cast<double>(machine.connected().size()));
      log::info("a client has left", {{"client", client}, {"clients", machine.connected().size()}});
    }
    // Its question for news ends too.
    for (const auto& [name, timer] : plan_waiters) {
      if (name == client) wake(timer);
    }
    changed.notify_all();
  }
  co_return answer(200, {{"result", "left"}});
}

net::Task<Response> AggregationServer::Impl::plan(Request& request) {
  const std::string client = client_of(request, decoded(request.query("client")));
  const std::string after = decoded(request.query("after"));
  const double seconds = static_cast<double>(whole_number(decoded(request.query("wait"))).value_or(0));
  const auto wait = std::min(std::chrono::duration<double>(seconds), std::chrono::duration<double>(kLongestWait));
  const auto until = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(wait);
  const auto timer = std::make_shared<asio::steady_timer>(request.executor);
  {
    const std::lock_guard lock(mutex);
    if (!stopping) touch_locked(client);
  }
  while (true) {
    {
      const std::lock_guard lock(mutex);
      const std::string version = std::to_string(epoch) + "-" + std::to_string(plan_version);
      if (stopping) throw Error(ErrorCode::kUnavailable, "the server is going away");
      const auto member = members.find(client);
      if (version != after || over || member == members.end() || SteadyClock::now() >= until) {
        co_return Response::json(200, plan_text_locked(client));
      }
      // While it waits it is there.
      member->second.expires = until + options.lease;
      std::erase_if(plan_waiters, [](const auto& waiter) { return waiter.second.expired(); });
      plan_waiters.emplace_back(client, timer);
    }
    // changed_locked() posts its cancel() behind us on this executor: it cannot be missed.
    timer->expires_at(until);
    boost::system::error_code woken;
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, woken));
    const asio::cancellation_state cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) {
      // Nobody reads this, or one who is to come again.
      throw Error(ErrorCode::kUnavailable, "the connection ends");
    }
  }
}

net::Task<Response> AggregationServer::Impl::get_model(Request& request) {
  const std::string digest = request.params.front();
  std::shared_ptr<const Published> model;
  {
    const std::lock_guard lock(mutex);
    const auto is_it = [&](const std::shared_ptr<const Published>& candidate) {
      return candidate && !candidate->none && (candidate->digest == digest || digest == "latest");
    };
    if (is_it(published)) {
      model = published;
    } else if (is_it(before)) {
      model = before;
    } else if (const auto old = std::ranges::find_if(history, [&](const auto& e) { return is_it(e.second); });
               old != history.end()) {
      model = old->second;
    }
  }
  if (!model) throw Error(ErrorCode::kNotFound, "is no model that is served here (any more)", digest);
  Response response;
  const std::string etag = "\"" + model->digest + "\"";
  response.headers.add("ETag", etag);
  response.headers.add("Accept-Ranges", "bytes");
  response.headers.add("Sedna-Round", std::to_string(model->model->round));
  if (const auto known = request.headers.find("If-None-Match"); known && serve::etag_matches(*known, etag)) {
    response.status = 304;
    co_return response;
  }
  response.headers.add("Content-Type", "application/octet-stream");
  serve::ByteRange range{0, model->size};
  const auto wanted = request.headers.find("Range");
  const auto if_range = request.headers.find("If-Range");
  if (wanted && request.method == "GET" && (!if_range || *if_range == etag)) {
    if (const auto parsed = serve::parse_range(*wanted, model->size)) {
      if (parsed->count == 0) {
        response.status = 416;
        response.headers.add("Content-Range", "bytes */" + std::to_string(model->size));
        co_return response;
      }
      range = *parsed;
      response.status = 206;
      response.headers.add("Content-Range", "bytes " + std::to_string(range.offset) + "-" +
                                                std::to_string(range.offset + range.count - 1) + "/" +
                                                std::to_string(model->size));
    }
  }
  std::uint64_t at = 0;
  for (const Bytes& part : model->parts) {
    const std::uint64_t first = std::max(at, range.offset);
    const std::uint64_t last = std::min(at + part.size(), range.offset + range.count);
    if (first < last) {
      response.body.push_back(part.slice(static_cast<std::size_t>(first - at), static_cast<std::size_t>(last - first)));
    }
    at += part.size();
  }
  sent_bytes.add(range.count);
  const std::lock_guard lock(mutex);
  round_bytes_sent += range.count;
  co_return response;
}

}  // namespace sedna::federated
