// The routes of AggregationServer for clients that speak HTTP:
//   POST …/join                          {"client": …}               the plan
//   GET  …/plan?client=&after=&wait=     long poll: answers when the plan's version is another than `after`
//   GET  …/models/{digest}               a model: safetensors; ETag, Range
//   PUT  …/rounds/{r}/updates/{client}   an update: safetensors; Content-Range resumes; round 0 is the initial model
//   GET  …/rounds/{r}/updates/{client}   how far it has come
//   POST …/leave                         {"client": …}
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/crc32c.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
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
constexpr auto kTouchEvery = std::chrono::seconds(5);

Response answer(int status, json::object body) {
  return Response::json(status, json::write(body));
}

Response verdict_answer(const RoundMachine::Verdict& verdict) {
  int status = 200;
  switch (verdict.outcome) {
    case Outcome::kCommitted:
    case Outcome::kDuplicate:
      break;
    case Outcome::kConflict:
    case Outcome::kLate:
      status = 409;
      break;
    case Outcome::kFinished:
      status = 410;
      break;
    case Outcome::kRefused:
      status = 422;
      break;
    case Outcome::kQuarantined:
      status = 403;
      break;
  }
  json::object body;
  body["result"] = outcome_name(verdict.outcome);
  body["round"] = verdict.round;
  if (!verdict.reason.empty()) body["reason"] = verdict.reason;
  return answer(status, std::move(body));
}

Response offset_answer(int status, std::string_view result, std::uint64_t offset, std::uint64_t size) {
  json::object body;
  body["result"] = result;
  body["offset"] = offset;
  if (size > 0) body["size"] = size;
  Response response = answer(status, std::move(body));
  response.headers.set("Upload-Offset", std::to_string(offset));
  return response;
}

std::optional<std::uint64_t> whole(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t total = 0;
};
/// "bytes 100-199/200", and it must end where the whole does.
std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = whole(text.substr(0, dash));
  const auto last = whole(text.substr(dash + 1, slash - dash - 1));
  const auto total = whole(text.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *last + 1 != *total) return std::nullopt;
  return ContentRange{*first, *total};
}

