#include "sedna/net/http_stream.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace sedna::net {

BodyStream::BodyStream(HttpConnection connection, std::string subject)
    : connection_(std::move(connection)), subject_(std::move(subject)) {}

std::optional<TransportFailure> BodyStream::begin(const HttpRequest& request, const std::string& head,
                                                  const ExchangeLimits& limits, Deadline deadline) {
  ResponseHead answer;
  ExchangeResult result = connection_.begin(request, head, limits, deadline, subject_, answer);
  if (result.outcome.failure) return std::move(result.outcome.failure);
  response_.status = answer.status;
  response_.headers = std::move(answer.headers);
  chunked_ = answer.chunked;
  left_ = answer.content_length;
  if (request.method == "HEAD" || answer.status == 204 || answer.status == 304) left_ = 0;
  return std::nullopt;
}

HttpStream::Piece BodyStream::end() {
  ended_ = true;
  return {};
}

HttpStream::Piece BodyStream::fail(Error error) {
  if (interrupted_.load(std::memory_order_acquire)) return end();  // the break is ours
  failure_ = std::move(error);
  return {Piece::State::kFailed, {}, failure_};
}

HttpStream::Piece BodyStream::next(Deadline deadline) {
  if (failure_) return {Piece::State::kFailed, {}, failure_};
  while (true) {
    if (ended_ || interrupted_.load(std::memory_order_acquire)) return end();
    if (chunked_ ? chunks_.done() : left_ == 0) return end();
    std::span<const std::byte> bytes;
    const IoStep step = connection_.next_body_bytes(deadline, bytes);
    if (step.state == IoStep::State::kWantRead) return {Piece::State::kDeadline, {}, {}};
    if (step.state != IoStep::State::kMoved) {
      if (step.state == IoStep::State::kEof && !chunked_ && !left_) return end();
      const char* what = step.error != 0 ? std::strerror(step.error) : step.what;
      return fail(Error(ErrorCode::kUnavailable,
                        *what != '\0' ? what : "connection closed by the server in the middle of the response",
                        subject_));
    }
    Piece piece = take(bytes);
    if (piece.state != Piece::State::kData || !piece.data.empty()) return piece;
  }
}

// Body bytes of what was received; an empty kData when there were only framing bytes.
HttpStream::Piece BodyStream::take(std::span<const std::byte> bytes) {
  if (!chunked_) {
    if (left_) {
      bytes = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), *left_)));
      *left_ -= bytes.size();
    }
    return {Piece::State::kData, bytes, {}};
  }
  std::size_t used = 0;
  while (used < bytes.size() && !chunks_.done()) {
    auto step = chunks_.feed(bytes.subspan(used));
    if (!step) return fail(Error(step.error().code(), step.error().message(), subject_));
    used += step->consumed;
    if (step->data.empty()) continue;
    connection_.unread(bytes.size() - used);
    return {Piece::State::kData, step->data, {}};
  }
  return {Piece::State::kData, {}, {}};
}

void BodyStream::interrupt() {
  interrupted_.store(true, std::memory_order_release);
  // Wakes the poll of a reader; the descriptor lives as long as this object.
  ::shutdown(connection_.transport().descriptor(), SHUT_RDWR);
}

}  // namespace sedna::net
