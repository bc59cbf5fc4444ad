#include "sedna/link/client.hpp"

#include <atomic>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/link/outbox.hpp"
#include "sedna/net/io.hpp"
#include "sedna/net/tls.hpp"
#include "sedna/net/websocket.hpp"

namespace sedna::link {

namespace asio = net::asio;

namespace {

constexpr std::string_view kPath = "/sedna/link/v1";
constexpr std::size_t kMaxQueue = 4096;

net::Url gm_url(const std::string& address) {
  const bool has_scheme = address.find("://") != std::string::npos;
  auto url = net::parse_url(has_scheme ? address : "ws://" + address);
  if (!url || url->host.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "is no address of a GlobalManager (host:port)", "GM_ADDRESS " + address);
  }
  url->target = kPath;
  return std::move(*url);
}

/// What is kept of a fact: everything that a message needs but its sequence, which is the journal's.
std::string stored_fact(const StateKey& subject, std::string_view worker, const json::object& body) {
  json::object o{{"kind", subject.kind}, {"key", subject.key}, {"worker", worker}};
  o["fact"] = body;
  return json::write(o);
}

std::optional<Message> message_of(const journal::Entry& entry) {
  auto parsed = json::parse(entry.data);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  auto& o = parsed->get_object();
  Message message;
  message.type = Message::Type::kFact;
  message.sequence = entry.sequence;
  const auto text = [&o](std::string_view name) {
    const json::value* v = o.if_contains(name);
    return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
  };
  message.subject = {text("kind"), text("key")};
  message.worker = text("worker");
  if (json::value* fact = o.if_contains("fact"); fact != nullptr && fact->is_object()) {
    message.body = std::move(fact->get_object());
  }
  return message;
}

class StreamWriter final : public Writable {
 public:
  explicit StreamWriter(net::WebSocketStream& stream) : stream_(stream) {}
  net::Task<void> write(Bytes text) override { co_await stream_.write(true, std::move(text)); }
  net::Task<void> close(std::uint16_t code, std::string reason) override {
    co_await stream_.close(code, std::move(reason));
  }

 private:
  net::WebSocketStream& stream_;
};

}  // namespace

std::string read_token(const std::string& file) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in && text.empty()) throw Error(ErrorCode::kNotFound, "cannot be read", "token file " + file);
  const auto parsed = json::parse(text);
  if (parsed && parsed->is_object()) {
    const json::value* users = parsed->get_object().if_contains("users");
    if (users != nullptr && users->is_array() && !users->get_array().empty()) {
      const json::value& first = users->get_array()[0];
      const json::value* user = first.is_object() ? first.get_object().if_contains("user") : nullptr;
      const json::value* token =
          user != nullptr && user->is_object() ? user->get_object().if_contains("token") : nullptr;
      if (token != nullptr && token->is_string()) return std::string(token->get_string());
    }
    throw Error(ErrorCode::kInvalidArgument, "is a kubeconfig without a token", "token file " + file);
  }
  std::string line = text.substr(0, text.find('\n'));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  if (line.empty()) throw Error(ErrorCode::kInvalidArgument, "holds no token in its first line", "token file " + file);
  return line;
}

struct LinkClient::Impl {
  Impl(LinkClientOptions o, journal::Journal& f, StateSink& s)
      : options(std::move(o)), url(gm_url(options.gm_address)), facts(f), sink(s), pause_timer(io), stop_timer(io) {
    if (url.scheme == "wss" || url.scheme == "https") tls = net::TlsContext::client(options.tls);
  }

  /// The next fact that is not on its way; called by the writer.
  std::optional<std::string> next_fact() {
    if (in_flight.size() >= options.window) return std::nullopt;
    for (;;) {
      const auto entries = facts.read(sent, 1);
      if (entries.empty()) return std::nullopt;
      sent = entries[0].sequence;
      auto message = message_of(entries[0]);
      if (!message) {
        log::error("a fact in the journal cannot be read and is left out", {{"sequence", sent}});
        facts.acknowledge(sent);
        continue;
      }
      in_flight.insert(sent);
      return encode(*message);
    }
  }

  void handle(std::string_view text) {
    auto message = decode(text);
    if (!message) {
      if (message.error().code() == ErrorCode::kUnimplemented) return;  // a newer GM says more
      throw Error(message.error());
    }
    switch (message->type) {
      case Message::Type::kObject:
        sink.object(message->subject, message->resource_version, std::move(message->body));
        break;
      case Message::Type::kGone:
        sink.gone(message->subject);
        break;
      case Message::Type::kSynced:
        sink.synced();
        break;
      case Message::Type::kAck:
        if (!message->refused.empty()) {
          log::info("GM had no use for a fact", {{"sequence", message->sequence}, {"reason", message->refused}});
        }
        facts.acknowledge(message->sequence);
        in_flight.erase(message->sequence);
        outbox->wake();
        break;
      case Message::Type::kPing: {
        Message pong;
        pong.type = Message::Type::kPong;
        pong.sequence = message->sequence;
        outbox->send(encode(pong));
        break;
      }
      default:
        break;
    }
  }

  std::string hello() {
    Message message;
    message.type = Message::Type::kHello;
    message.node = options.node;
    message.id = facts.id();
    message.known = sink.known();
    return encode(message);
  }

