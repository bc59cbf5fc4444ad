// A real TCP server on loopback that behaves as a test tells it to, connection by connection: right, slow, silent,
// rude. Used by the tests of everything that is a client. Its threads end with it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/net/http.hpp"

namespace sedna::testing {

/// A request as the imposter read it.
struct ImposterRequest {
  std::string method;
  std::string target;
  net::Headers headers;
  std::string body;
  int connection = 0;  ///< 1 for the first accepted connection
};

/// What the imposter does with one connection.
class Script {
 public:
  using Answer = std::function<std::string(const ImposterRequest&)>;

  /// Answers every request with the bytes that `answer` returns (see http_answer), for as long as the client asks.
  static Script serve(Answer answer);
  /// Reads one request, sends the bytes, closes.
  static Script reply(std::string bytes);
  /// Sends the bytes without reading anything, then closes in peace once the client did (or after the client's last
  /// byte).
  static Script speak_first(std::string bytes);
  /// Reads one request, sends the first `count` bytes, then closes, or resets the connection when `reset`.
  static Script cut(std::string bytes, std::size_t count, bool reset = false);
  /// Reads one request and sends one byte every `interval`, until the client goes away.
  static Script drip(std::string bytes, std::chrono::microseconds interval);
  /// Reads whatever comes and never says a word.
  static Script hang();
  /// Accepts and reads nothing at all, so that a large request gets stuck.
  static Script deaf();
  /// Resets the connection right after accepting it.
  static Script reset();
  /// Reads `count` bytes of the request, sends the bytes, resets the connection while the client still sends.
  static Script answer_early(std::size_t count, std::string bytes);

 private:
  friend class ImposterServer;
  enum class Kind { kServe, kReply, kSpeakFirst, kCut, kDrip, kHang, kDeaf, kReset, kAnswerEarly };
  Kind kind_ = Kind::kServe;
  Answer answer_;
  std::string bytes_;
  std::size_t count_ = 0;
  bool reset_ = false;
  std::chrono::microseconds interval_{0};
};

/// A whole response with Content-Length; `fields` are extra lines such as "Connection: close\r\n".
std::string http_answer(int status, std::string_view body, std::string_view fields = {});

class ImposterServer {
 public:
  /// Listens on a free port of 127.0.0.1. `fallback` is used for connections that no next() was given for.
  explicit ImposterServer(Script fallback = Script::serve([](const ImposterRequest&) {
                            return http_answer(200, "ok");
                          }));
  ~ImposterServer();
  ImposterServer(const ImposterServer&) = delete;
  ImposterServer& operator=(const ImposterServer&) = delete;

  std::uint16_t port() const;
  std::string origin() const;  ///< http://127.0.0.1:port
  /// The script of the next connection that has none yet; call again for the one after.
  void next(Script script);
  void fallback(Script script);
  /// Stops listening (connects are refused) and drops every connection. listen() takes the same port again.
  void refuse();
  void listen();
  /// Closes the connections that exist, as a server that restarts; new ones are still taken.
  void drop_connections();

  int connections() const;  ///< accepted so far
  std::vector<ImposterRequest> requests() const;
  /// Waits until that many whole requests were read; false when it took too long.
  bool wait_for_requests(std::size_t count, Deadline deadline = Deadline::after(std::chrono::seconds(5))) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::testing
