#include "sedna/serve/http_parser.hpp"

#include <algorithm>
#include <cstring>

#include "sedna/base/text.hpp"
#include "sedna/net/http_parse.hpp"

namespace sedna::serve {
namespace {

constexpr std::size_t kMaxFields = 128;
constexpr std::size_t kMaxTarget = 8192;
constexpr std::size_t kMaxMethod = 32;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

HttpRefusal refuse(int status, std::string message) {
  return {status, std::move(message)};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool valid_host(std::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u > 0x20 && u < 0x7f && c != '/' && c != '?' && c != '#' && c != '@' && c != '\\';
  });
}

std::optional<HttpRefusal> parse_target(std::string_view target, RequestHead& out) {
  if (target.empty()) return refuse(400, "the request target is empty");
  if (target.size() > kMaxTarget) return refuse(414, "the request target is longer than 8192 bytes");
  for (const char c : target) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= 0x20 || u >= 0x7f || c == '#')
      return refuse(400, "the request target has a character that must be escaped");
  }
  std::string_view rest = target;
  if (target == "*") {
    if (out.method != "OPTIONS") return refuse(400, "the target \"*\" is for OPTIONS only");
    out.raw_path = out.path = "*";
    return std::nullopt;
  }
  if (target.front() != '/') {
    // absolute-form, as sent to proxies; servers must accept it (RFC 9112 3.2.2).
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos || (!equal_ignoring_case(target.substr(0, scheme), "http") &&
                                             !equal_ignoring_case(target.substr(0, scheme), "https"))) {
      return refuse(400, "the request target must begin with / or be an http URL");
    }
    const std::size_t authority = scheme + 3;
    const std::size_t end = std::min(target.find_first_of("/?", authority), target.size());
    if (end == authority || !valid_host(target.substr(authority, end - authority))) {
      return refuse(400, "the request target names no valid host");
    }
    rest = target.substr(end);
  }
  const std::string_view raw = rest.substr(0, rest.find('?'));
  out.raw_path = raw.empty() ? std::string_view("/") : raw;
  return decode_path(out.raw_path, out.path);
}

std::optional<HttpRefusal> parse_request_line(std::string_view line, RequestHead& out) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return refuse(400, "malformed request line");
  const std::string_view method = line.substr(0, first);
  if (!net::is_token(method)) return refuse(400, "malformed method");
  if (method.size() > kMaxMethod) return refuse(501, "unknown method");
  out.method = method;
  const std::string_view version = line.substr(last + 1);
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' || version[5] < '0' ||
      version[5] > '9' || version[7] < '0' || version[7] > '9') {
    return refuse(400, "malformed HTTP version");
  }
  if (version[5] != '1') return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  out.minor_version = version[7] == '0' ? 0 : 1;
  out.target = line.substr(first + 1, last - first - 1);
  return parse_target(out.target, out);
}

std::optional<HttpRefusal> parse_content_length(std::string_view value, RequestHead& out) {
  // Lists and duplicates are refused even when they agree: a proxy in front may have picked another reading.
  if (out.content_length) return refuse(400, "more than one Content-Length");
  if (value.empty() || value.size() > 19) return refuse(400, "Content-Length is not a length");
  std::uint64_t n = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return refuse(400, "Content-Length is not a decimal number");
    n = n * 10 + static_cast<std::uint64_t>(c - '0');
  }
  out.content_length = n;
  return std::nullopt;
}

