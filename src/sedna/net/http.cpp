#include "sedna/net/http.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "sedna/base/text.hpp"

namespace sedna::net {
namespace {

constexpr std::size_t kMaxUrl = 64 * 1024;

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::uint16_t default_port(std::string_view scheme) {
  if (scheme == "http" || scheme == "ws") return 80;
  if (scheme == "https" || scheme == "wss") return 443;
  return 0;
}

// What may be shown of a URL that could not be parsed: no query (presigned keys), no user:password, printable, short.
std::string printable_url(std::string_view text) {
  std::string shown(text.substr(0, std::min(text.find_first_of("?#"), std::size_t{200})));
  const std::size_t scheme_end = shown.find("://");
  const bool has_scheme = scheme_end != std::string::npos;
  const std::size_t from = has_scheme ? scheme_end + 3 : 0;
  // Without a scheme nobody knows where the authority ends, so anything before an @ may be a password.
  const std::size_t at = shown.find_last_of('@', has_scheme ? shown.find('/', from) : std::string::npos);
  if (at != std::string::npos && at >= from) shown.erase(from, at + 1 - from);
  for (char& c : shown) {
    if (c < 0x21 || c > 0x7e) c = '?';
  }
  return shown;
}

bool valid_name(std::string_view host) {
  return !host.empty() && host.size() <= 255 &&
         std::all_of(host.begin(), host.end(), [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

bool valid_ipv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(fields_, [name](const auto& field) { return equal_ignoring_case(field.first, name); });
  fields_.emplace_back(std::string(name), std::move(value));
}

std::size_t HttpRequest::body_size() const {
  std::size_t total = 0;
  for (const Bytes& part : body) total += part.size();
  return total;
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != 0 && port != default_port(scheme)) out += ":" + std::to_string(port);
  return out;
}

Result<Url> parse_url(std::string_view text) {
  const auto refuse = [text](std::string message) {
    return Error(ErrorCode::kInvalidArgument, std::move(message), printable_url(text));
  };
  if (text.size() > kMaxUrl) return refuse("URL longer than 64 KiB");
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f)
      return refuse("URL with a space or control character; write it as %XX");
    if (c == '\\') return refuse("URL with a backslash");
  }
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) {
    return refuse("not a URL: expected scheme://host[:port]/path");
  }
  Url url;
  url.scheme = to_lower(text.substr(0, scheme_end));
  const bool letter_first = url.scheme.front() >= 'a' && url.scheme.front() <= 'z';
  if (!letter_first || !std::all_of(url.scheme.begin(), url.scheme.end(),
                                    [](char c) { return is_alnum(c) || c == '+' || c == '-' || c == '.'; })) {
    return refuse("invalid scheme before ://");
  }
  std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  if (authority.find('@') != std::string_view::npos) return refuse("user:password@ in a URL is not accepted");

  std::string_view port;
  bool has_port = false;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return refuse("missing ] after an IPv6 address");
    url.host = to_lower(authority.substr(1, close - 1));
    if (!valid_ipv6(url.host)) return refuse("invalid IPv6 address");
    authority.remove_prefix(close + 1);
    if (!authority.empty() && authority.front() != ':') return refuse("unexpected text after ]");
    has_port = !authority.empty();
    if (has_port) port = authority.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    url.host = to_lower(authority.substr(0, colon));
    if (url.host.empty()) return refuse("no host");
    if (!valid_name(url.host)) return refuse("invalid host name (IPv6 addresses go in brackets)");
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
  }
  url.port = default_port(url.scheme);
  if (has_port && !port.empty()) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (error != std::errc() || end != port.data() + port.size() || value == 0 || value > 65535) {
      return refuse("port must be a number from 1 to 65535");
    }
    url.port = static_cast<std::uint16_t>(value);
  }
  rest = rest.substr(0, rest.find('#'));
  url.target.clear();
  if (rest.empty() || rest.front() != '/') url.target = "/";
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : rest) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      url.target += c;
    } else {  // UTF-8 in a path, as people type it
      url.target += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return url;
}

Result<Url> resolve_reference(const Url& base, std::string_view reference) {
  const std::size_t scheme_end = reference.find("://");
  if (scheme_end != std::string_view::npos && scheme_end < reference.find_first_of("/?#")) return parse_url(reference);
  std::string text = base.scheme + "://";
  if (reference.starts_with("//")) return parse_url(base.scheme + ":" + std::string(reference));
  text += base.authority();
  const std::string_view path = std::string_view(base.target).substr(0, base.target.find('?'));
  if (reference.empty() || reference.front() == '?') {
    text += path;
  } else if (reference.front() != '/') {
    text += path.substr(0, path.rfind('/') + 1);
  }
  text += reference;
  return parse_url(text);
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return Error(ErrorCode::kInvalidArgument, "broken %XX escape at byte " + std::to_string(i));
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return Error(ErrorCode::kInvalidArgument, "NUL byte at " + std::to_string(i));
    out += c;
  }
  return out;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || keep.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      break;
  }
  switch (status / 100) {
    case 1:
      return "Informational";
    case 2:
      return "Success";
    case 3:
      return "Redirection";
    case 4:
      return "Client Error";
    default:
      return "Server Error";
  }
}

}  // namespace sedna::net
