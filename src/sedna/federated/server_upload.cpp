// Updates that come over HTTP: received piece by piece, resumed, checked, committed.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/base64.hpp"
#include "sedna/base/crc32c.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/federated/server_answers.hpp"
#include "sedna/federated/server_impl.hpp"

namespace sedna::federated {

using serve::Request;
using serve::Response;
using Outcome = RoundMachine::Outcome;

namespace {

constexpr auto kTouchEvery = std::chrono::seconds(5);
constexpr auto kWaitForMemory = std::chrono::seconds(5);

Response verdict_answer(const RoundMachine::Verdict& verdict, std::int64_t epoch) {
  int status = 200;
  switch (verdict.outcome) {
    case Outcome::kCommitted:
    case Outcome::kDuplicate:
      break;
    case Outcome::kConflict:
    case Outcome::kLate:
    case Outcome::kNotChosen:
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
  body["epoch"] = epoch;
  if (!verdict.reason.empty()) body["reason"] = verdict.reason;
  return answer(status, body);
}

Response offset_answer(int status, std::string_view result, std::uint64_t offset, std::uint64_t size) {
  json::object body;
  body["result"] = result;
  body["offset"] = offset;
  if (size > 0) body["size"] = size;
  Response response = answer(status, body);
  response.headers.set("Upload-Offset", std::to_string(offset));
  return response;
}

/// When the server could not take what came because there is no room, the client keeps it and comes again.
std::optional<Error> no_room(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kResourceExhausted) return error;
  } catch (...) {
    return std::nullopt;  // the caller has it
  }
  return std::nullopt;
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
  const auto first = whole_number(text.substr(0, dash));
  const auto last = whole_number(text.substr(dash + 1, slash - dash - 1));
  const auto total = whole_number(text.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *last + 1 != *total) return std::nullopt;
  return ContentRange{*first, *total};
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
      const char big[4] = {static_cast<char>(crc >> 24), static_cast<char>(crc >> 16), static_cast<char>(crc >> 8),
                           static_cast<char>(crc)};
      own = base64_encode({big, 4});
    } else if (part.starts_with("sha-256=")) {
      const std::string hex = sha256_hex(bytes.text());
      std::string raw;
      for (std::size_t i = 0; i < hex.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
        raw += static_cast<char>(byte);
      }
      own = base64_encode(raw);
    } else {
      continue;
    }
    if (own != value) {
      return Error(ErrorCode::kDataLoss, "is not that of the bytes that arrived", "Repr-Digest");
    }
  }
  return {};
}

/// What can be said of a coded update before its tensors are here.
Result<void> check_coded_header(std::string_view coded, const Codec& codec, const tensor::SafetensorsHeader& header,
                                const Manifest& manifest) {
  if (coded != codec.text()) {
    return Error(ErrorCode::kInvalidArgument, "is '" + std::string(coded) + "'; this job's is '" + codec.text() + "'",
                 "__metadata__.codec");
  }
  std::uint64_t plain = 65536;
  for (const auto& entry : manifest.tensors) {
    plain += tensor::element_count(entry.shape, tensor::dtype_size(entry.dtype)).value_or(0);
  }
  // Coded twice as large as uncoded, nothing has been coded.
  if (!manifest.set || header.data_size > 2 * plain) {
    return Error(ErrorCode::kInvalidArgument, "is larger than the model", "update");
  }
  return {};
}

}  // namespace

net::Task<Response> AggregationServer::Impl::upload_state(Request& request) {
  const auto round = whole_number(request.params[0]);
  if (!round) throw Error(ErrorCode::kInvalidArgument, "must be a round's number", "round");
  const std::string client = client_of(request, request.params[1]);
  const std::lock_guard lock(mutex);
  touch_locked(client);
  if (*round == 0 && !initial_wanted_locked()) co_return initial_answer_locked();
  const auto verdict = machine.preview({client, 0, {}, static_cast<std::int64_t>(*round)}, SteadyClock::now());
  if (*round > 0 && verdict.outcome != Outcome::kCommitted) co_return verdict_answer(verdict, epoch);
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
  const auto number = whole_number(request.params[0]);
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
      if (!initial_wanted_locked()) refusal = initial_answer_locked();
    } else {
      refusal = refuse_round_locked(client, round);
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
  if (broken) {
    const auto full = no_room(broken);
    if (!full) std::rethrow_exception(broken);
    Response refused = full_answer(*full);
    refused.close = true;  // the rest of the update is still under way
    co_return refused;
  }
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
  Response done;
  try {
    done = co_await pool.run(std::move(work));
  } catch (...) {
    broken = std::current_exception();  // rethrown once the client can send it again
  }
  {
    const std::lock_guard lock(mutex);
    if (const auto it = uploads.find(client); it != uploads.end() && it->second == upload) uploads.erase(it);
  }
  if (broken) {
    const auto full = no_room(broken);
    if (!full) std::rethrow_exception(broken);
    co_return full_answer(*full);
  }
  co_return done;
}

