#include "sedna/net/http_exchange.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace sedna::net {
namespace {

constexpr std::size_t kFirstRead = 16 * 1024;
constexpr std::size_t kPiece = 256 * 1024;  // what a sink gets at most at once, and the first size of an unknown body
constexpr std::size_t kMaxParts = 64;

bool has_no_body(std::string_view method, int status) {
  return method == "HEAD" || status == 204 || status == 304 || status / 100 == 1;
}

bool expects_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

bool valid_target(std::string_view target) {
  return !target.empty() && std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string describe(const IoStep& step) {
  if (step.error != 0) return std::strerror(step.error);
  return *step.what != '\0' ? step.what : "connection closed by the server";
}

}  // namespace

Result<std::string> serialize_head(const HttpRequest& request, const Url& origin, const HttpClientOptions& options) {
  const auto refuse = [](std::string message, std::string subject) {
    return Error(ErrorCode::kInvalidArgument, std::move(message), std::move(subject));
  };
  if (!is_token(request.method)) return refuse("not an HTTP method", "method");
  if (!valid_target(request.target)) return refuse("request target with spaces, control or non-ASCII bytes", "target");
  std::string head;
  head.reserve(256);
  head.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  bool host = false;
  bool agent = false;
  bool authorization = false;
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return refuse("not a header name", "headers");
    if (!is_field_value(value)) return refuse("control character in a header value", name);
    const auto is = [&field = name](std::string_view other) { return has_token(field, other); };
    if (is("content-length") || is("transfer-encoding")) continue;  // framing is ours
    host = host || is("host");
    agent = agent || is("user-agent");
    authorization = authorization || is("authorization");
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!host) head.append("Host: ").append(origin.authority()).append("\r\n");
  if (!agent && !options.user_agent.empty()) head.append("User-Agent: ").append(options.user_agent).append("\r\n");
  if (!authorization && !options.bearer_token.empty()) {
    if (!is_field_value(options.bearer_token)) return refuse("control character in the bearer token", "bearer_token");
    head.append("Authorization: Bearer ").append(options.bearer_token).append("\r\n");
  }
  const std::size_t body = request.body_size();
  if (body > 0 || expects_body(request.method)) {
    head.append("Content-Length: ").append(std::to_string(body)).append("\r\n");
  }
  head.append("\r\n");
  return head;
}

// State of one exchange; lives on the stack of HttpConnection::exchange.
struct HttpConnection::Exchange {
  HttpConnection& self;
  const HttpRequest& request;
  const ExchangeLimits& limits;
  Deadline deadline;
  const ResponseSinks& sinks;
  const std::string& subject;
  ExchangeResult result{};
  bool sent_all = false;
  ResponseHead head{};

  // ---- failures --------------------------------------------------------------------------------------------------
  bool fail(ErrorCode code, std::string message) {
    result.outcome.response.reset();
    result.outcome.failure = TransportFailure{Error(code, std::move(message), subject), sent_all};
    return false;
  }
  bool fail_late(std::string_view doing) {
    return fail(ErrorCode::kDeadlineExceeded, "deadline passed while " + std::string(doing));
  }
  bool fail_closed(const IoStep& step, std::string_view doing) {
    result.closed_by_peer = true;
    return fail(ErrorCode::kUnavailable, describe(step) + " while " + std::string(doing));
  }

  // ---- input -----------------------------------------------------------------------------------------------------
  std::string_view buffered() const { return {self.input_.data() + self.begin_, self.end_ - self.begin_}; }

  std::size_t take_buffered(std::span<std::byte> into) {
    const std::size_t n = std::min(into.size(), self.end_ - self.begin_);
    if (n > 0) std::memcpy(into.data(), self.input_.data() + self.begin_, n);
    self.begin_ += n;
    return n;
  }

  // Waits for bytes; kMoved, kEof or kError. kWantRead stands for the deadline.
  IoStep read_some(std::span<std::byte> into, bool likely_there) {
    likely_there = likely_there || self.transport_->reads_ahead();
    short events = POLLIN;
    while (true) {
      if (likely_there) {
        const IoStep step = self.transport_->try_read(into);
        if (step.state == IoStep::State::kMoved) {
          result.answered_any = true;
          // A peer that drips bytes must not outlast the deadline.
          if (deadline.expired()) return {IoStep::State::kWantRead};
          return step;
        }
        if (step.state != IoStep::State::kWantRead && step.state != IoStep::State::kWantWrite) return step;
        events = step.state == IoStep::State::kWantRead ? POLLIN : POLLOUT;
      }
      if (wait_ready(self.transport_->descriptor(), events, deadline) == 0) return {IoStep::State::kWantRead};
      likely_there = true;
    }
  }

