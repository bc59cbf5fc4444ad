// GM's end of the link: one WebSocket port for the local controllers of all nodes, upstream's and ours. State goes down
// from a StateBoard, facts come up to a sink, and are acknowledged when the sink says so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/link/state_board.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::link {

struct IncomingFact {
  IncomingFact() {}
  std::string node;
  std::string source;          ///< id of the local controller's journal; "" for upstream's
  std::uint64_t sequence = 0;  ///< 0 for upstream's
  StateKey subject;            ///< kind as Kubernetes spells it ("Dataset") for ours, lower case for upstream's
  std::string worker;
  json::object body;
  /// Once, from any thread, when the fact is in an object's status ("") or never will be (why). Empty for upstream's.
  /// Does nothing once the connection or the server is gone; not to be called while the server is being destroyed.
  std::function<void(const std::string& refused)> acknowledge;
};
/// Called on the connection's thread: must not block.
using FactSink = std::function<void(IncomingFact fact)>;

struct LinkServerOptions {
  LinkServerOptions() {}
  std::string host = "0.0.0.0";
  std::uint16_t port = 9000;  ///< 0: any
  serve::TlsServerOptions tls;
  /// "name:token[:roles]" a line, where the name is the node's or "lc-<node>". Read again when a token is not found and
  /// the file has changed. Without a file our local controllers need no token.
  std::string token_file;
  bool legacy = true;  ///< upstream's local controllers are served, which have no token
  SteadyClock::duration idle = std::chrono::seconds(40);  ///< silence (pings included) after which a link is dead
  /// Facts of one connection that wait for the sink; a local controller that sends more without waiting is dropped.
  std::size_t max_waiting = 4096;
};

class LinkServer {
 public:
  /// `board` and what `sink` uses outlive it.
  LinkServer(LinkServerOptions options, StateBoard& board, FactSink sink, metrics::Registry& registry);
  ~LinkServer();
  LinkServer(const LinkServer&) = delete;
  LinkServer& operator=(const LinkServer&) = delete;

  /// Throws Error when it cannot bind or the token file cannot be read.
  void start();
  void stop();
  std::uint16_t port() const;

  struct Connected {
    std::string node;
    bool legacy = false;
    std::string remote;
  };
  std::vector<Connected> connected() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::link