/// The meaning of the fields that frame the message.
std::optional<HttpRefusal> interpret(RequestHead& out) {
  std::size_t hosts = 0;
  std::size_t encodings = 0;
  bool close = false;
  bool keep = false;
  for (const auto& [name, value] : out.headers) {
    if (equal_ignoring_case(name, "Content-Length")) {
      if (auto refusal = parse_content_length(value, out)) return refusal;
    } else if (equal_ignoring_case(name, "Transfer-Encoding")) {
      if (++encodings > 1) return refuse(400, "more than one Transfer-Encoding");
      if (!equal_ignoring_case(value, "chunked")) return refuse(501, "only the transfer coding \"chunked\" is known");
      out.chunked = true;
    } else if (equal_ignoring_case(name, "Host")) {
      if (++hosts > 1) return refuse(400, "more than one Host");
      if (!valid_host(value)) return refuse(400, "malformed Host");
    } else if (equal_ignoring_case(name, "Connection")) {
      close = close || net::has_token(value, "close");
      keep = keep || net::has_token(value, "keep-alive");
    } else if (equal_ignoring_case(name, "Expect")) {
      if (!equal_ignoring_case(value, "100-continue")) return refuse(417, "only \"Expect: 100-continue\" is known");
      out.expect_continue = out.minor_version >= 1;
    }
  }
  if (out.chunked && out.content_length) return refuse(400, "both Content-Length and Transfer-Encoding");
  if (out.chunked && out.minor_version == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
  if (out.minor_version >= 1 && hosts == 0) return refuse(400, "HTTP/1.1 needs a Host field");
  out.keep_alive = !close && (out.minor_version >= 1 || keep);
  return std::nullopt;
}

}  // namespace

HeadScanner::Outcome HeadScanner::scan(std::string_view bytes) {
  const std::size_t end = std::min(bytes.size(), limit_);
  while (scanned_ < end) {
    const void* hit = std::memchr(bytes.data() + scanned_, '\n', end - scanned_);
    if (hit == nullptr) {
      scanned_ = end;
      break;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(hit) - bytes.data());
    if (at == 0 || bytes[at - 1] != '\r') return {0, refuse(400, "a line ends with LF alone; CR LF is required")};
    scanned_ = at + 1;
    if (at - line_ == 1) return {at + 1, std::nullopt};  // the blank line
    line_ = at + 1;
  }
  if (bytes.size() >= limit_) {
    if (line_ == 0) return {0, refuse(414, "the request line is longer than " + std::to_string(limit_) + " bytes")};
    return {0, refuse(431, "the request head is longer than " + std::to_string(limit_) + " bytes")};
  }
  return {0, std::nullopt};
}

void RequestHead::reset() {
  method.clear();
  target.clear();
  raw_path.clear();
  path.clear();
  minor_version = 1;
  headers.clear();
  content_length.reset();
  chunked = false;
  keep_alive = true;
  expect_continue = false;
}

std::optional<HttpRefusal> parse_request_head(std::string_view head, RequestHead& out) {
  std::size_t end = head.find("\r\n");
  if (end == std::string_view::npos) return refuse(400, "malformed request line");
  if (auto refusal = parse_request_line(head.substr(0, end), out)) return refusal;
  head.remove_prefix(end + 2);
  for (;;) {
    end = head.find("\r\n");
    if (end == std::string_view::npos) return refuse(400, "the request head does not end");
    if (end == 0) return interpret(out);
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (line.front() == ' ' || line.front() == '\t') return refuse(400, "folded header fields are obsolete");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return refuse(400, "a header field has no colon");
    const std::string_view name = line.substr(0, colon);
    if (!net::is_token(name)) return refuse(400, "malformed header field name");
    const std::string_view value = trim(line.substr(colon + 1));
    if (!net::is_field_value(value)) return refuse(400, "a header field value has a control character");
    if (out.headers.size() >= kMaxFields)
      return refuse(431, "more than " + std::to_string(kMaxFields) + " header fields");
    out.headers.add(std::string(name), std::string(value));
  }
}

std::optional<HttpRefusal> decode_path(std::string_view raw, std::string& out) {
  out.clear();
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
      const int low = i + 2 < raw.size() ? hex_value(raw[i + 2]) : -1;
      if (high < 0 || low < 0) return refuse(400, "the path has a broken %-escape");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7f) return refuse(400, "the path has a control character");
    out.push_back(c);
  }
  std::string_view rest = out;
  while (!rest.empty()) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, slash);
    if (segment == "." || segment == "..") return refuse(400, "the path has a \".\" or \"..\" segment");
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  return std::nullopt;
}

}  // namespace sedna::serve
