#include "sedna/federated/round_client.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "sedna/base/fork.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/federated/codec.hpp"
#include "sedna/federated/round_plan.hpp"
#include "sedna/federated/staging.hpp"
#include "sedna/federated/update_file.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

namespace {

constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr auto kLongestPause = std::chrono::seconds(5);
constexpr auto kShortCall = std::chrono::seconds(30);
constexpr auto kTransfer = std::chrono::hours(24);  ///< the server's lack of progress ends it much earlier
constexpr auto kGoodbye = std::chrono::seconds(3);
constexpr std::size_t kMaxReason = 4096;

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line) || line.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "holds no token in its first line", "SEDNA_TOKEN_FILE " + file);
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

/// Whether trying again could not help.
bool lasting(int status) {
  return status == 400 || status == 401 || status == 403 || status == 404 || status == 405;
}

}  // namespace

RoundClientOptions RoundClientOptions::from_context(const worker::Context& context, const std::string& aggregation) {
  RoundClientOptions options;
  const std::string protocol = context.get_or("AGG_PROTOCOL", "http");
  if (protocol != "http" && protocol != "https") {
    throw Error(ErrorCode::kInvalidArgument, "is \"" + protocol + "\"; it must be http or https here", "AGG_PROTOCOL");
  }
  options.origin = protocol + "://" + context.get_or("AGG_IP", "127.0.0.1") + ":" +
                   std::to_string(context.get_integer("AGG_PORT", 7363, 1, 65535));
  options.aggregation = aggregation;
  options.client_id = context.worker_name();
  options.connect_timeout = std::chrono::milliseconds(
      static_cast<std::int64_t>(context.get_number("CONNECT_TIMEOUT", 300, 0.001, 1e7) * 1000));
  options.http.tls.ca_file = context.get_or("SEDNA_AGG_TLS_CA", "");
  options.http.tls.cert_file = context.get_or("SEDNA_AGG_TLS_CERT", "");
  options.http.tls.key_file = context.get_or("SEDNA_AGG_TLS_KEY", "");
  options.state_folder = context.get_or("SEDNA_FL_CLIENT_STATE", "");
  if (const auto file = context.get("SEDNA_TOKEN_FILE")) options.http.bearer_token = first_line(*file);
  return options;
}

struct RoundClient::Impl {
  explicit Impl(RoundClientOptions o) : options(std::move(o)), http(options.origin, options.http) {
    if (options.client_id.empty()) options.client_id = random_hex(16);
    load_residual();
  }

  /// An update on its way, kept until its round is over.
  struct Pending {
    std::int64_t round = 0;
    std::vector<Bytes> parts;
    std::uint64_t size = 0;
    bool done = false;  ///< committed, refused, or of no use any more
    bool committed = false;
  };

  std::string path(const std::string& rest) const { return "/" + options.aggregation + rest; }

  net::HttpOutcome call(const std::string& method, const std::string& target, std::vector<Bytes> body,
                        SteadyClock::duration limit, net::Headers headers = {}) {
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = std::move(body);
    request.headers = std::move(headers);
    request.idempotent = true;  // the server counts an update once, however often it comes
    return http.exchange(request, Deadline::after(limit));
  }

  // ---- the plan ----------------------------------------------------------------------------------------------------

