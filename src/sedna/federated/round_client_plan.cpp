// RoundClient's poller: asks for news and fetches models.
#include <charconv>
#include <utility>

#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/federated/client_options.hpp"
#include "sedna/federated/round_client_impl.hpp"
#include "sedna/federated/staging.hpp"
#include "sedna/federated/update_file.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

namespace {

constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr auto kAnswer = std::chrono::seconds(30);
constexpr auto kTransfer = std::chrono::hours(24);  ///< the server's lack of progress ends it much earlier
constexpr std::size_t kMaxReason = 4096;

/// Whether trying again could not help.
bool lasting(int status) {
  return status == 400 || status == 401 || status == 403 || status == 404 || status == 405;
}

}  // namespace

void RoundClient::Impl::poll() {
  Retries retries(kFirstPause, options.connect_timeout, SteadyClock::now());
  bool broken = false;
  while (!closing) {
    std::string failure;
    const bool heard = poll_once(failure);
    if (ended()) return;
    const auto now = SteadyClock::now();
    if (heard) {
      if (broken) {
        const std::lock_guard lock(mutex);
        ++reconnects;
      }
      broken = false;
      retries.reached(now);
      continue;
    }
    if (closing) return;
    if (!broken) {
      const char* const what =
          was_up() ? "the aggregation server does not answer" : "waiting for the aggregation server";
      log::warning(what, {{"origin", options.origin}, {"error", failure}});
    }
    broken = true;
    const auto pause = retries.next(now);
    if (!pause) {
      end(Error(ErrorCode::kDeadlineExceeded, "no answer within the connect timeout: " + failure, options.origin));
      return;
    }
    std::unique_lock lock(mutex);
    changed.wait_for(lock, *pause, [this] { return closing.load(); });
  }
}

bool RoundClient::Impl::poll_once(std::string& failure) {
  std::string after;
  bool joined = false;
  {
    const std::lock_guard lock(mutex);
    if (plan) after = plan->version;
    joined = plan && plan->you != "left";
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options.poll).count();
  const std::string target = path("/plan?client=") + net::percent_encode(options.client_id) +
                             "&after=" + net::percent_encode(after) +
                             "&wait=" + std::to_string(after.empty() ? 0 : seconds);
  // Who has left comes back only by saying so: a process that ends may have a question under way behind its goodbye.
  const auto outcome = joined ? call("GET", target, {}, options.poll + kAnswer) : call_about_me("/join", kAnswer);
  if (!outcome.response) {
    failure = outcome.failure->error.what();
    if (outcome.failure->error.code() == ErrorCode::kUnauthenticated) end(outcome.failure->error);
    return false;
  }
  if (outcome.response->status != 200) {
    failure = "status " + std::to_string(outcome.response->status) + ": " + reason_in(*outcome.response);
    if (lasting(outcome.response->status)) {
      end(Error(error_code_from_http(outcome.response->status), failure, options.origin + path("")));
    }
    return false;
  }
  received += outcome.response->body.size();
  auto fresh = read_round_plan(outcome.response->body.text());
  if (!fresh) {
    end(fresh.error());
    return false;
  }
  return act(std::move(*fresh), failure);
}

std::string RoundClient::Impl::reason_in(const net::HttpResponse& response) {
  const auto parsed = json::parse(response.body.text());
  if (parsed && parsed->is_object()) {
    for (const char* key : {"reason", "error", "detail"}) {
      if (auto text = json_text(parsed->as_object(), key); !text.empty()) return text;
    }
  }
  return std::string(response.body.text().substr(0, kMaxReason));
}

bool RoundClient::Impl::act(RoundPlan fresh, std::string& failure) {
  if (fresh.phase == "failed") {
    end(Error(ErrorCode::kAborted, "the job has failed: " + fresh.reason, options.origin));
    return true;
  }
  std::optional<Model> model;
  bool have = false;
  {
    const std::lock_guard lock(mutex);
    // A server that began again without its state counts from 1: then its model is news whatever its number.
    have = fresh.model_round < 0 || fresh.model_digest == model_digest;
    // Who does not train now takes the model that is newest when it does: see next().
    const bool later = fresh.asynchronous || fresh.you == "waiting" || fresh.you == "closing";
    if (later && fresh.phase != "finished") have = true;
  }
  if (!have) {
    model = download(fresh, failure);
    if (!model) return false;
  }
  const std::lock_guard lock(mutex);
  settle_by_plan_locked(fresh);
  const bool news = !plan || model || plan->phase != fresh.phase || plan->round != fresh.round;
  plan = std::move(fresh);
  if (model) take_model_locked(std::move(*model), plan->model_digest);
  if (news) task_due = plan->phase != "initial";
  changed.notify_all();
  return true;
}

