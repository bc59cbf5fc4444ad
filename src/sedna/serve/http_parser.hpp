// The strict half of HTTP/1.1: the bytes of a request head into values (the chunked coding is net/http_parse.hpp). Used
// by the connection loop only; free of I/O, so that it can be fuzzed. What two parsers could read differently is
// refused (RFC 9112: request smuggling), not repaired.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/net/http.hpp"

namespace sedna::serve {

/// Why a request is refused before any handler saw it; the connection ends after the answer.
struct HttpRefusal {
  int status = 400;
  std::string message;
};

struct RequestHead {
  std::string method;
  std::string target;    ///< as sent
  std::string raw_path;  ///< path of the target, still escaped; "*" for OPTIONS *
  std::string path;      ///< decoded
  int minor_version = 1;
  net::Headers headers;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expect_continue = false;
  /// Empty again, with the memory of its strings and lists.
  void reset();
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

/// Where a head ends in a growing buffer. Call again with more bytes; it never looks at a byte twice.
class HeadScanner {
 public:
  explicit HeadScanner(std::size_t limit) : limit_(limit) {}
  /// Length of the head including its blank line; 0: more bytes are needed; a refusal for a bare LF or too many bytes.
  struct Outcome {
    std::size_t length = 0;
    std::optional<HttpRefusal> refusal;
  };
  Outcome scan(std::string_view bytes);
  void reset() { scanned_ = line_ = 0; }

 private:
  std::size_t limit_;
  std::size_t scanned_ = 0;  ///< bytes already looked at
  std::size_t line_ = 0;     ///< start of the line under way
};

/// Parses a whole head as HeadScanner found it (with the blank line). Nothing when `out` is filled.
std::optional<HttpRefusal> parse_request_head(std::string_view head, RequestHead& out);

/// Escapes decoded; refused: broken escapes, NUL and other control characters, "." and ".." segments.
std::optional<HttpRefusal> decode_path(std::string_view raw, std::string& out);

}  // namespace sedna::serve