  void poll() {
    auto pause = std::chrono::duration_cast<SteadyClock::duration>(kFirstPause);
    auto give_up = SteadyClock::now() + options.connect_timeout;
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
        pause = kFirstPause;
        give_up = now + options.connect_timeout;
        continue;
      }
      if (closing) return;
      if (!broken && was_up()) {
        log::warning("the aggregation server does not answer", {{"origin", options.origin}, {"error", failure}});
      }
      broken = true;
      if (now + pause >= give_up) {
        end(Error(ErrorCode::kDeadlineExceeded, "no answer within the connect timeout: " + failure, options.origin));
        return;
      }
      std::unique_lock lock(mutex);
      changed.wait_for(lock, pause, [this] { return closing.load(); });
      pause = std::min<SteadyClock::duration>(pause * 2, kLongestPause);
    }
  }

  /// One question; true when there was an answer.
  bool poll_once(std::string& failure) {
    std::string after;
    {
      const std::lock_guard lock(mutex);
      if (plan) after = plan->version;
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options.poll).count();
    const std::string target = path("/plan?client=") + net::percent_encode(options.client_id) +
                               "&after=" + net::percent_encode(after) +
                               "&wait=" + std::to_string(after.empty() ? 0 : seconds);
    const auto outcome = call("GET", target, {}, options.poll + kShortCall);
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

  static std::string reason_in(const net::HttpResponse& response) {
    const auto parsed = json::parse(response.body.text());
    if (parsed && parsed->is_object()) {
      for (const char* key : {"reason", "error", "detail"}) {
        if (auto text = json_text(parsed->as_object(), key); !text.empty()) return text;
      }
    }
    return std::string(response.body.text().substr(0, kMaxReason));
  }

  bool act(RoundPlan fresh, std::string& failure) {
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
    }
    if (!have) {
      model = download(fresh, failure);
      if (!model) return false;
    }
    const std::lock_guard lock(mutex);
    const bool first = !plan;
    if (pending && pending->round == 0) {
      // The offer of an initial model. It is kept as long as the job has none, however often it was sent.
      if (fresh.phase != "initial") pending->done = true;
      if (fresh.phase == "initial" && pending->committed) pending->done = pending->committed = false;
    } else if (pending && (fresh.round != pending->round || fresh.phase == "finished")) {
      pending->done = true;
    }
    if (pending && fresh.round == pending->round) {
      // A server that was started again may have lost it.
      if (fresh.you == "committed") pending->done = pending->committed = true;
      if (fresh.you == "expected" && pending->committed) pending->done = pending->committed = false;
    }
    const bool news = first || model || plan->phase != fresh.phase || plan->round != fresh.round;
    plan = std::move(fresh);
    if (model) {
      model_digest = plan->model_digest;
      newest = std::make_shared<const Model>(std::move(*model));
    }
    if (news) task_due = plan->phase != "initial";
    changed.notify_all();
    return true;
  }

  std::optional<Model> download(const RoundPlan& fresh, std::string& failure) {
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

  // ---- what coding has lost so far ---------------------------------------------------------------------------------

  std::filesystem::path residual_file() const {
    return std::filesystem::path(options.state_folder) / (net::percent_encode(options.client_id) + ".residual");
  }
  void load_residual() {
    if (options.state_folder.empty() || !std::filesystem::exists(residual_file())) return;
    const auto read = tensor::read_safetensors(map_file(residual_file()));
    if (!read) throw read.error().within(residual_file().string());
    for (const auto& tensor : read->tensors) {
      if (tensor.dtype != tensor::DType::kFp32) continue;
      const auto values = tensor.as<float>();
      residual.emplace_back(values.begin(), values.end());
    }
  }
  void save_residual() const {
    if (options.state_folder.empty() || residual.empty()) return;
    Weights tensors;
    for (std::size_t i = 0; i < residual.size(); ++i) {
      tensor::Tensor tensor;
      tensor.name = std::to_string(i);
      tensor.shape = {static_cast<std::int64_t>(residual[i].size())};
      tensor.data = Bytes::unowned(std::as_bytes(std::span(residual[i])));
      tensors.push_back(std::move(tensor));
    }
    storage::AtomicFile file(residual_file(), 0600);
    for (const Bytes& part : tensor::write_safetensors(tensors, {})) file.write(part.span());
    file.commit();
  }
  /// The newest update is settled: what it lost counts only if what it sent does.
  void settle_residual() {
    if (!pending || next_residual.empty()) return;
    if (pending->committed) residual = std::move(next_residual);
    next_residual.clear();
    if (pending->committed) save_residual();
  }

  // ---- updates -----------------------------------------------------------------------------------------------------

  void upload_all() {
    std::unique_lock lock(mutex);
    auto pause = std::chrono::duration_cast<SteadyClock::duration>(kFirstPause);
    while (true) {
      changed.wait(lock, [this] { return closing || end_reason || (pending && !pending->done); });
      if (closing || end_reason) return;
      const auto job = pending;
      lock.unlock();
      const bool settled = upload(*job);
      lock.lock();
      if (settled) {
        pause = kFirstPause;
        continue;
      }
      changed.wait_for(lock, pause, [&] { return closing || end_reason || pending != job || job->done; });
      pause = std::min<SteadyClock::duration>(pause * 2, kLongestPause);
    }
  }

  /// One try. True when there is an answer that settles it.
  bool upload(Pending& job) {
    const std::string target =
        path("/rounds/") + std::to_string(job.round) + "/updates/" + net::percent_encode(options.client_id);
    std::uint64_t offset = 0;
    if (tried == &job) {
      // After a break: how far did it come?
      const auto state = call("GET", target, {}, kShortCall);
      if (!state.response) return false;
      if (settle(job, *state.response, true)) return true;
      const auto parsed = json::parse(state.response->body.text());
      if (!parsed || !parsed->is_object()) return false;
      if (json_text(parsed->as_object(), "result") == "busy") return false;
      if (auto why = json_text(parsed->as_object(), "rejected"); !why.empty()) {
        refuse(job, std::move(why));
        return true;
      }
      offset = static_cast<std::uint64_t>(json_number(parsed->as_object(), "offset"));
      if (offset >= job.size) offset = 0;
    }
    tried = &job;
    net::Headers headers = {{"Content-Type", "application/octet-stream"}};
    std::vector<Bytes> body;
    std::uint64_t at = 0;
    for (const Bytes& part : job.parts) {
      if (at + part.size() > offset) {
        const std::size_t skip = offset > at ? static_cast<std::size_t>(offset - at) : 0;
        body.push_back(part.slice(skip, part.size() - skip));
      }
      at += part.size();
    }
    if (offset > 0) {
      headers.add("Content-Range", "bytes " + std::to_string(offset) + "-" + std::to_string(job.size - 1) + "/" +
                                       std::to_string(job.size));
      const std::lock_guard lock(mutex);
      ++resumed;
    }
    const auto outcome = call("PUT", target, std::move(body), kTransfer, std::move(headers));
    if (!outcome.response) {
      log::debug("an upload has broken off", {{"error", outcome.failure->error.what()}});
      return false;
    }
    sent += job.size - offset;
    return settle(job, *outcome.response, false);
  }

  bool settle(Pending& job, const net::HttpResponse& response, bool only_asked) {
    const auto parsed = json::parse(response.body.text());
    const std::string result = parsed && parsed->is_object() ? json_text(parsed->as_object(), "result") : std::string();
    if (result == "committed" || result == "duplicate") {
      const std::lock_guard lock(mutex);
      job.done = job.committed = true;
      changed.notify_all();
      return true;
    }
    if (result == "refused" || result == "conflict" || result == "quarantined") {
      refuse(job, reason_in(response));
      return true;
    }
    if (result == "late" || result == "finished") {
      const std::lock_guard lock(mutex);
      job.done = true;
      changed.notify_all();
      return true;
    }
    if (only_asked || result == "offset" || result == "busy") return false;
    if (response.status >= 400 && response.status < 500 && response.status != 429 && response.status != 408 &&
        result.empty() && response.status != 400) {
      refuse(job, "status " + std::to_string(response.status) + ": " + reason_in(response));
      return true;
    }
    return false;
  }

  void refuse(Pending& job, std::string reason) {
    const std::lock_guard lock(mutex);
    job.done = true;
    refusal = std::move(reason);
    changed.notify_all();
  }

  // ---- state -------------------------------------------------------------------------------------------------------

  bool ended() {
    const std::lock_guard lock(mutex);
    return end_reason.has_value();
  }
  bool was_up() {
    const std::lock_guard lock(mutex);
    return plan.has_value();
  }
  void end(Error reason) {
    const std::lock_guard lock(mutex);
    if (!end_reason) end_reason = std::move(reason);
    changed.notify_all();
  }

  RoundClientOptions options;
  const std::uint64_t generation = fork_generation();
  net::HttpClient http;
  std::atomic<bool> closing{false};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> sent{0};
  const Pending* tried = nullptr;  // from the upload thread only

  std::mutex mutex;
  std::condition_variable changed;
  std::optional<RoundPlan> plan;
  std::string model_digest;
  std::shared_ptr<const Model> newest;
  bool task_due = false;
  std::int64_t task_round = 0;
  std::shared_ptr<const Model> task_base;
  Residual residual;       ///< from the user's thread only, as the next
  Residual next_residual;  ///< with the newest update
  std::shared_ptr<Pending> pending;
  std::string refusal;
  std::uint64_t resumed = 0;
  std::uint64_t reconnects = 0;
  std::optional<Error> end_reason;
  std::thread poller;
  std::thread uploader;
};

