#include "sedna/apiserver/agent_stream.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/net/io.hpp"
#include "sedna/net/tls.hpp"

namespace sedna::apiserver {
namespace {

namespace asio = net::asio;

constexpr std::size_t kPiece = 16 * 1024;
constexpr std::size_t kMaxHead = 16 * 1024;

}  // namespace

AgentStream::~AgentStream() {
  if (stream_) stream_->close();
}

net::Task<std::size_t> AgentStream::fill() {
  const std::size_t have = buffer_.size();
  buffer_.resize(have + kPiece);
  boost::system::error_code error;
  const asio::mutable_buffer into(buffer_.data() + have, kPiece);
  const std::size_t n = co_await stream_->async_read_some(into, asio::redirect_error(asio::use_awaitable, error));
  buffer_.resize(have + n);
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error && error != asio::error::eof) throw Error(ErrorCode::kUnavailable, error.message());
  co_return n;
}

net::Task<std::unique_ptr<AgentStream>> AgentStream::open(AgentAddress agent, std::string target, Deadline deadline) {
  net::TlsClientOptions options;
  options.ca_pem = agent.certificate;
  const net::TlsContext context = net::TlsContext::client(options);
  net::StreamPtr stream = co_await net::connect_tcp_stream(agent.host, agent.port, deadline);
  if (agent.tls) stream = co_await net::tls_client(std::move(stream), context, agent.node, deadline);
  std::unique_ptr<AgentStream> self(new AgentStream(std::move(stream)));
  // Past the deadline the connection is cut, which ends what is waited for below.
  net::Watchdog watchdog(*self->stream_);
  watchdog.set(deadline);
  std::string head = "GET " + target + " HTTP/1.1\r\nHost: " + agent.node + "\r\nConnection: close\r\n";
  if (!agent.token.empty()) head += "Authorization: Bearer " + agent.token + "\r\n";
  head += "\r\n";
  std::vector<asio::const_buffer> parts(1, asio::const_buffer(head.data(), head.size()));
  const net::IoResult sent = co_await net::write_all(*self->stream_, std::move(parts));
  if (!sent.ok()) throw net::io_error(sent.error, "asking the agent");
  for (;;) {
    const std::size_t end = net::find_head_end(self->buffer_);
    if (end != std::string::npos) {
      auto parsed = net::parse_response_head(std::string_view(self->buffer_).substr(0, end));
      if (!parsed) throw Error(parsed.error());
      self->head_ = *std::move(parsed);
      self->left_ = self->head_.content_length.value_or(std::uint64_t(-1));
      self->buffer_.erase(0, end);
      co_return std::move(self);
    }
    if (self->buffer_.size() > kMaxHead) throw Error(ErrorCode::kDataLoss, "the answer's head is too long");
    const std::size_t n = co_await self->fill();
    if (n == 0) throw Error(ErrorCode::kUnavailable, "the agent closed the connection");
  }
}

net::Task<Bytes> AgentStream::next() {
  for (;;) {
    std::string piece;
    if (head_.chunked) {
      while (!buffer_.empty() && !chunks_.done()) {
        const auto input = std::as_bytes(std::span(buffer_.data(), buffer_.size()));
        const auto step = chunks_.feed(input);
        if (!step) throw Error(step.error());
        piece.append(reinterpret_cast<const char*>(step->data.data()), step->data.size());
        buffer_.erase(0, step->consumed);
        if (step->consumed == 0) break;
      }
      if (chunks_.done()) co_return Bytes::from_string(std::move(piece));
    } else {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), left_));
      piece = buffer_.substr(0, n);
      buffer_.erase(0, n);
      left_ -= n;
      if (piece.empty() && left_ == 0) co_return Bytes();
    }
    if (!piece.empty()) co_return Bytes::from_string(std::move(piece));
    const std::size_t n = co_await fill();
    if (n == 0 && head_.chunked) throw Error(ErrorCode::kUnavailable, "the agent broke off");
    if (n == 0) co_return Bytes();
  }
}

net::Task<std::string> AgentStream::text(std::size_t limit) {
  std::string out;
  while (out.size() < limit) {
    const Bytes piece = co_await next();
    if (piece.empty()) break;
    out.append(piece.text());
  }
  out.resize(std::min(out.size(), limit));
  co_return out;
}

}  // namespace sedna::apiserver
