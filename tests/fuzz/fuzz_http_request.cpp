// Bytes as a client may send them: head scanner and parser in arbitrary pieces, routing, then the chunked coding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/net/http_parse.hpp"
#include "sedna/serve/file_response.hpp"
#include "sedna/serve/http_parser.hpp"
#include "sedna/serve/router.hpp"
#include "sedna/serve/trace.hpp"

namespace {

using namespace sedna;

const serve::Router& router() {
  static serve::Router* const made = [] {
    auto* const r = new serve::Router;
    r->add("GET", "/v2/models/{name}");
    r->add("POST", "/v2/models/{name}/versions/{version}/infer");
    r->add("GET", "/files/{rest...}");
    return r;
  }();
  return *made;
}

void require(bool ok) {
  if (!ok) std::abort();
}

std::size_t scan(std::string_view bytes, std::size_t piece) {
  serve::HeadScanner scanner(4096);
  for (std::size_t end = piece;; end += piece) {
    end = std::min(end, bytes.size());
    const auto outcome = scanner.scan(bytes.substr(0, end));
    if (outcome.refusal) return 0;
    if (outcome.length > 0) return outcome.length;
    if (end == bytes.size()) return 0;
  }
}

void check_head(const serve::RequestHead& head) {
  // What the connection loop relies on.
  require(!(head.chunked && head.content_length));
  require(head.path.find('\0') == std::string::npos);
  require(("/" + head.path + "/").find("/../") == std::string::npos);
  require(head.path == "*" || head.path.starts_with('/') || head.raw_path.starts_with("%"));
  for (const auto& [name, value] : head.headers) {
    require(net::is_token(name));
    require(value.find_first_of("\r\n") == std::string::npos);
  }
  std::vector<std::string> params;
  router().match(head.method, head.raw_path, params);
  for (const auto& param : params) require(("/" + param + "/").find("/../") == std::string::npos);
  const std::string trace = serve::traceparent_from(head.headers.get("traceparent"));
  require(trace.size() == 55 && !serve::trace_id_of(trace).empty());
  require(net::is_field_value(serve::request_id_from(head.headers.get("X-Request-Id"))));
  if (const auto range = serve::parse_range(head.headers.get("Range"), 1000))
    require(range->offset + range->count <= 1000);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = 1 + data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t length = scan(bytes, piece);
  require(length == scan(bytes, 1));  // how the bytes were cut must not matter
  if (length == 0) return 0;
  serve::RequestHead head;
  if (serve::parse_request_head(bytes.substr(0, length), head)) return 0;
  check_head(head);
  if (!head.chunked) return 0;
  net::ChunkDecoder chunks;
  auto rest = std::as_bytes(std::span(bytes.data() + length, bytes.size() - length));
  while (!rest.empty() && !chunks.done()) {
    const auto step = chunks.feed(rest.first(std::min(piece, rest.size())));
    if (!step) return 0;
    require(step->consumed > 0 || chunks.done());
    rest = rest.subspan(step->consumed);
  }
  return 0;
}