Response AggregationServer::Impl::full_answer(const Error& error) {
  {
    const std::lock_guard lock(mutex);
    stall_locked("an update", error.what());
  }
  constexpr int kInsufficientStorage = 507;
  Response response = answer(kInsufficientStorage, {{"result", "full"}, {"reason", error.what()}});
  response.headers.set("Retry-After", "1");
  return response;
}

std::optional<Response> AggregationServer::Impl::refuse_round_locked(const std::string& client, std::int64_t round) {
  // What the round begins with is not here yet.
  if (options.site && wants_initial) return offset_answer(409, "busy", 0, 0);
  auto verdict = machine.preview({client, 0, {}, round}, SteadyClock::now());
  if (round > machine.closed_rounds() + 1) {
    verdict.outcome = Outcome::kRefused;
    verdict.reason = "round " + std::to_string(round) + " has not begun; this is round " +
                     std::to_string(machine.closed_rounds() + 1);
  }
  if (verdict.outcome == Outcome::kCommitted) return std::nullopt;
  // Whether it is the same one that is in, or another, its bytes tell.
  if (verdict.outcome == Outcome::kDuplicate && round == machine.closed_rounds() + 1) return std::nullopt;
  count_update(verdict, client);
  return verdict_answer(verdict, epoch);
}

Response AggregationServer::Impl::refuse_upload(const std::string& client, const Error& reason) {
  const auto verdict = refuse(client, reason);
  count_update(verdict, client);
  const std::lock_guard lock(mutex);
  rejections[client] = verdict.reason;
  return verdict_answer(verdict, epoch);
}

Result<void> AggregationServer::Impl::check_upload_header(std::string_view header_text, std::uint64_t total,
                                                          const std::string& client, std::int64_t round) {
  const auto header = tensor::parse_safetensors_header(header_text);
  if (!header) return header.error();
  if (header->file_size() != total) {
    return Error(ErrorCode::kInvalidArgument,
                 "describes " + std::to_string(header->file_size()) + " bytes, the body has " + std::to_string(total),
                 "safetensors header");
  }
  Manifest known;
  {
    const std::lock_guard lock(mutex);
    known = manifest;
  }
  const auto info = read_update_info(header->metadata);
  if (!info) return info.error();
  const auto coded = tensor::find_metadata(header->metadata, "codec");
  const bool features = options.features && round > 0;
  const bool sum = is_partial_sum(header->metadata);
  if (const auto may = sum ? may_send_sums(client) : Result<void>(); !may) return may;
  if (sum && (round == 0 || coded)) {
    return Error(ErrorCode::kInvalidArgument, "is for rounds, and not coded", "__metadata__.sum");
  }
  auto fits = sum        ? check_partial_sum_header(*header, known)
              : features ? check_features_header(*header)
              : coded    ? check_coded_header(*coded, codec, *header, known)
                         : check_update_header(*header, known, round > 0 && rules.algorithm->needs_extra());
  if (!fits) return fits;
  if (info->round != round) return Error(ErrorCode::kInvalidArgument, "is not that of the path", "__metadata__.round");
  if (round > 0 && !(info->samples > 0)) {
    return Error(ErrorCode::kInvalidArgument, "must be above 0", "__metadata__.num_samples");
  }
  if ((!known.set || features) && total > options.max_message) {
    return Error(ErrorCode::kResourceExhausted,
                 "is larger than " + std::to_string(options.max_message) + " bytes" +
                     (known.set ? "" : ", and there is no model yet that says how large it should be"),
                 "update");
  }
  return {};
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
      const std::string_view text(reinterpret_cast<const char*>(head.data()) + 8, head.size() - 8);
      if (const auto fits = check_upload_header(text, total, client, round); !fits) wrong = fits.error();
    }
    if (wrong) co_return refuse_upload(client, *wrong);
    // To a file where it must be kept; else memory, for which it waits a moment (not reading is back-pressure enough),
    // and a file when a slow client holds that for long.
    bool in_memory = false;
    const bool kept = journal && options.durability == Durability::kUpdate && round > 0;
    if (!kept && total <= budget->size()) {
      // What is kept until the round's end gives nothing back meanwhile.
      const auto until = SteadyClock::now() + (rules.keeps_updates() ? SteadyClock::duration::zero() : kWaitForMemory);
      const auto timer = std::make_shared<net::asio::steady_timer>(request.executor);
      in_memory = budget->take(total);
      while (!in_memory && SteadyClock::now() < until) {
        budget->wake_when_returned(timer);
        in_memory = budget->take(total);
        if (in_memory) break;
        timer->expires_at(until);
        boost::system::error_code woken;
        co_await timer->async_wait(net::asio::redirect_error(net::asio::use_awaitable, woken));
        const net::asio::cancellation_state cancelled = co_await net::asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != net::asio::cancellation_type::none) {
          throw Error(ErrorCode::kAborted, "the client is gone");
        }
        in_memory = budget->take(total);
      }
    }
    auto staging = std::make_unique<Staging>(budget, total, in_memory, staging_folder);
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
  auto update = read_update(file, client);
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
  return verdict_answer(verdict, epoch);
}

