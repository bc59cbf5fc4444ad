// The local controller's end of the link: connects to GM and stays connected, takes state down, brings facts up. Facts
// lie in a journal until GM has acknowledged them; a day offline loses none and changes no order.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "sedna/journal/journal.hpp"
#include "sedna/link/frame.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::link {

/// Who takes the state in. Called on the client's thread, one call at a time; may write to the disk.
class StateSink {
 public:
  virtual ~StateSink() = default;
  /// The versions that are known, for the hello.
  virtual std::map<StateKey, std::string> known() = 0;
  virtual void object(const StateKey& subject, const std::string& version, json::object object) = 0;
  virtual void gone(const StateKey& subject) = 0;
  /// Everything that this node should know has come since the connection was made.
  virtual void synced() {}
  /// The link is up or down; `why` says why it is down.
  virtual void connected(bool /*up*/, const std::string& /*why*/) {}
};

struct LinkClientOptions {
  LinkClientOptions() {}
  std::string gm_address;  ///< "host:port", or ws://, wss://, http://, https:// and that
  std::string node;
  std::string token_file;  ///< read at each connect; its first line, or a kubeconfig's token (see read_token)
  net::TlsClientOptions tls;
  SteadyClock::duration idle = std::chrono::seconds(40);  ///< silence after which the link is dead
  SteadyClock::duration first_pause = std::chrono::milliseconds(200);
  SteadyClock::duration longest_pause = std::chrono::seconds(30);
  SteadyClock::duration connect_timeout = std::chrono::seconds(10);
  std::size_t window = 128;  ///< facts on their way without an acknowledgement
  /// For tests: every connection's stream goes through it.
  std::function<net::StreamPtr(net::StreamPtr)> wrap;
};

/// The token that a file holds: of a kubeconfig (JSON) its user's, else the first line. Throws Error with the path.
std::string read_token(const std::string& file);

/// Life: construct → start() → report()… → stop(). Thread-safe. One thread of its own.
class LinkClient {
 public:
  /// `facts` and `sink` outlive it. Throws Error for an address that is none.
  LinkClient(LinkClientOptions options, journal::Journal& facts, StateSink& sink);
  ~LinkClient();
  LinkClient(const LinkClient&) = delete;
  LinkClient& operator=(const LinkClient&) = delete;

  void start();
  void stop();

  /// Durable when it returns; sent when the link is up. Of one (subject, worker) the newest fact is what counts: it
  /// stands for older ones that GM has not acknowledged. Throws Error when the journal takes nothing more.
  void report(const StateKey& subject, std::string_view worker, const json::object& body);

  bool connected() const;
  std::size_t waiting() const;  ///< facts that GM has not acknowledged
  std::uint64_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::link
