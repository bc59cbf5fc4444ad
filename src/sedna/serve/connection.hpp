// One client connection: reads requests, runs handlers, writes answers. Internal to the server core.
//
//   (TLS) → idle → head → body → handler → write → idle …        every arrow moves the one deadline of the connection
//                    └──────┴───────┴→ abandoned: the deadline passed, the answer is written by a second coroutine,
//                                      and the first one ends as soon as what it waits for returns
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>

#include "sedna/net/http_parse.hpp"
#include "sedna/serve/core.hpp"
#include "sedna/serve/http_parser.hpp"

namespace sedna::serve {

class SocketFace;

/// Lives in its coroutine; all members are used on the loop's thread.
class Connection final : public std::enable_shared_from_this<Connection>, private TimerQueue::Entry {
 public:
  Connection(std::shared_ptr<Core> core, std::shared_ptr<Loop> loop, net::StreamPtr stream);
  ~Connection() override;
  void start();
  /// Closes when idle; otherwise the answer under way says "Connection: close". Long-lived handlers are cancelled.
  void drain();
  /// Breaks off: closes the stream and cancels the handler.
  void cut();
  asio::any_io_executor executor() const { return loop_->io.get_executor(); }

 private:
  friend class StreamedBody;
  enum class Phase { kHandshake, kIdle, kHead, kBody, kHandler, kWrite, kLinger };

  static net::Task<void> run(std::shared_ptr<Connection> self);
  net::Task<bool> handshake();
  net::Task<void> serve_requests();
  net::Task<bool> read_head();
  net::Task<void> serve_one();
  net::Task<Response> call(const Route& route);
  net::Task<bool> prepare_body(const Route& route);
  net::Task<bool> read_sized(std::uint64_t size, std::size_t before);
  std::size_t padding(const Route& route, std::uint64_t size) const;
  net::Task<bool> read_chunked(std::size_t limit);
  net::Task<bool> discard_body();
  net::Task<void> run_websocket(const Route& route);
  net::Task<void> linger();

  // Reading.
  std::string_view buffered() const { return {buffer_.get() + begin_, end_ - begin_}; }
  void make_room(std::size_t wanted);
  /// Reads more into the buffer; false at the end of the stream or on an error.
  net::Task<bool> fill();
  /// Reads up to the span's size past the buffer; 0 at the end or on an error.
  net::Task<std::size_t> receive(std::byte* into, std::size_t size);
  net::Task<void> send_continue();
  void progress(std::size_t bytes);
  void watch_peer();
  void on_watched(boost::system::error_code error, std::size_t n);

  // Deciding.
  Route* admit(Response& refusal);
  bool authenticate(const Route& route, Response& refusal);
  bool limit_time(const Route& route, Response& refusal);
  std::size_t body_limit(const Route& route) const;
  Response error_response(const Route* route, int status, const Error& error) const;

  // Writing.
  void render(const Response& response);
  net::Task<bool> respond(Response response);
  net::Task<bool> write_all(const asio::const_buffer* buffers, std::size_t count);
  net::Task<bool> produce(BodyProducer& producer, bool chunked);
  net::Task<Bytes> await_piece(BodyProducer& producer);
  void abandon(int status, ErrorCode code, std::string message);
  static net::Task<void> write_farewell(std::shared_ptr<Connection> self, std::string text);
  void account(int status);

  void enter(Phase phase, SteadyClock::duration limit);
  void on_due() override;

  std::shared_ptr<Core> core_;
  std::shared_ptr<Loop> loop_;
  net::StreamPtr stream_;
  std::list<std::weak_ptr<Connection>>::iterator place_;
  asio::cancellation_signal cancel_;

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  HeadScanner scanner_;

  // The request under way.
  RequestHead head_;
  Request request_;
  net::ChunkDecoder chunks_;
  Route* route_ = nullptr;
  bool head_parsed_ = false;
  bool body_done_ = true;        ///< nothing of this request is left to read
  bool continue_owed_ = false;   ///< the client waits for 100 Continue
  std::uint64_t body_left_ = 0;  ///< of a sized body
  std::uint64_t body_read_ = 0;
  std::uint64_t progress_mark_ = 0;
  SteadyClock::time_point started_{};
  SteadyClock::duration handler_limit_{};  ///< from the moment the handler starts
  std::uint64_t sent_ = 0;                 ///< bytes of the answer
  bool accounted_ = true;
  std::optional<HttpRefusal> refusal_;  ///< found while reading the body

  Phase phase_ = Phase::kHandshake;
  bool close_after_ = false;  ///< the answer under way is the last
  bool abandoned_ = false;
  bool failed_ = false;  ///< the stream broke
  bool writing_ = false;
  bool awaiting_piece_ = false;  ///< a body that waits for events
  bool watching_ = false;        ///< a read is under way while the handler runs
  bool peer_gone_ = false;
  /// By pointer: assigning one any_completion_handler to another recurses without end in Boost 1.81.
  std::unique_ptr<asio::any_completion_handler<void()>> watch_waiter_;
  std::string identity_from_tls_;
  std::weak_ptr<SocketFace> socket_;

  // Kept from answer to answer for their memory.
  std::string out_;
  std::vector<asio::const_buffer> parts_;
};

/// "HTTP/1.1 503 …" with a JSON body and Connection: close, for sockets that get no connection of their own.
std::string canned_refusal(int status, std::string_view message, std::string_view extra_header);
/// {"error": "..."}
Response default_error_body(int status, const Error& error);

}  // namespace sedna::serve