Result<Update> AggregationServer::Impl::read_update(const Bytes& file, const std::string& client) {
  auto read = tensor::read_safetensors(file);
  if (!read) return read.error();
  if (is_partial_sum(read->header.metadata)) return read_partial_sum(file, client);
  if (options.features || !tensor::find_metadata(read->header.metadata, "codec")) return read_update_file(file, client);
  const auto info = read_update_info(read->header.metadata);
  if (!info) return info.error();
  std::shared_ptr<const Weights> base;
  {
    const std::lock_guard lock(mutex);
    base = beginning_locked(info->round);
  }
  if (!base) {
    return Error(ErrorCode::kInvalidArgument,
                 asynchronous() ? "is a change of a model that is not kept (any more)"
                                : "is a change of another model than the newest",
                 "update");
  }
  auto weights = decode_change(read->tensors, *base, codec);
  if (!weights) return weights.error();
  Update update;
  update.client = client;
  update.weight = info->samples;
  update.steps = info->steps;
  update.weights = std::move(*weights);
  return update;
}

Response AggregationServer::Impl::initial_answer_locked() const {
  // Who is told "late" drops its offer: not before the first one is on disk, for until then it may be needed.
  if (wants_initial && (installing_initial || offered_initial)) return offset_answer(409, "busy", 0, 0);
  return answer(409, {{"result", "late"}, {"reason", "the job has its initial model"}, {"round", 0}});
}

Response AggregationServer::Impl::take_initial(const std::string& client, Update update) {
  std::shared_ptr<OpenRound> round;
  {
    const std::lock_guard lock(mutex);
    if (!initial_wanted_locked() || machine.updates() > 0 || !open->idle()) return initial_answer_locked();
    if (options.site) {
      offered_initial = true;
      offer_upwards(update.weights, client);
      return answer(200, {{"result", "committed"}, {"round", 0}});
    }
    // The plan goes on asking for it: a client that came now and was sent to round 1 would begin with nothing, and
    // again with the model.
    installing_initial = true;
    round = open;
    round->sum.reset();
  }
  Model model;
  model.weights = std::move(update.weights);
  log::info("the initial model is that of a client", {{"client", client}});
  std::exception_ptr failed;
  try {
    install(std::move(model), {}, false, false);
  } catch (...) {
    failed = std::current_exception();  // rethrown once the next offer can be taken
  }
  {
    const std::lock_guard lock(mutex);
    installing_initial = false;
    if (failed) round->sum = std::make_unique<RoundSum>(rules, nullptr);
    if (!failed) changed_locked();
    changed.notify_all();
  }
  add_waiting(round);
  if (failed) std::rethrow_exception(failed);
  return answer(200, {{"result", "committed"}, {"round", 0}});
}

}  // namespace sedna::federated
