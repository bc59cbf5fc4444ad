#include "sedna/net/http_parse.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "sedna/base/text.hpp"

namespace sedna::net {
namespace {

constexpr std::size_t kMaxFields = 256;

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kTokenChar = make_token_table();

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Error garbage(std::string message, std::string field = {}) {
  return Error(ErrorCode::kDataLoss, "malformed HTTP response: " + std::move(message), std::move(field));
}

Result<void> apply_framing_field(ResponseHead& head, std::string_view name, std::string_view value) {
  if (equal_ignoring_case(name, "content-length")) {
    std::uint64_t length = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (value.empty() || error != std::errc() || end != value.data() + value.size()) {
      return garbage("Content-Length is not a number");
    }
    if (head.content_length && *head.content_length != length) return garbage("two different Content-Length fields");
    head.content_length = length;
  } else if (equal_ignoring_case(name, "transfer-encoding")) {
    if (head.chunked || !equal_ignoring_case(value, "chunked")) return garbage("Transfer-Encoding other than chunked");
    head.chunked = true;
  } else if (equal_ignoring_case(name, "connection")) {
    if (has_token(value, "close")) {
      head.keep_alive = false;
    }
  }
  return {};
}

}  // namespace

std::size_t find_head_end(std::string_view bytes, std::size_t from) {
  const std::size_t start = from > 3 ? from - 3 : 0;  // the end may have begun in what came before
  const std::size_t at = bytes.find("\r\n\r\n", start);
  return at == std::string_view::npos ? at : at + 4;
}

bool may_be_response(std::string_view bytes) {
  constexpr std::string_view kStart = "HTTP/1.";
  const std::size_t n = std::min(bytes.size(), kStart.size());
  return bytes.substr(0, n) == kStart.substr(0, n);
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (equal_ignoring_case(trim(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kTokenChar[static_cast<unsigned char>(c)]; });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  });
}

Result<ResponseHead> parse_response_head(std::string_view head) {
  ResponseHead out;
  // "HTTP/1.1 200 OK": the reason may be empty, and some servers leave out the space before it too.
  const std::size_t line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return garbage("no end of the status line");
  const std::string_view line = head.substr(0, line_end);
  if (line.size() < 12 || !may_be_response(line) || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
      (line.size() > 12 && line[12] != ' ') || !is_field_value(line)) {
    return garbage("not a status line");
  }
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, out.status);
  if (error != std::errc() || end != line.data() + 12 || out.status < 100 || out.status > 599) {
    return garbage("status is not a number from 100 to 599");
  }
  const bool old_version = line[7] == '0';
  bool asked_keep_alive = false;
  std::string_view rest = head.substr(line_end + 2);
  while (true) {
    const std::size_t eol = rest.find("\r\n");
    if (eol == std::string_view::npos) return garbage("no empty line after the fields");
    const std::string_view field = rest.substr(0, eol);
    rest.remove_prefix(eol + 2);
    if (field.empty()) break;
    if (out.headers.size() == kMaxFields) return garbage("more than 256 fields");
    const std::size_t colon = field.find(':');
    const std::string_view name = field.substr(0, colon == std::string_view::npos ? 0 : colon);
    if (!is_token(name)) return garbage("field without a valid name");
    const std::string_view value = trim(field.substr(colon + 1));
    if (!is_field_value(value)) return garbage("control character in a field value", std::string(name));
    if (auto framed = apply_framing_field(out, name, value); !framed) return framed.error();
    if (old_version && equal_ignoring_case(name, "connection") && has_token(value, "keep-alive"))
      asked_keep_alive = true;
    out.headers.add(std::string(name), std::string(value));
  }
  if (!rest.empty()) return garbage("bytes after the empty line");
  if (out.chunked && out.content_length) return garbage("both Content-Length and Transfer-Encoding");
  if (old_version && out.chunked) return garbage("Transfer-Encoding in HTTP/1.0");
  if (old_version && !asked_keep_alive) out.keep_alive = false;
  return out;
}

Result<ChunkDecoder::Step> ChunkDecoder::fail(std::string_view what) const {
  return garbage("chunked body: " + std::string(what));
}

void ChunkDecoder::skip(std::uint64_t count) {
  SEDNA_CHECK(state_ == State::kData && count <= remaining_);
  remaining_ -= count;
  if (remaining_ == 0) state_ = State::kDataCr;
}

Result<ChunkDecoder::Step> ChunkDecoder::feed(std::span<const std::byte> input) {
  Step step;
  while (step.consumed < input.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size() - step.consumed));
      step.data = input.subspan(step.consumed, n);
      step.consumed += n;
      skip(n);
      return step;
    }
    const char c = static_cast<char>(input[step.consumed++]);
    if (++line_ > kMaxLine) return fail("line too long");
    switch (state_) {
      case State::kSize: {
        int digit = -1;
        if (c >= '0' && c <= '9') digit = c - '0';
        const char l = ascii_lower(c);
        if (l >= 'a' && l <= 'f') digit = l - 'a' + 10;
        if (digit >= 0) {
          if (++digits_ > 15) return fail("chunk size too large");
          remaining_ = remaining_ * 16 + static_cast<unsigned>(digit);
        } else if (digits_ == 0) {
          return fail("chunk size is not a hexadecimal number");
        } else if (c == ';' || c == ' ' || c == '\t') {
          state_ = State::kExtension;
        } else if (c == '\r') {
          state_ = State::kSizeLf;
        } else {
          return fail("chunk size is not a hexadecimal number");
        }
        break;
      }
      case State::kExtension:
        if (c == '\r') {
          state_ = State::kSizeLf;
        } else if (c == '\n' || c == '\0') {
          return fail("control character in a chunk extension");
        }
        break;
      case State::kSizeLf:
        if (c != '\n') return fail("CR without LF");
        line_ = digits_ = 0;
        state_ = remaining_ > 0 ? State::kData : State::kTrailer;
        break;
      case State::kDataCr:
        if (c != '\r') return fail("no CRLF after a chunk");
        state_ = State::kDataLf;
        break;
      case State::kDataLf:
        if (c != '\n') return fail("no CRLF after a chunk");
        line_ = 0;
        state_ = State::kSize;
        break;
      case State::kTrailer:
        if (++trailers_ > kMaxLine) return fail("trailers too long");
        if (c == '\r') {
          state_ = State::kTrailerLf;
        } else if (c == '\n' || c == '\0') {
          return fail("control character in a trailer");
        }
        break;
      case State::kTrailerLf:
        if (c != '\n') return fail("CR without LF");
        // An empty line (CR was its first byte) ends the body; any other line was a trailer.
        if (line_ == 2) {
          state_ = State::kDone;
        } else {
          state_ = State::kTrailer;
        }
        line_ = 0;
        break;
      case State::kData:
      case State::kDone:
        break;
    }
  }
  return step;
}

}  // namespace sedna::net
