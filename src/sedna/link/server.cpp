#include "sedna/link/server.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include "sedna/base/log.hpp"
#include "sedna/base/text.hpp"
#include "sedna/identity/token_table.hpp"
#include "sedna/link/outbox.hpp"

namespace sedna::link {

namespace asio = net::asio;

namespace {

constexpr std::uint16_t kUnsupportedData = 1003, kPolicyViolation = 1008;
constexpr std::size_t kMaxQueue = 8192;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kLongestNode = 253;

std::pair<std::string, std::string> split(const std::string& key) {
  const auto slash = key.find('/');
  if (slash == std::string::npos) return {std::string(), key};
  return {key.substr(0, slash), key.substr(slash + 1)};
}

class SocketWriter final : public Writable {
 public:
  explicit SocketWriter(serve::WebSocket& socket) : socket_(socket) {}
  net::Task<void> write(Bytes text) override { co_await socket_.write(true, std::move(text)); }
  net::Task<void> close(std::uint16_t code, std::string reason) override {
    co_await socket_.close(code, std::move(reason));
  }

 private:
  serve::WebSocket& socket_;
};

}  // namespace

/// One connected local controller.
struct Session {
  std::uint64_t number = 0;
  std::string node, id, remote;
  bool legacy = false;
  std::shared_ptr<Outbox> outbox;
  std::uint64_t subscription = 0;
  // The writer's: where in the board it is, and what it still has to send.
  std::uint64_t revision = 0;
  std::deque<StateBoard::Entry> entries;
  std::map<StateKey, std::string> known;  ///< of the hello; emptied by the first pass over the board
  bool synced = false;
  std::atomic<std::size_t> waiting{0};  ///< facts at the sink
};

struct LinkServer::Impl {
  Impl(LinkServerOptions o, StateBoard& b, FactSink s, metrics::Registry& registry)
      : options(std::move(o)),
        board(b),
        sink(std::move(s)),
        server(server_options(options), registry),
        connected_gauge(registry.gauge("sedna_link_connected", "Local controllers connected")),
        facts(registry.counter("sedna_link_facts_total", "Facts that local controllers reported")),
        refused(registry.counter("sedna_link_refused_total", "Connections refused: no or a wrong token")) {}

  static serve::ServerOptions server_options(const LinkServerOptions& o) {
    serve::ServerOptions out;
    out.host = o.host;
    out.port = o.port;
    out.tls = o.tls;
    // Tokens are checked here, by node; upstream's local controllers have none.
    out.plaintext_beyond_loopback = true;
    out.access_log = false;
    out.drain_timeout = std::chrono::seconds(3);
    out.server_name = "sedna-gm";
    return out;
  }

  void load_tokens() {
    if (options.token_file.empty()) return;
    auto loaded = identity::TokenTable::load(options.token_file);
    struct stat st{};
    const std::lock_guard lock(mutex);
    tokens_read = ::stat(options.token_file.c_str(), &st) == 0 ? st.st_mtim.tv_sec : 0;
    tokens = std::move(loaded).value();
  }

  bool tokens_changed() {
    struct stat st{};
    const std::lock_guard lock(mutex);
    return ::stat(options.token_file.c_str(), &st) == 0 && st.st_mtim.tv_sec != tokens_read;
  }

  /// Whether the bearer of this token speaks for the node.
  bool may_speak_for(std::string_view authorization, const std::string& node) {
    if (options.token_file.empty()) return true;
    const auto token = identity::bearer_token(authorization);
    if (!token) return false;
    const auto check = [&] {
      const std::lock_guard lock(mutex);
      const auto* who = tokens.find(*token);
      return who != nullptr && (who->name == node || who->name == "lc-" + node);
    };
    if (check()) return true;
    if (!tokens_changed()) return false;
    try {
      load_tokens();
    } catch (const Error& e) {
      log::error("the link's tokens cannot be read again; the old ones stay", {{"reason", e.what()}});
      return false;
    }
    return check();
  }

  std::shared_ptr<Session> add(std::shared_ptr<Session> session) {
    std::shared_ptr<Session> old;
    {
      const std::lock_guard lock(mutex);
      session->number = ++numbers;
      auto& slot = sessions[session->node];
      old = std::exchange(slot, session);
      connected_gauge.set(static_cast<double>(sessions.size()));
    }
    // Its link broke and it does not know yet: the newest connection is the living one.
    if (old) old->outbox->close(kPolicyViolation, "the same node has connected again");
    std::weak_ptr<Outbox> outbox = session->outbox;
    session->subscription = board.subscribe(session->node, [outbox] {
      if (const auto strong = outbox.lock()) strong->wake();
    });
    log::info(
        "a local controller has connected",
        {{"node", session->node}, {"remote", session->remote}, {"protocol", session->legacy ? "upstream" : "v1"}});
    return session;
  }