void RoundClient::Impl::settle_by_plan_locked(const RoundPlan& fresh) {
  if (!pending) return;
  if (pending->round == 0) {
    // The offer of an initial model. It is kept as long as the job has none, however often it was sent.
    if (fresh.phase != "initial") pending->done = true;
    if (fresh.phase == "initial" && pending->committed) pending->done = pending->committed = false;
    return;
  }
  const bool its_round = fresh.round == pending->round;
  if (fresh.phase == "finished" || (!its_round && !fresh.asynchronous)) pending->done = true;
  if (!its_round && !fresh.asynchronous) return;
  // A server that was started again may have lost it.
  if (fresh.you == "committed" && its_round) {
    pending->done = pending->committed = true;
    pending->into = fresh.round;
    pending->epoch = fresh.epoch;
  }
  const bool published = pending->into > 0 && fresh.round > pending->into;
  // And if rounds were made since, it cannot tell us so: it is asked again, and counts nothing twice. The same server
  // loses nothing: a plan of its that does not know of the update yet was written before it came.
  const bool lost = fresh.you == "expected" && !published;
  const bool forgotten = fresh.asynchronous && fresh.you != "committed";
  if (pending->committed && fresh.phase != "finished" && pending->epoch != fresh.epoch && (lost || forgotten)) {
    pending->done = pending->committed = false;
    pending->into = 0;
  }
}

bool RoundClient::Impl::due_locked() const {
  if (!plan || !task_due) return false;
  if (plan->phase == "finished") return true;
  // For others, or about to be the next one's turn.
  if (plan->you == "waiting" || plan->you == "closing" || plan->you == "left") return false;
  if (!plan->asynchronous || !pending || pending->round == 0) return true;
  // What was trained before goes out first, and what is committed waits for the model that it is in.
  if (!pending->done || pending->over) return false;
  return pending->committed ? plan->round > pending->into : plan->round > pending->round;
}

void RoundClient::Impl::take_model_locked(Model model, const std::string& digest) {
  model_digest = digest;
  newest = std::make_shared<const Model>(std::move(model));
}

std::optional<Model> RoundClient::Impl::download_from_store(const RoundPlan& fresh) {
  if (!exchange) return std::nullopt;
  constexpr std::uint64_t kAnySize = std::uint64_t{1} << 50;  // the digest says whether it is the one
  try {
    const auto file = exchange->get(Exchange::model_name(fresh.model_digest), kAnySize, fresh.model_digest,
                                    std::filesystem::temp_directory_path());
    const Bytes bytes = map_file(file);
    std::error_code ignored;  // an unlinked file's pages stay as long as they are mapped
    std::filesystem::remove(file, ignored);
    received += bytes.size();
    Model model = read_model_file(bytes);
    ++exchanged;
    return model;
  } catch (const Error& error) {
    log::info("the model does not come from the object store, but from the server", {{"error", error.what()}});
    return std::nullopt;
  }
}

std::optional<Model> RoundClient::Impl::download(const RoundPlan& fresh, std::string& failure) {
  if (auto model = download_from_store(fresh)) return model;
  AlignedBuffer file;
  std::size_t have = 0;
  // A broken download goes on where it stopped, as long as it gets on.
  for (int empty_tries = 0; empty_tries < 3 && !closing;) {
    const std::size_t before = have;
    net::HttpRequest request;
    request.target = fresh.model_url;
    if (have > 0) {
      request.headers.add("Range", "bytes=" + std::to_string(have) + "-");
      request.headers.add("If-Range", "\"" + fresh.model_digest + "\"");
    }
    const auto head = [&](const net::HttpResponse& response) {
      if (response.status == 206) return;
      have = 0;
      const auto length = response.headers.get("Content-Length");
      std::size_t size = 0;
      if (std::from_chars(length.data(), length.data() + length.size(), size).ec != std::errc() || size == 0) {
        throw Error(ErrorCode::kDataLoss, "says nothing about its length", "model");
      }
      if (file.size() != size) file = AlignedBuffer(size);
    };
    const auto sink = [&](std::span<const std::byte> bytes) {
      if (bytes.size() > file.size() - have) throw Error(ErrorCode::kDataLoss, "is longer than it said", "model");
      std::copy(bytes.begin(), bytes.end(), file.data() + have);
      have += bytes.size();
      received += bytes.size();
    };
    net::HttpOutcome outcome;
    try {
      outcome = http.exchange_to(request, Deadline::after(kTransfer), sink, head);
    } catch (const Error& error) {
      failure = error.what();
      return std::nullopt;
    }
    if (outcome.response && outcome.response->status / 100 != 2) {
      // Overtaken by the next round's: ask again what is to be done.
      failure = "the model is not served: status " + std::to_string(outcome.response->status);
      return std::nullopt;
    }
    if (outcome.response && have == file.size()) break;
    failure = outcome.failure ? outcome.failure->error.what() : "the model is cut off";
    empty_tries = have > before ? 0 : empty_tries + 1;
  }
  if (file.size() == 0 || have != file.size()) return std::nullopt;
  const Bytes bytes = std::move(file).freeze();
  if (sha256_hex(bytes.text()) != fresh.model_digest) {
    failure = "the model is not the one that was announced";
    return std::nullopt;
  }
  try {
    return read_model_file(bytes);
  } catch (const Error& error) {
    failure = error.what();
    return std::nullopt;
  }
}

}  // namespace sedna::federated
