// Strict parsing of what an HTTP/1.1 server sends back: the head in one piece, chunked bodies step by step. Called by
// the client and the fuzzers. Everything here treats its input as hostile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sedna/net/http.hpp"

namespace sedna::net {

/// Length of the head including the empty line that ends it, or npos. Looks from `from` on, what came before being
/// known.
std::size_t find_head_end(std::string_view bytes, std::size_t from = 0);

/// False as soon as the bytes cannot become an HTTP/1.x status line: no need to wait for more of them.
bool may_be_response(std::string_view bytes);

/// Status line, fields and what they say about the body.
struct ResponseHead {
  int status = 0;
  Headers headers;
  bool keep_alive = true;
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
};

/// `head` ends with the empty line. Refuses what could be read in two ways: folded lines, bare CR or LF, spaces before
/// a colon, differing lengths, Content-Length together with Transfer-Encoding, codings other than chunked.
Result<ResponseHead> parse_response_head(std::string_view head);

/// A field list such as "close, upgrade" contains the token (compared without case).
bool has_token(std::string_view list, std::string_view token);

/// True for the characters of a method or field name.
bool is_token(std::string_view text);
/// True when the text may stand as a field value: no CR, LF, NUL or other control character but TAB.
bool is_field_value(std::string_view text);

/// Chunked transfer coding, fed with whatever arrived. Chunk extensions are skipped, trailers read and dropped.
class ChunkDecoder {
 public:
  /// The largest line (chunk size with extensions, one trailer) and the largest sum of such bytes between data.
  static constexpr std::size_t kMaxLine = 8 * 1024;

  struct Step {
    std::size_t consumed = 0;         ///< bytes of the input that are done with
    std::span<const std::byte> data;  ///< body bytes inside the input, valid as long as it
  };
  /// Takes one step; data may be empty while consumed is not. Call again with the rest until it consumes nothing.
  Result<Step> feed(std::span<const std::byte> input);
  bool done() const { return state_ == State::kDone; }
  /// Bytes of the current chunk that are still to come: they may be read straight into the body and then passed by
  /// skip().
  std::uint64_t pending() const { return state_ == State::kData ? remaining_ : 0; }
  void skip(std::uint64_t count);

 private:
  enum class State { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf, kDone };
  Result<Step> fail(std::string_view what) const;

  State state_ = State::kSize;
  std::uint64_t remaining_ = 0;
  std::size_t digits_ = 0;
  std::size_t line_ = 0;      // bytes of the current line
  std::size_t trailers_ = 0;  // bytes of all trailers
};

}  // namespace sedna::net