RoundClient::RoundClient(RoundClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

RoundClient::~RoundClient() {
  if (impl_->generation != fork_generation()) {
    // The threads are the parent's: there is nothing here to join, and their locks may be held for ever.
    [[maybe_unused]] const auto* left_behind = impl_.release();
    return;
  }
  close();
}

void RoundClient::connect() {
  if (!impl_->poller.joinable()) {
    impl_->poller = std::thread([impl = impl_.get()] { impl->poll(); });
    impl_->uploader = std::thread([impl = impl_.get()] { impl->upload_all(); });
  }
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [this] { return impl_->plan || impl_->end_reason; });
  if (!impl_->plan) throw Error(*impl_->end_reason);
}

bool RoundClient::wants_initial() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->plan && impl_->plan->phase == "initial";
}

void RoundClient::offer_initial(const Weights& weights) {
  const std::lock_guard lock(impl_->mutex);
  impl_->task_round = 0;
  impl_->pending = std::make_shared<Impl::Pending>();
  impl_->pending->parts = write_update_file({0, 1, 0, {}, {}}, weights, {});
  for (Bytes& part : impl_->pending->parts) {
    part = Bytes::copy_of(part.span());
    impl_->pending->size += part.size();
  }
  impl_->changed.notify_all();
}

std::optional<RoundTask> RoundClient::next(SteadyClock::duration timeout) {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait_for(lock, timeout,
                          [this] { return impl_->task_due || impl_->end_reason || !impl_->refusal.empty(); });
  if (impl_->task_due) {
    impl_->task_due = false;
    RoundTask task;
    const RoundPlan& plan = *impl_->plan;
    task.finished = plan.phase == "finished";
    task.round = task.finished ? plan.round - 1 : plan.round;
    task.rounds = plan.rounds;
    if (impl_->newest && plan.model_round >= 0) task.model = *impl_->newest;
    task.samples = plan.model_samples;
    task.algorithm = plan.algorithm;
    task.parameters = plan.parameters;
    task.needs_extra = plan.extra;
    task.needs_steps = plan.steps;
    impl_->task_round = task.round;
    impl_->task_base = task.model ? impl_->newest : nullptr;
    return task;
  }
  if (impl_->end_reason) throw Error(*impl_->end_reason);
  return std::nullopt;
}

