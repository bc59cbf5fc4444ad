// What the files of AggregationServer share. Not for users.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "sedna/federated/peer.hpp"
#include "sedna/federated/rounds.hpp"
#include "sedna/federated/server.hpp"
#include "sedna/federated/wire.hpp"
#include "sedna/serve/offload.hpp"

namespace sedna::federated {

struct AggregationServer::Impl {
  /// What became of a message: who this connection is from now on, or that it must end.
  struct Step {
    std::optional<std::string> client;
    std::uint16_t close_code = 0;
    std::string reason;
  };
  /// A connection as its messages are handled.
  struct Session {
    std::shared_ptr<Peer> peer;
    std::string client;    ///< once it has subscribed
    std::string identity;  ///< whom its token or certificate names; empty when nobody was asked
  };
  struct Publication {
    RoundMachine::Closed closed;
    json::object envelope;
    RoundReport report;
  };

  Impl(AggregationServerOptions o, metrics::Registry& registry);
  ~Impl();

  // Connections (server_socket.cpp).
  net::Task<void> serve_socket(serve::Request& request, serve::WebSocket& socket);
  net::Task<serve::Response> tell_clients(serve::Request& request);
  /// Runs on the pool: reads a message and acts on it.
  Step handle(const Session& session, std::string_view text);
  Step subscribe(const Session& session, const Frame& frame);
  void take_update(const Session& session, Frame frame, std::size_t bytes);
  Step pass_on(const Frame& frame, std::size_t bytes);
  void leave(const Session& session, bool clean);

  // Rounds (server.cpp). The lock is held where the name says so.
  void conduct();
  void collect_closed_locked();
  void publish(Publication publication);
  void end_locked();
  void send_model_locked(const std::shared_ptr<Peer>& peer);
  void broadcast_locked(const Bytes& text, const Peer* except = nullptr);
  void stop();

  AggregationServerOptions options;
  metrics::Counter& rounds_total;
  metrics::Gauge& clients_gauge;
  metrics::Counter& received_bytes;
  metrics::Counter& sent_bytes;
  metrics::Registry& registry;

  mutable std::mutex mutex;
  std::condition_variable changed;  ///< a round closed, the job ended, or stop() was called
  RoundMachine machine;
  std::map<std::string, std::shared_ptr<Peer>> peers;
  std::uint64_t connections = 0;
  json::object envelope;  ///< of the newest committed update
  std::deque<Publication> to_publish;
  Bytes model_text;  ///< the newest published model's recv_weight
  std::int64_t model_round = 0;
  std::uint64_t round_bytes = 0;
  SteadyClock::time_point round_began = SteadyClock::now();
  bool over = false;
  bool stopping = false;
  bool started = false;

  serve::Offload pool;
  std::thread conductor;
  serve::Server server;  // last: ends before what its handlers use
};

}  // namespace sedna::federated
