// One HTTP/1.1 exchange over one Transport: the protocol of the blocking client, without pool or policy.
#pragma once

#include <string>
#include <vector>

#include "sedna/net/http_client.hpp"
#include "sedna/net/http_parse.hpp"
#include "sedna/net/transport.hpp"

namespace sedna::net {

/// How an exchange ended, for the pool's decisions.
struct ExchangeResult {
  HttpOutcome outcome;
  bool reusable = false;        ///< the connection may carry another exchange
  bool accepted_any = false;    ///< the kernel took at least one byte of the request
  bool answered_any = false;    ///< at least one byte came back
  bool closed_by_peer = false;  ///< it failed because the peer closed or reset, not by deadline or garbage
};

struct ExchangeLimits {
  std::size_t max_header = 64 * 1024;
  std::size_t max_body = std::size_t{1} << 30;
};

/// Where a response goes while it is received; both null for a body in memory.
struct ResponseSinks {
  const BodySink* body = nullptr;
  const HeadSink* head = nullptr;
};

/// The request line and fields as sent: Host, User-Agent, Authorization, Content-Length are filled in where absent.
/// Refuses (kInvalidArgument) what would let a value break out of its field.
Result<std::string> serialize_head(const HttpRequest& request, const Url& origin, const HttpClientOptions& options);

/// A connection in use by one thread at a time; keeps its input buffer from one exchange to the next.
class HttpConnection {
 public:
  explicit HttpConnection(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  /// Sends and receives until `deadline`. `sinks.body` takes a 2xx body. Throws only what the sinks
  /// throw. `subject` names the exchange in errors.
  ExchangeResult exchange(const HttpRequest& request, const std::string& head, const ExchangeLimits& limits,
                          Deadline deadline, const ResponseSinks& sinks, const std::string& subject);
  /// Sends the request and receives the header of the answer only: what follows is read by next_body_bytes().
  /// `head_out` is set unless the result holds a failure.
  ExchangeResult begin(const HttpRequest& request, const std::string& head, const ExchangeLimits& limits,
                       Deadline deadline, const std::string& subject, ResponseHead& head_out);
  /// Raw bytes behind the header, framing included: what lies in the buffer, else what comes until the deadline
  /// (kWantRead). Bytes count as used at the next call.
  IoStep next_body_bytes(Deadline deadline, std::span<const std::byte>& bytes);
  /// Gives back the end of what next_body_bytes() returned.
  void unread(std::size_t count) { begin_ -= count; }
  Transport& transport() { return *transport_; }

 private:
  struct Exchange;
  std::unique_ptr<Transport> transport_;
  std::vector<char> input_;  // what arrived and was not used yet is input_[begin_, end_)
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sedna::net
