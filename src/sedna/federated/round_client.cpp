#include "sedna/federated/round_client.hpp"

#include <algorithm>
#include <utility>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/federated/client_options.hpp"
#include "sedna/federated/round_client_impl.hpp"
#include "sedna/federated/update_file.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {

namespace {

constexpr auto kGoodbye = std::chrono::seconds(3);
constexpr auto kAnswerOnItsWay = std::chrono::seconds(5);
constexpr auto kAgain = std::chrono::milliseconds(200);

}  // namespace

RoundClientOptions RoundClientOptions::from_context(const worker::Context& context, const std::string& aggregation) {
  const auto environment = ClientEnvironment::from_context(context, "http", "https", "http or https here");
  RoundClientOptions options;
  options.origin = environment.origin;
  options.aggregation = aggregation;
  options.client_id = environment.client_id;
  options.connect_timeout = environment.connect_timeout;
  options.http.tls = environment.tls;
  options.http.bearer_token = environment.bearer_token;
  options.state_folder = environment.state_folder;
  options.personal = environment.personal;
  return options;
}

namespace {

RoundClientOptions named(RoundClientOptions options) {
  if (options.client_id.empty()) options.client_id = random_hex(16);
  return options;
}

}  // namespace

RoundClient::Impl::Impl(RoundClientOptions o)
    : options(named(std::move(o))),
      http(options.origin, options.http),
      personal(options.personal, personal_file(options.state_folder, options.client_id)) {
  if (!options.exchange.url.empty()) exchange = std::make_unique<Exchange>(options.exchange);
  load_residual();
}

net::HttpOutcome RoundClient::Impl::call(const std::string& method, const std::string& target, std::vector<Bytes> body,
                                         SteadyClock::duration limit, net::Headers headers) {
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  request.body = std::move(body);
  request.headers = std::move(headers);
  request.idempotent = true;  // the server counts an update once, however often it comes
  return http.exchange(request, Deadline::after(limit));
}

net::HttpOutcome RoundClient::Impl::call_about_me(const std::string& rest, SteadyClock::duration limit) {
  json::object body{{"client", options.client_id}};
  if (options.site) body["site"] = true;
  return call("POST", path(rest), {Bytes::from_string(json::write(body))}, limit);
}

bool RoundClient::Impl::ended() {
  const std::lock_guard lock(mutex);
  return end_reason.has_value();
}

bool RoundClient::Impl::was_up() {
  const std::lock_guard lock(mutex);
  return plan.has_value();
}

void RoundClient::Impl::end(Error reason) {
  const std::lock_guard lock(mutex);
  if (!end_reason) end_reason = std::move(reason);
  changed.notify_all();
}

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
  constexpr auto kTurn = std::chrono::hours(1);  // poll() itself gives up after connect_timeout
  while (!connect(kTurn)) {
  }
}

bool RoundClient::connect(SteadyClock::duration timeout) {
  if (!impl_->poller.joinable()) {
    impl_->poller = std::thread([impl = impl_.get()] { impl->poll(); });
    impl_->uploader = std::thread([impl = impl_.get()] { impl->upload_all(); });
  }
  std::unique_lock lock(impl_->mutex);
  if (!impl_->changed.wait_for(lock, timeout, [this] { return impl_->plan || impl_->end_reason; })) return false;
  if (!impl_->plan) throw Error(*impl_->end_reason);
  return true;
}

RoundPlan RoundClient::plan() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->plan.value();
}

void RoundClient::adopt(const Weights& model) {
  impl_->personal.adopt(model);
}

std::vector<std::size_t> RoundClient::personal() const {
  return impl_->personal.indices();
}

bool RoundClient::wants_initial() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->plan && impl_->plan->phase == "initial";
}

void RoundClient::offer_initial(const Weights& model) {
  const Weights weights = impl_->personal.shared(model);
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
  const auto until = SteadyClock::now() + timeout;
  std::unique_lock lock(impl_->mutex);
  const auto ready = [this] { return impl_->due_locked() || impl_->end_reason || !impl_->refusal.empty(); };
  impl_->changed.wait_until(lock, until, ready);
  while (impl_->due_locked() && !impl_->model_here_locked()) {
    // Whoever did not train when this model came has not fetched it.
    const RoundPlan plan = *impl_->plan;
    std::string failure;
    lock.unlock();
    auto model = impl_->download(plan, failure);
    lock.lock();
    if (model) {
      impl_->take_model_locked(std::move(*model), plan.model_digest);
      continue;
    }
    log::debug("a model could not be fetched", {{"round", plan.model_round}, {"error", failure}});
    // Overtaken by a newer one, or the server is away: the poller hears of either.
    const auto asked = std::min(until, SteadyClock::now() + kAgain);
    impl_->changed.wait_until(lock, asked, [&] { return impl_->end_reason || impl_->plan->version != plan.version; });
    if (SteadyClock::now() >= until || impl_->end_reason) break;
  }
  if (impl_->due_locked() && impl_->model_here_locked()) {
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
    if (task.model) task.model->weights = impl_->personal.whole(task.model->weights);
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
  // The next round's plan may be here before the answer to the last update, which says whether that counts.
  if (!impl_->next_residual.empty()) {
    impl_->changed.wait_for(lock, kAnswerOnItsWay,
                            [this] { return !impl_->uploading || impl_->closing || impl_->end_reason; });
  }
  impl_->settle_residual();
  lock.unlock();
  const Weights weights = impl_->personal.shared(update.weights);
  UpdateInfo info{pending->round, update.samples, update.steps, update.metrics, {}};
  const Codec codec(codec_text);
  if (!codec.none() && impl_->task_base && update.extra.empty()) {
    info.codec = codec.text();
    impl_->next_residual = impl_->residual;
    const Weights coded = encode_change(weights, impl_->task_base->weights, codec, impl_->next_residual);
    pending->parts = write_update_file(info, coded, {});
  } else {
    pending->parts = write_update_file(info, weights, update.extra);
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

void RoundClient::submit_file(std::int64_t round, std::vector<Bytes> parts) {
  auto pending = std::make_shared<Impl::Pending>();
  pending->round = round;
  pending->parts = std::move(parts);
  for (const Bytes& part : pending->parts) pending->size += part.size();
  const std::lock_guard lock(impl_->mutex);
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
  impl_->call_about_me("/leave", kGoodbye);
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
std::uint64_t RoundClient::exchanged() const {
  return impl_->exchanged;
}
std::uint64_t RoundClient::bytes_sent() const {
  return impl_->sent;
}
std::uint64_t RoundClient::bytes_received() const {
  return impl_->received;
}

}  // namespace sedna::federated
