// HTTP messages as values, shared by the server core and the client. Bodies are slices of shared bytes, never copied.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/base/result.hpp"

namespace sedna::net {

/// Header fields in order; names compare without case. Small: a vector, searched from the front.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
  /// The first value of the field, or nothing.
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name, std::string_view fallback = {}) const {
    return find(name).value_or(fallback);
  }
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// Replaces every field of that name.
  void set(std::string_view name, std::string value);
  void clear() { fields_.clear(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct HttpResponse {
  int status = 200;
  Headers headers;
  Bytes body;
};

/// A request as a client sends it. `body` is written by one gathered write with the header.
struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;
  std::vector<Bytes> body;
  bool idempotent = false;  ///< safe to repeat although its method is not (a POST that computes something)
  /// The caller resumes it where it broke: it is not sent again from the start once some of it was accepted.
  bool resumable = false;
  std::size_t body_size() const;
};

/// scheme://host[:port]/path?query; the port is filled in from the scheme (http 80, https 443, ws 80, wss 443).
struct Url {
  std::string scheme;
  std::string host;  ///< without brackets for IPv6
  std::uint16_t port = 0;
  std::string target = "/";       ///< path and query
  std::string authority() const;  ///< as in the Host header (port left out when it is the scheme's own)
};

/// Refuses user:password@, control characters, spaces, ports out of range. The error's subject is the URL without its
/// query. Bytes above ASCII in the path are escaped, a fragment is dropped. Scheme and host become lower case.
Result<Url> parse_url(std::string_view text);
/// What a Location field or a link means seen from `base`: a whole URL, //host/path, /path, ?query or a relative path.
Result<Url> resolve_reference(const Url& base, std::string_view reference);

/// %XX decoding (with `plus_is_space` as in queries); an error for a broken escape or an embedded NUL.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
/// Escapes everything but A–Z a–z 0–9 - . _ ~ and the characters in `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = {});

std::string_view reason_phrase(int status);

}  // namespace sedna::net
