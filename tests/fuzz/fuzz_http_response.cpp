// What a server sends: the first byte says in which pieces, the rest is head and chunked body.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sedna/net/http_parse.hpp"

namespace {

namespace net = sedna::net;

void require(bool ok) {
  if (!ok) std::abort();
}

struct Decoded {
  std::string body;
  std::size_t consumed = 0;
  bool done = false;
  bool failed = false;
};

Decoded decode(std::string_view wire, std::size_t step) {
  net::ChunkDecoder decoder;
  Decoded out;
  while (out.consumed < wire.size() && !decoder.done()) {
    const std::string_view piece = wire.substr(out.consumed, step);
    const auto fed = decoder.feed(std::as_bytes(std::span(piece.data(), piece.size())));
    if (!fed) {
      out.failed = true;
      break;
    }
    require(fed->consumed > 0 && fed->consumed <= piece.size());
    out.body.append(reinterpret_cast<const char*>(fed->data.data()), fed->data.size());
    out.consumed += fed->consumed;
  }
  out.done = decoder.done();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] % 64 + 1;
  const std::string_view wire(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t end = net::find_head_end(wire);
  if (end != std::string_view::npos) {
    require(end <= wire.size());
    const auto head = net::parse_response_head(wire.substr(0, end));
    if (head) {
      require(head->status >= 100 && head->status <= 599);
      require(!(head->chunked && head->content_length));
      for (const auto& [name, value] : head->headers) require(net::is_token(name) && net::is_field_value(value));
    }
  }
  // How the bytes are cut must not change what they say.
  const std::string_view body = end == std::string_view::npos ? wire : wire.substr(end);
  const Decoded whole = decode(body, body.size() + 1);
  const Decoded pieces = decode(body, step);
  require(whole.done == pieces.done && whole.failed == pieces.failed);
  if (!whole.failed) require(whole.body == pieces.body && whole.consumed == pieces.consumed);
  net::has_token(wire, "close");
  return 0;
}