  // Appends to the input buffer; grows it up to the header limit. False when the exchange failed.
  bool fill(bool likely_there, std::string_view doing) {
    if (self.begin_ == self.end_) self.begin_ = self.end_ = 0;
    if (self.end_ == self.input_.size()) {
      if (self.begin_ > 0) {
        std::memmove(self.input_.data(), self.input_.data() + self.begin_, self.end_ - self.begin_);
        self.end_ -= self.begin_;
        self.begin_ = 0;
      } else {
        self.input_.resize(std::max(kFirstRead, self.input_.size() * 2));
      }
    }
    const std::span<char> space(self.input_.data() + self.end_, self.input_.size() - self.end_);
    const IoStep step = read_some(std::as_writable_bytes(space), likely_there);
    if (step.state == IoStep::State::kWantRead) return fail_late(doing);
    if (step.state != IoStep::State::kMoved) return fail_closed(step, doing);
    self.end_ += step.bytes;
    return true;
  }

  // ---- sending ---------------------------------------------------------------------------------------------------
  // True when the response can be read: everything is sent, or the server answered early or stopped listening.
  bool send(const std::string& text) {
    std::array<iovec, kMaxParts> parts;
    std::size_t index = 0;   // 0: the head, then request.body[index - 1]
    std::size_t offset = 0;  // inside the part
    const auto part = [&](std::size_t i) -> std::string_view {
      return i == 0 ? std::string_view(text) : request.body[i - 1].text();
    };
    const std::size_t count = request.body.size() + 1;
    while (true) {
      while (index < count && offset == part(index).size()) {
        ++index;
        offset = 0;
      }
      if (index == count) break;
      std::size_t n = 0;
      for (std::size_t i = index; i < count && n < kMaxParts; ++i) {
        const std::string_view rest = part(i).substr(i == index ? offset : 0);
        if (!rest.empty()) parts[n++] = iovec{const_cast<char*>(rest.data()), rest.size()};
      }
      const IoStep step = self.transport_->try_write({parts.data(), n});
      if (step.state == IoStep::State::kMoved) {
        result.accepted_any = result.accepted_any || step.bytes > 0;
        for (std::size_t left = step.bytes; left > 0;) {
          const std::size_t here = std::min(left, part(index).size() - offset);
          left -= here;
          offset += here;
          if (offset == part(index).size()) {
            ++index;
            offset = 0;
          }
        }
        if (deadline.expired() && index < count) return fail_late("sending the request");
        continue;
      }
      if (step.state == IoStep::State::kError || step.state == IoStep::State::kEof) {
        return after_refused_write(step);
      }
      const short write_event = step.state == IoStep::State::kWantWrite ? POLLOUT : 0;
      const short ready = wait_ready(self.transport_->descriptor(), static_cast<short>(write_event | POLLIN), deadline);
      if (ready == 0) return fail_late("sending the request");
      if ((ready & POLLIN) != 0 && step.state == IoStep::State::kWantWrite) {
        // An answer before the request is out (413, 503), or the end of the connection. Interim answers do not stop us.
        if (!fill(true, "sending the request")) return false;
        if (const int status = interim_status(); status == 0 || status >= 200) return true;
        drop_interim();
      }
    }
    sent_all = true;
    return true;
  }

  // 1xx when the whole buffer is complete interim answers; anything else means that the final answer has begun.
  int interim_status() const {
    const std::string_view bytes = buffered();
    const std::size_t end = find_head_end(bytes);
    if (end == std::string_view::npos) return 0;
    const auto parsed = parse_response_head(bytes.substr(0, end));
    return parsed && end == bytes.size() ? parsed->status : 0;
  }
  void drop_interim() { self.begin_ = self.end_; }