  void remove(const std::shared_ptr<Session>& session) {
    board.unsubscribe(session->subscription);
    const std::lock_guard lock(mutex);
    const auto it = sessions.find(session->node);
    if (it != sessions.end() && it->second == session) sessions.erase(it);
    connected_gauge.set(static_cast<double>(sessions.size()));
    log::info("a local controller has gone", {{"node", session->node}});
  }

  /// The next frame of state for the session, by its writer.
  std::optional<std::string> next_state(Session& session) {
    for (;;) {
      if (session.entries.empty()) {
        for (auto& entry : board.changes(session.node, session.revision, kBatch)) {
          session.entries.push_back(std::move(entry));
        }
      }
      if (session.entries.empty()) break;
      const StateBoard::Entry entry = std::move(session.entries.front());
      session.entries.pop_front();
      session.revision = entry.revision;
      const auto known = session.known.find(entry.subject);
      const bool same = known != session.known.end() && known->second == entry.version && !entry.gone;
      const bool unknown_gone = !session.legacy && !session.synced && entry.gone && known == session.known.end();
      if (known != session.known.end()) session.known.erase(known);
      if (same || unknown_gone) continue;
      return session.legacy ? legacy_frame(entry) : frame(entry);
    }
    if (session.legacy || session.synced) return std::nullopt;
    Message message;
    if (!session.known.empty()) {
      message.type = Message::Type::kGone;  // it knows what nobody knows here any more
      message.subject = session.known.begin()->first;
      session.known.erase(session.known.begin());
      return encode(message);
    }
    session.synced = true;
    message.type = Message::Type::kSynced;
    return encode(message);
  }

  static std::string frame(const StateBoard::Entry& entry) {
    Message message;
    message.type = entry.gone ? Message::Type::kGone : Message::Type::kObject;
    message.subject = entry.subject;
    if (!entry.gone) {
      message.resource_version = entry.version;
      message.body = *entry.object;
    }
    return encode(message);
  }

  /// Always "insert": upstream's local controller does not know "update" (details of its protocol, §3.2).
  static std::string legacy_frame(const StateBoard::Entry& entry) {
    UpstreamFrame out;
    std::tie(out.ns, out.name) = split(entry.subject.key);
    out.kind = to_lower(entry.subject.kind);
    out.operation = entry.gone ? "delete" : "insert";
    if (entry.object != nullptr) out.content = *entry.object;
    return encode_upstream(out);
  }

  void make_outbox(const std::shared_ptr<Session>& session, asio::any_io_executor executor) {
    std::weak_ptr<Session> weak = session;
    session->outbox = std::make_shared<Outbox>(
        std::move(executor),
        [this, weak]() -> std::optional<std::string> {
          const auto strong = weak.lock();
          return strong ? next_state(*strong) : std::nullopt;
        },
        kMaxQueue);
  }

  void take_fact(const std::shared_ptr<Session>& session, Message message) {
    facts.add();
    IncomingFact fact;
    fact.node = session->node;
    fact.source = session->id;
    fact.sequence = message.sequence;
    fact.subject = std::move(message.subject);
    fact.worker = std::move(message.worker);
    fact.body = std::move(message.body);
    ++session->waiting;
    // Weak: the sink may keep a fact for longer than this server lives.
    fact.acknowledge = [weak = std::weak_ptr(session), sequence = message.sequence](const std::string& why) {
      const auto kept = weak.lock();
      if (kept == nullptr) return;
      --kept->waiting;
      Message answer;
      answer.type = Message::Type::kAck;
      answer.sequence = sequence;
      answer.refused = why;
      kept->outbox->send(encode(answer));
    };
    // A node speaks for what it was given, and for nothing else.
    if (!board.knows(session->node, fact.subject)) {
      fact.acknowledge("this node has no " + fact.subject.kind + " " + fact.subject.key);
      return;
    }
    if (session->waiting > options.max_waiting) {
      session->outbox->close(kPolicyViolation, "too many facts without waiting for their acknowledgement");
      return;
    }
    sink(std::move(fact));
  }

  /// One message of ours. False: the session is over.
  bool handle(std::shared_ptr<Session>& session, std::string_view text) {
    auto message = decode(text);
    if (!message) {
      if (message.error().code() == ErrorCode::kUnimplemented) return true;  // a newer peer says more
      session->outbox->close(kUnsupportedData, message.error().what());
      return false;
    }
    switch (message->type) {
      case Message::Type::kFact:
        take_fact(session, std::move(*message));
        return true;
      case Message::Type::kPing: {
        Message pong;
        pong.type = Message::Type::kPong;
        pong.sequence = message->sequence;
        session->outbox->send(encode(pong));
        return true;
      }
      default:
        return true;
    }
  }