  /// One connection, until it ends; the reason why.
  static net::Task<std::string> session(Impl* self) {
    std::string why = "GM has closed the connection";
    std::unique_ptr<net::WebSocketStream> stream;
    try {
      net::WebSocketOptions ws;
      ws.max_message = kMaxFrame;
      ws.idle_timeout = self->options.idle;
      ws.handshake_timeout = self->options.connect_timeout;
      ws.headers.add("Node-Name", self->options.node);
      if (!self->options.token_file.empty()) {
        ws.headers.add("Authorization", "Bearer " + read_token(self->options.token_file));
      }
      const Deadline deadline = Deadline::after(self->options.connect_timeout);
      auto connection = co_await net::connect_stream(self->url, self->tls, deadline);
      if (self->options.wrap) connection = self->options.wrap(std::move(connection));
      stream = co_await net::WebSocketStream::handshake(std::move(connection), self->url.authority(),
                                                        std::string(kPath), std::move(ws));
    } catch (const std::exception& error) {
      why = error.what();
    }
    if (!stream) co_return why;
    ++self->connections;
    const auto executor = co_await asio::this_coro::executor;
    self->in_flight.clear();
    self->sent = 0;
    auto outbox = std::make_shared<Outbox>(executor, [self] { return self->next_fact(); }, kMaxQueue);
    {
      const std::lock_guard lock(self->mutex);
      self->outbox = outbox;
      self->stream = stream.get();
      if (self->stopping) outbox->close(1001, "the local controller ends");
    }
    StreamWriter writer(*stream);
    try {
      std::string text = self->hello();
      Bytes first = Bytes::from_string(std::move(text));
      co_await stream->write(true, std::move(first));
      self->up = true;
      self->sink.connected(true, {});
      asio::co_spawn(executor, Outbox::run(outbox, &writer), asio::detached);
      for (;;) {
        auto message = co_await stream->read();
        if (!message) {
          if (!stream->close_reason().empty()) why = "GM said: " + stream->close_reason();
          break;
        }
        self->handle(message->data.text());
      }
    } catch (const std::exception& error) {
      why = error.what();
    }
    const bool was_up = self->up.exchange(false);
    {
      const std::lock_guard lock(self->mutex);
      self->outbox.reset();
      self->stream = nullptr;
    }
    stream->abort();
    if (was_up) co_await outbox->finish();
    co_return why;
  }

  static net::Task<void> run(Impl* self) {
    auto pause = self->options.first_pause;
    while (!self->stopping) {
      const auto begun = SteadyClock::now();
      const std::uint64_t before = self->connections;
      std::string why = co_await session(self);
      if (self->stopping) break;
      self->sink.connected(false, why);
      // A link that held for a while begins with the short pause again; one that breaks at once does not.
      const bool held = self->connections != before && SteadyClock::now() - begun > self->options.longest_pause / 3;
      if (held) pause = self->options.first_pause;
      log::write(pause == self->options.first_pause ? log::Level::kWarning : log::Level::kInfo,
                 "no link to GM; will try again",
                 {{"gm", self->options.gm_address}, {"reason", why}, {"waiting_facts", self->facts.waiting()}});
      constexpr double kJitter = 0.25;
      self->pause_timer.expires_after(
          pause + std::chrono::duration_cast<SteadyClock::duration>(pause * (kJitter * random_unit())));
      boost::system::error_code woken;
      co_await self->pause_timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      pause = std::min<SteadyClock::duration>(pause * 2, self->options.longest_pause);
    }
    self->finished = true;
    self->stop_timer.cancel();
  }

  const LinkClientOptions options;
  const net::Url url;
  std::optional<net::TlsContext> tls;
  journal::Journal& facts;
  StateSink& sink;
  asio::io_context io{1};
  asio::steady_timer pause_timer;
  asio::steady_timer stop_timer;  ///< from the client's thread only, as finished
  bool finished = false;
  std::atomic<bool> stopping{false}, up{false};
  std::atomic<std::uint64_t> connections{0};
  std::uint64_t sent = 0;  ///< the client's thread only, as in_flight
  std::set<std::uint64_t> in_flight;
  std::mutex mutex;
  std::shared_ptr<Outbox> outbox;  ///< of the connection that is up
  net::WebSocketStream* stream = nullptr;
  std::thread thread;
};

LinkClient::LinkClient(LinkClientOptions options, journal::Journal& facts, StateSink& sink)
    : impl_(std::make_unique<Impl>(std::move(options), facts, sink)) {}

LinkClient::~LinkClient() {
  stop();
}

void LinkClient::start() {
  SEDNA_CHECK(!impl_->thread.joinable());
  impl_->thread = std::thread([impl = impl_.get()] {
    asio::co_spawn(impl->io, Impl::run(impl), asio::detached);
    impl->io.run();
  });
}

void LinkClient::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->stopping = true;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->outbox) impl_->outbox->close(1001, "the local controller ends");
  }
  asio::post(impl_->io, [impl = impl_.get()] {
    impl->pause_timer.cancel();
    if (impl->finished) return;
    // GM may not be there to say goodbye.
    impl->stop_timer.expires_after(std::chrono::seconds(1));
    impl->stop_timer.async_wait([impl](const boost::system::error_code& cancelled) {
      const std::lock_guard lock(impl->mutex);
      if (!cancelled && impl->stream != nullptr) impl->stream->abort();
    });
  });
  impl_->thread.join();
}

void LinkClient::report(const StateKey& subject, std::string_view worker, const json::object& body) {
  const std::string key = subject.kind + "/" + subject.key + "/" + std::string(worker);
  impl_->facts.replace(key, stored_fact(subject, worker, body));
  const std::lock_guard lock(impl_->mutex);
  if (impl_->outbox) impl_->outbox->wake();
}

bool LinkClient::connected() const {
  return impl_->up;
}
std::size_t LinkClient::waiting() const {
  return impl_->facts.waiting();
}
std::uint64_t LinkClient::connections() const {
  return impl_->connections;
}

}  // namespace sedna::link
