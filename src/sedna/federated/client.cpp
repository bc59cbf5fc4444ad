#include "sedna/federated/client.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/fork.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/federated/client_options.hpp"
#include "sedna/federated/peer.hpp"
#include "sedna/federated/personal.hpp"
#include "sedna/federated/wire.hpp"
#include "sedna/net/tls.hpp"
#include "sedna/net/websocket.hpp"

namespace sedna::federated {

namespace asio = net::asio;

namespace {

constexpr auto kAttemptTimeout = std::chrono::seconds(10);
constexpr auto kFirstPause = std::chrono::milliseconds(200);
constexpr auto kGoodbyeTimeout = std::chrono::seconds(5);

/// The socket as the writer knows it.
class ClientSocket final : public serve::WebSocket {
 public:
  explicit ClientSocket(std::unique_ptr<net::WebSocketStream> stream) : stream_(std::move(stream)) {}
  net::Task<std::optional<Message>> read() override {
    auto message = co_await stream_->read();
    std::optional<Message> out;
    if (message) {
      out.emplace();
      out->text = message->text;
      out->data = std::move(message->data);
    }
    co_return out;
  }
  net::Task<void> write(bool text, Bytes data) override { co_await stream_->write(text, std::move(data)); }
  net::Task<void> close(std::uint16_t code, std::string reason) override {
    co_await stream_->close(code, std::move(reason));
  }
  net::WebSocketStream& stream() { return *stream_; }

 private:
  std::unique_ptr<net::WebSocketStream> stream_;
};

/// Whether trying again could help.
bool lasting(ErrorCode code) {
  return code == ErrorCode::kUnauthenticated || code == ErrorCode::kPermissionDenied || code == ErrorCode::kNotFound ||
         code == ErrorCode::kInvalidArgument;
}

}  // namespace

ClientOptions ClientOptions::from_context(const worker::Context& context, const std::string& aggregation) {
  const auto environment = ClientEnvironment::from_context(context, "ws", "wss", "ws, wss, http or https");
  ClientOptions options;
  options.url = environment.origin + "/" + aggregation;
  options.client_id = environment.client_id;
  options.job_name = context.job_name();
  options.connect_timeout = environment.connect_timeout;
  options.tls = environment.tls;
  options.bearer_token = environment.bearer_token;
  options.personal = environment.personal;
  options.state_folder = environment.state_folder;
  return options;
}

struct AggregationClient::Impl {
  explicit Impl(ClientOptions o) : options(std::move(o)), pause_timer(io) {
    if (options.client_id.empty()) options.client_id = random_hex(16);
    personal = PersonalPart(options.personal, personal_file(options.state_folder, options.client_id));
    if (!net::parse_url(options.url)) {
      throw Error(ErrorCode::kInvalidArgument, "is no address of an aggregation server", options.url);
    }
    if (options.url.starts_with("wss:")) tls = net::TlsContext::client(options.tls);
  }