  void handle_legacy(const std::shared_ptr<Session>& session, std::string_view text) {
    auto frame = decode_upstream(text);
    if (!frame) {
      log::warning("a frame of an upstream local controller was not understood",
                   {{"node", session->node}, {"reason", frame.error().what()}});
      return;
    }
    if (frame->operation.empty()) return;  // the bare header it begins with
    if (frame->operation != "status") {
      log::warning("a frame of an upstream local controller was passed over",
                   {{"node", session->node}, {"operation", frame->operation}});
      return;
    }
    facts.add();
    IncomingFact fact;
    fact.node = session->node;
    fact.subject = {frame->kind, frame->ns + "/" + frame->name};
    fact.body = std::move(frame->content);
    sink(std::move(fact));
  }

  net::Task<void> serve_ours(serve::Request& request, serve::WebSocket& socket) {
    auto session = std::make_shared<Session>();
    session->remote = request.remote;
    make_outbox(session, request.executor);
    SocketWriter writer(socket);
    // The first message says who it is; until then nothing is sent.
    auto first = co_await socket.read();
    if (!first) co_return;
    auto hello = decode(first->data.text());
    std::string refusal;
    if (!hello || hello->type != Message::Type::kHello) {
      refusal = !hello ? std::string(hello.error().what()) : "the first message must be a hello";
    } else if (hello->node.size() > kLongestNode) {
      refusal = "the node's name is too long";
    } else if (!may_speak_for(request.headers.get("Authorization"), hello->node)) {
      refusal = "the token is not that of node " + hello->node;
      refused.add();
      log::warning("a local controller was refused", {{"node", hello->node}, {"remote", request.remote}});
    }
    if (!refusal.empty()) {
      co_await socket.close(kPolicyViolation, std::move(refusal));
      co_return;
    }
    session->node = std::move(hello->node);
    session->id = std::move(hello->id);
    session->known = std::move(hello->known);
    add(session);
    asio::co_spawn(request.executor, Outbox::run(session->outbox, &writer), asio::detached);
    std::string failure;
    try {
      for (;;) {
        auto message = co_await socket.read();
        if (!message || !handle(session, message->data.text())) break;
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
    co_await end(session, std::move(failure));
  }

  net::Task<void> serve_legacy(serve::Request& request, serve::WebSocket& socket) {
    const std::string node(request.headers.get("Node-Name"));
    if (!options.legacy || node.empty() || node.size() > kLongestNode) {
      refused.add();
      std::string why = options.legacy ? "the header Node-Name is missing"
                                       : "upstream's local controllers are not allowed here (legacyLocalControllers)";
      co_await socket.close(kPolicyViolation, std::move(why));
      co_return;
    }
    auto session = std::make_shared<Session>();
    session->node = node;
    session->legacy = true;
    session->remote = request.remote;
    make_outbox(session, request.executor);
    SocketWriter writer(socket);
    add(session);
    asio::co_spawn(request.executor, Outbox::run(session->outbox, &writer), asio::detached);
    std::string failure;
    try {
      for (;;) {
        auto message = co_await socket.read();
        if (!message) break;
        handle_legacy(session, message->data.text());
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
    co_await end(session, std::move(failure));
  }

  net::Task<void> end(std::shared_ptr<Session> session, std::string failure) {
    if (!failure.empty()) log::debug("a link has broken", {{"node", session->node}, {"error", failure}});
    // Whatever ended the reader, the writer must not touch the socket once this is over.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await session->outbox->finish();
    remove(session);
  }

  void start() {
    load_tokens();
    serve::RouteOptions route;
    route.anonymous = true;
    route.max_body = kMaxFrame;
    route.websocket_idle = options.idle;
    server.websocket(
        "/sedna/link/v1", [this](serve::Request& q, serve::WebSocket& s) { return serve_ours(q, s); }, route);
    // Upstream's connects to "/", and its server takes any path.
    server.websocket("/", [this](serve::Request& q, serve::WebSocket& s) { return serve_legacy(q, s); }, route);
    server.start();
  }

  const LinkServerOptions options;
  StateBoard& board;
  FactSink sink;
  mutable std::mutex mutex;
  identity::TokenTable tokens;
  std::int64_t tokens_read = 0;
  std::map<std::string, std::shared_ptr<Session>> sessions;  ///< by node
  std::uint64_t numbers = 0;
  serve::Server server;
  metrics::Gauge& connected_gauge;
  metrics::Counter& facts;
  metrics::Counter& refused;
};

LinkServer::LinkServer(LinkServerOptions options, StateBoard& board, FactSink sink, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), board, std::move(sink), registry)) {}

LinkServer::~LinkServer() {
  stop();
}

void LinkServer::start() {
  impl_->start();
}

void LinkServer::stop() {
  impl_->server.drain();
}

std::uint16_t LinkServer::port() const {
  return impl_->server.port();
}

std::vector<LinkServer::Connected> LinkServer::connected() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<Connected> out;
  for (const auto& [node, session] : impl_->sessions) out.push_back({node, session->legacy, session->remote});
  return out;
}

}  // namespace sedna::link