void RoundClient::submit(const TrainedUpdate& update) {
  auto pending = std::make_shared<Impl::Pending>();
  std::unique_lock lock(impl_->mutex);
  pending->round = impl_->task_round;
  const std::string codec_text = impl_->plan ? impl_->plan->codec : std::string();
  impl_->settle_residual();
  lock.unlock();
  UpdateInfo info{pending->round, update.samples, update.steps, update.metrics, {}};
  const Codec codec(codec_text);
  if (!codec.none() && impl_->task_base && update.extra.empty()) {
    info.codec = codec.text();
    impl_->next_residual = impl_->residual;
    const Weights coded = encode_change(update.weights, impl_->task_base->weights, codec, impl_->next_residual);
    pending->parts = write_update_file(info, coded, {});
  } else {
    pending->parts = write_update_file(info, update.weights, update.extra);
  }
  // The caller may train on while this is sent: the bytes must be ours.
  for (Bytes& part : pending->parts) {
    part = Bytes::copy_of(part.span());
    pending->size += part.size();
  }
  lock.lock();
  impl_->refusal.clear();
  impl_->pending = std::move(pending);
  impl_->changed.notify_all();
}

std::string RoundClient::take_refusal() {
  const std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->refusal, {});
}

bool RoundClient::committed() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->pending && impl_->pending->committed;
}

void RoundClient::close() {
  if (!impl_->poller.joinable()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closing = true;
    impl_->changed.notify_all();
  }
  // The goodbye also answers the question for news that is under way.
  impl_->call("POST", impl_->path("/leave"),
              {Bytes::from_string(json::write(json::object{{"client", impl_->options.client_id}}))}, kGoodbye);
  impl_->poller.join();
  impl_->uploader.join();
  try {
    impl_->settle_residual();
  } catch (const Error& error) {
    log::warning("what coding has not sent yet is lost", {{"error", error.what()}});
  }
}

std::int64_t RoundClient::round() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->newest ? impl_->newest->round : 0;
}
std::uint64_t RoundClient::resumed() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->resumed;
}
std::uint64_t RoundClient::reconnects() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->reconnects;
}
std::uint64_t RoundClient::bytes_sent() const {
  return impl_->sent;
}
std::uint64_t RoundClient::bytes_received() const {
  return impl_->received;
}

}  // namespace sedna::federated