  /// Connections one after another, until closed or ended for good.
  static net::Task<void> run(Impl* self) {
    Retries retries(kFirstPause, self->options.connect_timeout, SteadyClock::now());
    while (!self->closing) {
      const bool was_up = co_await session(self);
      if (self->ended() || self->closing) break;
      const auto now = SteadyClock::now();
      if (was_up) retries.reached(now);
      const auto pause = retries.next(now);
      if (!pause) {
        self->end(Error(ErrorCode::kDeadlineExceeded, "no connection within the connect timeout: " + self->last_failure,
                        self->options.url));
        break;
      }
      self->pause_timer.expires_after(*pause +
                                      std::chrono::duration_cast<SteadyClock::duration>(*pause * (random_unit() / 4)));
      boost::system::error_code woken;
      co_await self->pause_timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
    self->end(Error(ErrorCode::kAborted, "the client is closed", self->options.url));
  }

  /// One connection. True when the server had confirmed the subscription.
  static net::Task<bool> session(Impl* self) {
    std::shared_ptr<ClientSocket> socket;
    std::shared_ptr<Peer> peer;
    std::string failure;
    std::optional<Error> refused;
    bool up = false;
    try {
      net::WebSocketOptions ws;
      ws.max_message = self->options.max_message;
      ws.idle_timeout = self->options.heartbeat;
      ws.handshake_timeout = kAttemptTimeout;
      if (!self->options.bearer_token.empty()) ws.headers.add("Authorization", "Bearer " + self->options.bearer_token);
      const Deadline deadline = Deadline::after(kAttemptTimeout);
      auto stream = co_await net::WebSocketStream::connect(self->options.url, self->tls, ws, deadline);
      socket = std::make_shared<ClientSocket>(std::move(stream));
    } catch (const Error& error) {
      failure = error.what();
      if (lasting(error.code())) refused = error;
    }
    if (!socket) {
      log::debug("no connection to the aggregation server", {{"url", self->options.url}, {"error", failure}});
      self->last_failure = failure;
      if (refused) self->end(*refused);
      co_return false;
    }
    self->active = socket;
    peer = std::make_shared<Peer>(0, self->io.get_executor());
    asio::co_spawn(self->io, Peer::write_all(peer, socket.get()), asio::detached);
    peer->send(Bytes::from_string(self->subscription()));
    bool said_goodbye = false;
    try {
      while (true) {
        auto message = co_await socket->read();
        if (!message) {
          said_goodbye = true;
          break;
        }
        self->received += message->data.size();
        if (!up) {
          up = true;
          self->go_up(peer);
        }
        self->take(message->data.text());
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
    self->go_down();
    // A writer that waits for a peer that is gone ends with its stream.
    if (!said_goodbye) socket->stream().abort();
    co_await peer->finish();
    const std::uint16_t code = said_goodbye ? socket->stream().close_code() : 0;
    if (said_goodbye)
      failure = "closed by the server (" + std::to_string(code) + "): " + socket->stream().close_reason();
    self->last_failure = failure;
    if (!self->closing) log::warning("the connection to the aggregation server has ended", {{"reason", failure}});
    // 1001 is a server that goes away, perhaps to come back; 1012 and 1013 ask to try again; the others mean it.
    if (said_goodbye && code != 1001 && code != 1005 && code != 1012 && code != 1013) {
      self->end(Error(
          ErrorCode::kAborted,
          "the server has ended the connection (" + std::to_string(code) + "): " + socket->stream().close_reason(),
          self->options.url));
    }
    co_return up;
  }

  std::string subscription() {
    const std::lock_guard lock(mutex);
    return write_subscribe(options.client_id, subscribed_before ? std::optional(round) : std::nullopt);
  }

  void go_up(const std::shared_ptr<Peer>& peer) {
    const std::lock_guard lock(mutex);
    writer = peer;
    if (subscribed_before) ++reconnects;
    subscribed_before = true;
    if (!pending.empty() && peer->send(pending)) sent += pending.size();
    changed.notify_all();
  }

  void go_down() {
    const std::lock_guard lock(mutex);
    writer.reset();
  }

  void take(std::string_view text) {
    auto frame = parse_frame(text, options.max_message);
    if (!frame) {
      log::warning("a message of the server could not be read", {{"error", frame.error().what()}});
      return;
    }
    if (frame->type == "update_refused") {
      const auto* data = frame->members.if_contains("data");
      const std::lock_guard lock(mutex);
      if (data == nullptr || !data->is_object()) return;
      // A duplicate is what a resent update that had arrived is meant to be.
      if (text_member(data->as_object(), "result") == "refused") refusal = text_member(data->as_object(), "reason");
      changed.notify_all();
      return;
    }
    if (frame->type != "recv_weight" || (!frame->weights && !frame->no_weights)) return;
    RoundModel model;
    model.round = integer_member(frame->data, "round_number").value_or(0);
    model.total_samples = integer_member(frame->data, "total_sample").value_or(0);
    model.last = text_member(frame->data, "exit_flag") == "ok";
    model.none = frame->no_weights;
    if (frame->weights) model.weights = std::move(*frame->weights);
    const std::lock_guard lock(mutex);
    // No model comes twice: the server knows what it has sent on this connection, and was told what came before. A
    // round that is not the next one is that of a server that has begun again.
    round = model.round;
    pending = Bytes();
    models.push_back(std::move(model));
    changed.notify_all();
  }

  bool ended() {
    const std::lock_guard lock(mutex);
    return end_reason.has_value();
  }

  void end(Error reason) {
    const std::lock_guard lock(mutex);
    if (!end_reason) end_reason = std::move(reason);
    changed.notify_all();
  }

  ClientOptions options;
  std::optional<net::TlsContext> tls;
  const std::uint64_t generation = fork_generation();
  PersonalPart personal{{}, {}};  // from the user's thread only
  asio::io_context io{1};
  asio::steady_timer pause_timer;      // from the io thread only
  std::string last_failure;            // from the io thread only
  std::weak_ptr<ClientSocket> active;  // from the io thread only
  std::thread thread;
  std::atomic<bool> closing{false};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> sent{0};

  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<Peer> writer;  ///< set while the subscription is confirmed
  bool subscribed_before = false;
  std::uint64_t reconnects = 0;
  Bytes pending;  ///< the update whose round's model has not come
  std::int64_t round = 0;
  std::deque<RoundModel> models;
  std::string refusal;
  std::optional<Error> end_reason;
};

AggregationClient::AggregationClient(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

AggregationClient::~AggregationClient() {
  if (impl_->generation != fork_generation()) {
    // The thread is the parent's: there is nothing here to join, and its locks may be held for ever.
    [[maybe_unused]] const auto* left_behind = impl_.release();
    return;
  }
  close();
}

void AggregationClient::connect() {
  if (!impl_->thread.joinable()) {
    asio::co_spawn(impl_->io, Impl::run(impl_.get()), asio::detached);
    impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
  }
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [this] { return impl_->subscribed_before || impl_->end_reason; });
  if (!impl_->subscribed_before) throw Error(*impl_->end_reason);
}

void AggregationClient::adopt(const Weights& model) {
  impl_->personal.adopt(model);
}

std::vector<std::size_t> AggregationClient::personal() const {
  return impl_->personal.indices();
}

void AggregationClient::submit(std::int64_t samples, const Weights& model) {
  const Weights weights = impl_->personal.shared(model);
  std::int64_t next = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    next = impl_->round + 1;
  }
  Bytes text =
      Bytes::from_string(write_update(impl_->options.client_id, samples, weights, impl_->options.job_name, next));
  const std::lock_guard lock(impl_->mutex);
  impl_->refusal.clear();
  impl_->pending = text;
  if (impl_->writer && impl_->writer->send(text)) impl_->sent += text.size();
}

std::optional<RoundModel> AggregationClient::wait(SteadyClock::duration timeout) {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait_for(lock, timeout,
                          [this] { return !impl_->models.empty() || impl_->end_reason || !impl_->refusal.empty(); });
  if (!impl_->models.empty()) {
    std::optional<RoundModel> model(std::move(impl_->models.front()));
    impl_->models.pop_front();
    lock.unlock();
    if (!model->none) model->weights = impl_->personal.whole(model->weights);
    return model;
  }
  if (impl_->end_reason) throw Error(*impl_->end_reason);
  return std::nullopt;
}

std::string AggregationClient::take_refusal() {
  const std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->refusal, {});
}

void AggregationClient::close() {
  if (!impl_->thread.joinable()) return;
  impl_->closing = true;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->writer) impl_->writer->close(1000, {});
  }
  asio::post(impl_->io, [impl = impl_.get()] { impl->pause_timer.cancel(); });
  const auto over = [this](SteadyClock::duration limit) {
    std::unique_lock lock(impl_->mutex);
    return impl_->changed.wait_for(lock, limit, [this] { return impl_->end_reason.has_value(); });
  };
  if (!over(kGoodbyeTimeout)) {
    // A server that does not answer the goodbye holds nobody up.
    asio::post(impl_->io, [impl = impl_.get()] {
      if (const auto socket = impl->active.lock()) socket->stream().abort();
    });
    over(std::chrono::seconds(1));
  }
  impl_->io.stop();
  impl_->thread.join();
}

std::int64_t AggregationClient::round() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->round;
}
std::uint64_t AggregationClient::reconnects() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->reconnects;
}
std::uint64_t AggregationClient::bytes_sent() const {
  return impl_->sent;
}
std::uint64_t AggregationClient::bytes_received() const {
  return impl_->received;
}

}  // namespace sedna::federated