  // The server no longer takes the request. What it said before it stopped is still in the socket.
  bool after_refused_write(const IoStep& step) {
    while (true) {
      const std::string_view bytes = buffered();
      if (find_head_end(bytes) != std::string_view::npos) return true;
      if (!may_be_response(bytes) || bytes.size() > limits.max_header) break;
      if (!fill(true, "sending the request")) break;
    }
    return fail_closed(step, "sending the request");
  }

  // ---- receiving -------------------------------------------------------------------------------------------------
  bool receive_head() {
    std::size_t looked = 0;
    bool likely_there = false;  // right after sending, the answer has hardly ever arrived
    while (true) {
      const std::string_view bytes = buffered();
      if (!may_be_response(bytes)) return fail(ErrorCode::kDataLoss, "the server's answer is not HTTP");
      const std::size_t end = find_head_end(bytes, looked);
      if (end == std::string_view::npos ? bytes.size() >= limits.max_header : end > limits.max_header) {
        return fail(ErrorCode::kResourceExhausted,
                    "response header larger than " + std::to_string(limits.max_header) + " bytes");
      }
      if (end != std::string_view::npos) {
        auto parsed = parse_response_head(bytes.substr(0, end));
        if (!parsed) return fail(parsed.error().code(), parsed.error().message());
        self.begin_ += end;
        looked = 0;
        if (parsed->status == 101) return fail(ErrorCode::kDataLoss, "the server switched protocols unasked");
        if (parsed->status >= 200) {
          head = std::move(*parsed);
          return true;
        }
        if (++interims_ > 16) return fail(ErrorCode::kDataLoss, "more than 16 interim responses");
        continue;
      }
      looked = bytes.size();
      if (!fill(likely_there, bytes.empty() ? "waiting for the response" : "reading the response header")) return false;
      likely_there = false;
    }
  }

  bool too_large() {
    return fail(ErrorCode::kResourceExhausted,
                "response body larger than " + std::to_string(limits.max_body) + " bytes");
  }

  bool receive_body() {
    const bool streaming = sinks.body != nullptr && head.status / 100 == 2;
    if (has_no_body(request.method, head.status)) return true;
    if (head.chunked) return receive_chunked(streaming);
    if (head.content_length) return receive_counted(*head.content_length, streaming);
    return receive_rest(streaming);
  }

  bool receive_counted(std::uint64_t size, bool streaming) {
    if (!streaming && size > limits.max_body) return too_large();
    AlignedBuffer buffer(static_cast<std::size_t>(streaming ? std::min<std::uint64_t>(size, kPiece) : size));
    std::uint64_t got = 0;
    while (got < size) {
      const std::span<std::byte> into =
          streaming ? buffer.span().first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - got)))
                    : buffer.span().subspan(static_cast<std::size_t>(got));
      std::size_t n = take_buffered(into);
      if (n == 0) {
        const IoStep step = read_some(into, true);
        if (step.state == IoStep::State::kWantRead) return fail_late(progress(got, size));
        if (step.state != IoStep::State::kMoved) return fail_closed(step, progress(got, size));
        n = step.bytes;
      }
      if (streaming) (*sinks.body)(into.first(n));
      got += n;
    }
    if (!streaming) result.outcome.response->body = std::move(buffer).freeze();
    return true;
  }

  static std::string progress(std::uint64_t got, std::uint64_t size) {
    return "reading the response body (" + std::to_string(got) + " of " + std::to_string(size) + " bytes)";
  }

  // A body whose length is not known beforehand, either handed on or gathered in a growing buffer.
  struct Gather {
    AlignedBuffer buffer{};
    std::size_t size = 0;
    void add(std::span<const std::byte> data) {
      if (size + data.size() > buffer.size()) {
        AlignedBuffer larger(std::max({kFirstRead, buffer.size() * 2, size + data.size()}));
        if (size > 0) std::memcpy(larger.data(), buffer.data(), size);
        buffer = std::move(larger);
      }
      if (!data.empty()) std::memcpy(buffer.data() + size, data.data(), data.size());
      size += data.size();
    }
  };

  bool deliver(Gather& gather, std::span<const std::byte> data, std::uint64_t& total, bool streaming) {
    total += data.size();
    if (!streaming && total > limits.max_body) return too_large();
    if (streaming) {
      if (!data.empty()) (*sinks.body)(data);
    } else {
      gather.add(data);
    }
    return true;
  }

  bool receive_chunked(bool streaming) {
    ChunkDecoder decoder;
    Gather gather;
    std::uint64_t total = 0;
    while (!decoder.done()) {
      const std::string_view bytes = buffered();
      if (bytes.empty()) {
        if (!fill(true, "reading the response body")) return false;
        continue;
      }
      auto step = decoder.feed(std::as_bytes(std::span(bytes)));
      if (!step) return fail(step.error().code(), step.error().message());
      // Deliver before the input moves: the data lies inside it.
      if (!deliver(gather, step->data, total, streaming)) return false;
      self.begin_ += step->consumed;
    }
    if (!streaming) result.outcome.response->body = std::move(gather.buffer).freeze(gather.size);
    return true;
  }

  bool receive_rest(bool streaming) {
    head.keep_alive = false;
    Gather gather;
    std::uint64_t total = 0;
    while (true) {
      const std::string_view bytes = buffered();
      if (!deliver(gather, std::as_bytes(std::span(bytes)), total, streaming)) return false;
      self.begin_ = self.end_ = 0;
      if (self.input_.size() < kFirstRead) self.input_.resize(kFirstRead);
      const IoStep step = read_some(std::as_writable_bytes(std::span(self.input_)), true);
      if (step.state == IoStep::State::kEof) break;
      if (step.state == IoStep::State::kWantRead) return fail_late("reading the response body");
      if (step.state != IoStep::State::kMoved) return fail_closed(step, "reading the response body");
      self.end_ = step.bytes;
    }
    if (!streaming) result.outcome.response->body = std::move(gather.buffer).freeze(gather.size);
    return true;
  }

  int interims_ = 0;
};

