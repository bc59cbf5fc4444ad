// The body of a request as its handler reads it, piece by piece. Internal to the server core.
#pragma once

#include "sedna/serve/server.hpp"

namespace sedna::serve {

class Connection;

/// Nothing is read from the socket before the handler asks: TCP pushes back on the client.
class StreamedBody final : public BodyReader {
 public:
  StreamedBody(Connection& connection, std::size_t limit);
  void set_total(std::uint64_t total) { total_ = total; }
  net::Task<std::size_t> read(std::span<std::byte> into) override;
  std::optional<std::uint64_t> content_length() const override;

 private:
  net::Task<std::size_t> read_chunk(std::span<std::byte> into);
  void check_limit(std::size_t next) const;

  Connection& connection_;
  std::size_t limit_;
  std::uint64_t total_ = 0;  ///< declared length, or bytes so far when chunked
};

}  // namespace sedna::serve