std::string base64(std::span<const std::byte> bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) word = (word << 8) | (k < n ? static_cast<std::uint32_t>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? kDigits[(word >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

/// Repr-Digest (RFC 9530) with crc32c or sha-256, against the bytes. Other algorithms are passed over.
Result<void> check_digest(std::string_view field, std::uint32_t crc, const Bytes& bytes) {
  while (!field.empty()) {
    const std::size_t comma = field.find(',');
    std::string_view part = field.substr(0, comma);
    field = comma == std::string_view::npos ? std::string_view() : field.substr(comma + 1);
    while (part.starts_with(' ')) part.remove_prefix(1);
    const std::size_t equals = part.find("=:");
    if (equals == std::string_view::npos || !part.ends_with(':') || part.size() < equals + 3) continue;
    const std::string_view value = part.substr(equals + 2, part.size() - equals - 3);
    std::string own;
    if (part.starts_with("crc32c=")) {
      const std::byte big[4] = {std::byte(crc >> 24), std::byte(crc >> 16), std::byte(crc >> 8), std::byte(crc)};
      own = base64(big);
    } else if (part.starts_with("sha-256=")) {
      const std::string hex = sha256_hex(bytes.text());
      std::vector<std::byte> raw;
      for (std::size_t i = 0; i < hex.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
        raw.push_back(static_cast<std::byte>(byte));
      }
      own = base64(raw);
    } else {
      continue;
    }
    if (own != value) {
      return Error(ErrorCode::kDataLoss, "is not that of the bytes that arrived", "Repr-Digest");
    }
  }
  return {};
}

Response error_answer(int status, const Error& error) {
  json::object body;
  body["error"] = error.what();
  return answer(status, std::move(body));
}

std::string decoded(std::optional<std::string_view> raw) {
  if (!raw) return {};
  const auto text = net::percent_decode(*raw, true);
  return text ? *text : std::string();
}

}  // namespace

namespace {

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
  server.route("GET", base + "/rounds/{round}/updates/{client}", [this](Request& r) { return upload_state(r); },
               options_for("update_state"));
  auto upload = options_for("updates");
  upload.stream_body = true;
  upload.max_body = std::size_t{1} << 60;  // what the model says, and no more: see receive()
  server.route("PUT", base + "/rounds/{round}/updates/{client}", [this](Request& r) { return put_update(r); },
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
  changed.notify_all();
}

void AggregationServer::Impl::expire_members_locked(SteadyClock::time_point now) {
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
  plan["phase"] = phase == RoundMachine::Phase::kFailed   ? "failed"
                  : phase != RoundMachine::Phase::kCollecting ? "finished"
                  : wants_initial                             ? "initial"
                                                              : "collecting";
  if (phase == RoundMachine::Phase::kFailed) plan["reason"] = machine.failure();
  plan["round"] = machine.closed_rounds() + 1;
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
  if (const auto deadline = machine.deadline()) {
    plan["deadline_seconds"] = std::chrono::duration<double>(*deadline - SteadyClock::now()).count();
  }
  const auto& done = machine.committed();
  const bool committed = std::ranges::find(done, client, &Offer::client) != done.end();
  plan["you"] = committed ? "committed" : machine.quarantined(client) ? "quarantined" : "expected";
  plan["committed"] = done.size();
  plan["participants"] = options.rounds.participants;
  return json::write(plan);
}

net::Task<Response> AggregationServer::Impl::join(Request& request) {
  auto body = json::parse(request.body.text());
  if (!body) throw Error(body.error());
  const auto object = json::as_object(*body);
  if (!object) throw Error(object.error());
  const std::string client = client_of(request, text_member(**object, "client"));
  const std::lock_guard lock(mutex);
  if (stopping) throw Error(ErrorCode::kUnavailable, "the server is going away");
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
  const double seconds = static_cast<double>(whole(decoded(request.query("wait"))).value_or(0));
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
      throw Error(ErrorCode::kAborted, "the client is gone");
    }
  }
}

net::Task<Response> AggregationServer::Impl::get_model(Request& request) {
  const std::string digest = request.params.front();
  std::shared_ptr<const Published> model;
  {
    const std::lock_guard lock(mutex);
    for (const auto& candidate : {published, before}) {
      if (candidate && !candidate->none && (candidate->digest == digest || digest == "latest")) {
        model = candidate;
        break;
      }
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
      response.body.push_back(
          part.slice(static_cast<std::size_t>(first - at), static_cast<std::size_t>(last - first)));
    }
    at += part.size();
  }
  sent_bytes.add(range.count);
  const std::lock_guard lock(mutex);
  round_bytes_sent += range.count;
  co_return response;
}

net::Task<Response> AggregationServer::Impl::upload_state(Request& request) {
  const auto round = whole(request.params[0]);
  if (!round) throw Error(ErrorCode::kInvalidArgument, "must be a round's number", "round");
  const std::string client = client_of(request, request.params[1]);
  const std::lock_guard lock(mutex);
  touch_locked(client);
  const auto verdict =
      machine.preview({client, 0, {}, static_cast<std::int64_t>(*round)}, SteadyClock::now());
  if (*round > 0 && verdict.outcome != Outcome::kCommitted) co_return verdict_answer(verdict);
  const auto it = uploads.find(client);
  if (it == uploads.end() || it->second->round != static_cast<std::int64_t>(*round) || !it->second->staging) {
    const auto rejected = rejections.find(client);
    Response response = offset_answer(200, "none", 0, 0);
    if (rejected != rejections.end()) {
      response = answer(200, {{"result", "none"}, {"offset", 0}, {"rejected", rejected->second}});
    }
    co_return response;
  }
  co_return offset_answer(200, it->second->busy ? "busy" : "partial", it->second->staging->received(),
                          it->second->staging->size());
}

net::Task<Response> AggregationServer::Impl::put_update(Request& request) {
  const auto number = whole(request.params[0]);
  if (!number || *number > 1'000'000'000) {
    throw Error(ErrorCode::kInvalidArgument, "must be a round's number", "round");
  }
  const auto round = static_cast<std::int64_t>(*number);
  const std::string client = client_of(request, request.params[1]);
  const auto length = request.stream->content_length();
  if (!length || *length == 0) {
    Response refusal = error_answer(411, Error(ErrorCode::kInvalidArgument, "is needed", "Content-Length"));
    refusal.close = true;
    co_return refusal;
  }
  ContentRange range{0, *length};
  if (const auto field = request.headers.find("Content-Range")) {
    const auto parsed = parse_content_range(*field);
    if (!parsed || parsed->total - parsed->first != *length) {
      throw Error(ErrorCode::kInvalidArgument, "must be 'bytes first-last/size' up to the update's end",
                  "Content-Range");
    }
    range = *parsed;
  }
  std::shared_ptr<Upload> upload;
  std::optional<Response> refusal;
  {
    const std::lock_guard lock(mutex);
    touch_locked(client);
    if (round == 0) {
      if (!wants_initial) {
        refusal = answer(409, {{"result", "late"}, {"reason", "the job has its initial model"}, {"round", 0}});
      }
    } else {
      auto verdict = machine.preview({client, 0, {}, round}, SteadyClock::now());
      if (round > machine.closed_rounds() + 1) {
        verdict.outcome = Outcome::kRefused;
        verdict.reason = "round " + std::to_string(round) + " has not begun; this is round " +
                         std::to_string(machine.closed_rounds() + 1);
      }
      if (verdict.outcome != Outcome::kCommitted) {
        refusal = verdict_answer(verdict);
        count_update(verdict, client);
      }
    }
    const auto it = uploads.find(client);
    if (!refusal && range.first > 0) {
      Upload* const old = it == uploads.end() ? nullptr : it->second.get();
      const bool same = old != nullptr && old->round == round && old->staging && old->staging->size() == range.total;
      if (!same || old->busy || old->staging->received() != range.first) {
        const std::uint64_t at = same ? old->staging->received() : 0;
        refusal = offset_answer(409, same && old->busy ? "busy" : "offset", at, same ? range.total : 0);
      } else {
        upload = it->second;
      }
    } else if (!refusal) {
      upload = std::make_shared<Upload>();
      upload->round = round;
      uploads[client] = upload;
    }
    if (upload) upload->busy = true;
  }
  if (refusal) {
    refusal->close = *length > 65536;
    co_return std::move(*refusal);
  }
  if (range.first == 0) range.total = *length;
  std::optional<Response> early;
  std::exception_ptr broken;
  try {
    early = co_await receive(request, client, round, upload);
  } catch (...) {
    broken = std::current_exception();  // rethrown once the upload can be resumed
  }
  {
    const std::lock_guard lock(mutex);
    upload->busy = false;
    if (early) {
      if (const auto it = uploads.find(client); it != uploads.end() && it->second == upload) uploads.erase(it);
    }
  }
  if (broken) std::rethrow_exception(broken);
  if (early) {
    early->close = true;
    co_return std::move(*early);
  }
  const std::string digest(request.headers.get("Repr-Digest"));
  auto work = [this, client, round, upload, digest] { return finish_upload(client, round, *upload->staging, digest); };
  {
    const std::lock_guard lock(mutex);
    upload->busy = true;  // nobody resumes what is whole
  }
  Response done = co_await pool.run(std::move(work));
  {
    const std::lock_guard lock(mutex);
    if (const auto it = uploads.find(client); it != uploads.end() && it->second == upload) uploads.erase(it);
  }
  co_return done;
}

net::Task<std::optional<Response>> AggregationServer::Impl::receive(Request& request, const std::string& client,
                                                                    std::int64_t round,
                                                                    std::shared_ptr<Upload> upload) {
  serve::BodyReader& body = *request.stream;
  if (!upload->staging) {
    // The header first: what does not fit is refused before its tensors are sent.
    const std::uint64_t total = *body.content_length();
    std::vector<std::byte> head(8);
    std::size_t have = 0;
    std::optional<Error> wrong;
    while (have < head.size()) {
      const std::size_t n = co_await body.read(std::span(head).subspan(have));
      if (n == 0) break;
      have += n;
      if (have == 8 && head.size() == 8) {
        const auto size = tensor::safetensors_header_size(head);
        if (!size) {
          wrong = size.error();
          break;
        }
        if (*size + 8 > total) {
          wrong = Error(ErrorCode::kInvalidArgument, "is longer than the body", "safetensors header");
          break;
        }
        head.resize(static_cast<std::size_t>(*size + 8));
      }
    }
    if (!wrong && have < head.size()) wrong = Error(ErrorCode::kInvalidArgument, "is cut off", "safetensors header");
    if (!wrong) {
      const auto header =
          tensor::parse_safetensors_header({reinterpret_cast<const char*>(head.data()) + 8, head.size() - 8});
      if (!header) {
        wrong = header.error();
      } else if (header->file_size() != total) {
        wrong = Error(ErrorCode::kInvalidArgument,
                      "describes " + std::to_string(header->file_size()) + " bytes, the body has " +
                          std::to_string(total),
                      "safetensors header");
      } else {
        Manifest known;
        {
          const std::lock_guard lock(mutex);
          known = manifest;
        }
        const auto info = read_update_info(header->metadata);
        const auto fits = check_update_header(*header, known, round > 0 && rules.algorithm->needs_extra());
        if (!info) {
          wrong = info.error();
        } else if (!fits) {
          wrong = fits.error();
        } else if (info->round != round) {
          wrong = Error(ErrorCode::kInvalidArgument, "is not that of the path", "__metadata__.round");
        } else if (round > 0 && !(info->samples > 0)) {
          wrong = Error(ErrorCode::kInvalidArgument, "must be above 0", "__metadata__.num_samples");
        } else if (!known.set && total > options.max_message) {
          wrong = Error(ErrorCode::kResourceExhausted,
                        "is larger than " + std::to_string(options.max_message) +
                            " bytes, and there is no model yet that says how large it should be",
                        "update");
        }
      }
    }
    if (wrong) {
      const auto verdict = refuse(client, *wrong);
      count_update(verdict, client);
      const std::lock_guard lock(mutex);
      rejections[client] = verdict.reason;
      co_return verdict_answer(verdict);
    }
    const bool to_file = journal && options.durability == Durability::kUpdate && round > 0;
    auto staging = std::make_unique<Staging>(budget, total, to_file, staging_folder);
    for (std::size_t at = 0; at < head.size();) {
      const auto room = staging->room();
      const std::size_t n = std::min(room.size(), head.size() - at);
      std::copy_n(head.begin() + static_cast<std::ptrdiff_t>(at), n, room.begin());
      staging->filled(n);
      at += n;
    }
    const std::lock_guard lock(mutex);
    upload->staging = std::move(staging);
  }
  Staging& staging = *upload->staging;
  auto touched = SteadyClock::now();
  std::uint64_t counted = 0;
  while (staging.received() < staging.size()) {
    const std::size_t n = co_await body.read(staging.room());
    if (n == 0) throw Error(ErrorCode::kAborted, "the client broke off while it sent the update");
    const auto now = SteadyClock::now();
    if (now - touched > kTouchEvery) {
      const std::lock_guard lock(mutex);
      touch_locked(client);
      touched = now;
    }
    staging.filled(n);
    counted += n;
  }
  received_bytes.add(counted);
  const std::lock_guard lock(mutex);
  round_bytes += counted;
  co_return std::nullopt;
}

Response AggregationServer::Impl::finish_upload(const std::string& client, std::int64_t round, Staging& staging,
                                                const std::string& digest) {
  const Bytes file = staging.take();
  const std::uint32_t crc = crc32c(0, file.span());
  RoundMachine::Verdict verdict;
  if (const auto same = check_digest(digest, crc, file); !same) {
    // The client did nothing wrong: it sends again.
    return error_answer(400, same.error());
  }
  auto update = read_update_file(file, client);
  const auto usable = !update      ? Result<void>(update.error())
                      : round == 0 ? check_update(*update, Manifest())
                                   : check(*update);
  if (!usable && round == 0) return error_answer(422, usable.error());
  if (!usable) {
    verdict = refuse(client, usable.error());
    const std::lock_guard lock(mutex);
    rejections[client] = verdict.reason;
  } else if (round == 0) {
    return take_initial(client, std::move(*update));
  } else {
    char text[48];
    std::snprintf(text, sizeof text, "crc32c:%08x:%zu", crc, file.size());
    auto read = tensor::parse_safetensors_header(
        file.text().substr(8, static_cast<std::size_t>(*tensor::safetensors_header_size(file.span().first(8)))));
    Offer offer{client, update->weight, text, round, read_update_info(read->metadata)->metrics};
    verdict = commit(std::move(*update), std::move(offer), &staging);
  }
  count_update(verdict, client);
  return verdict_answer(verdict);
}

Response AggregationServer::Impl::take_initial(const std::string& client, Update update) {
  std::shared_ptr<OpenRound> round;
  {
    const std::lock_guard lock(mutex);
    if (!wants_initial || machine.updates() > 0 || !open->idle()) {
      return answer(409, {{"result", "late"}, {"reason", "the job has its initial model"}, {"round", 0}});
    }
    wants_initial = false;
    round = open;
    round->sum.reset();
  }
  Model model;
  model.weights = std::move(update.weights);
  log::info("the initial model is that of a client", {{"client", client}});
  install(std::move(model), {}, false);
  {
    const std::lock_guard lock(mutex);
    changed_locked();
  }
  add_waiting(round);
  return answer(200, {{"result", "committed"}, {"round", 0}});
}

}  // namespace sedna::federated
