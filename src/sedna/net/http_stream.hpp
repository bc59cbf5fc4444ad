// The streamed response of the blocking client: framing taken off as the bytes come. Made by HttpClient::open.
#pragma once

#include <atomic>
#include <string>

#include "sedna/net/http_exchange.hpp"

namespace sedna::net {

class BodyStream final : public HttpStream {
 public:
  BodyStream(HttpConnection connection, std::string subject);

  /// Sends the request and reads the header of the answer; a failure, or nothing.
  std::optional<TransportFailure> begin(const HttpRequest& request, const std::string& head,
                                        const ExchangeLimits& limits, Deadline deadline);
  const HttpResponse& head() const override { return response_; }
  Piece next(Deadline deadline) override;
  void interrupt() override;

 private:
  Piece take(std::span<const std::byte> bytes);
  Piece end();
  Piece fail(Error error);

  HttpConnection connection_;
  const std::string subject_;
  HttpResponse response_;
  ChunkDecoder chunks_;
  bool chunked_ = false;
  std::optional<std::uint64_t> left_;  // of a counted body
  bool ended_ = false;
  std::optional<Error> failure_;
  std::atomic<bool> interrupted_{false};
};

}  // namespace sedna::net
