// One GET to a node's agent whose answer is passed on piece by piece, on the connection's own thread. Internal to
// module apiserver.
#pragma once

#include <memory>
#include <string>

#include "sedna/apiserver/pod_proxy.hpp"
#include "sedna/base/clock.hpp"
#include "sedna/net/http_parse.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::apiserver {

class AgentStream final : public serve::BodyProducer {
 public:
  /// Returns when the head of the answer is there. Throws Error.
  static net::Task<std::unique_ptr<AgentStream>> open(AgentAddress agent, std::string target, Deadline deadline);
  ~AgentStream() override;
  AgentStream(const AgentStream&) = delete;
  AgentStream& operator=(const AgentStream&) = delete;

  int status() const { return head_.status; }
  std::string content_type() const { return std::string(head_.headers.get("Content-Type")); }
  /// The body as one text, cut after `limit` bytes.
  net::Task<std::string> text(std::size_t limit);

  net::Task<Bytes> next() override;
  bool waits() const override { return true; }

 private:
  explicit AgentStream(net::StreamPtr stream) : stream_(std::move(stream)) {}
  net::Task<std::size_t> fill();

  net::StreamPtr stream_;
  net::ResponseHead head_;
  net::ChunkDecoder chunks_;
  std::string buffer_;
  std::uint64_t left_ = 0;
};

}  // namespace sedna::apiserver