ExchangeResult HttpConnection::begin(const HttpRequest& request, const std::string& head, const ExchangeLimits& limits,
                                     Deadline deadline, const std::string& subject, ResponseHead& head_out) {
  const ResponseSinks none;
  Exchange exchange{*this, request, limits, deadline, none, subject};
  if (exchange.send(head) && exchange.receive_head()) head_out = std::move(exchange.head);
  return std::move(exchange.result);
}

IoStep HttpConnection::next_body_bytes(Deadline deadline, std::span<const std::byte>& bytes) {
  while (begin_ == end_) {
    begin_ = end_ = 0;
    if (input_.size() < kFirstRead) input_.resize(kFirstRead);
    const IoStep step = transport_->try_read(std::as_writable_bytes(std::span(input_)));
    if (step.state == IoStep::State::kMoved) {
      end_ = step.bytes;
    } else if (step.state == IoStep::State::kWantRead || step.state == IoStep::State::kWantWrite) {
      const short event = step.state == IoStep::State::kWantRead ? POLLIN : POLLOUT;
      if (wait_ready(transport_->descriptor(), event, deadline) == 0) return {IoStep::State::kWantRead};
    } else {
      return step;
    }
  }
  bytes = std::as_bytes(std::span(input_)).subspan(begin_, end_ - begin_);
  begin_ = end_;
  return {IoStep::State::kMoved, bytes.size()};
}

ExchangeResult HttpConnection::exchange(const HttpRequest& request, const std::string& head,
                                        const ExchangeLimits& limits, Deadline deadline, const ResponseSinks& sinks,
                                        const std::string& subject) {
  Exchange exchange{*this, request, limits, deadline, sinks, subject};
  if (!exchange.send(head) || !exchange.receive_head()) return std::move(exchange.result);
  HttpResponse& response = exchange.result.outcome.response.emplace();
  response.status = exchange.head.status;
  response.headers = std::move(exchange.head.headers);
  if (sinks.head != nullptr && *sinks.head && response.status / 100 == 2) (*sinks.head)(response);
  try {
    if (!exchange.receive_body()) return std::move(exchange.result);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kResourceExhausted || sinks.body != nullptr) throw;
    exchange.fail(e.code(), e.message());  // no memory for the body
    return std::move(exchange.result);
  }
  // Bytes behind the response belong to nothing that was asked: such a connection is not used again.
  exchange.result.reusable = exchange.head.keep_alive && exchange.sent_all && begin_ == end_;
  if (exchange.result.reusable && input_.size() > 8 * kFirstRead) {
    input_ = std::vector<char>();
    begin_ = end_ = 0;
  }
  return std::move(exchange.result);
}

}  // namespace sedna::net
