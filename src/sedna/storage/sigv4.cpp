#include "sedna/storage/sigv4.hpp"

#include <algorithm>
#include <cctype>
#include <ctime>
#include <map>

#include "sedna/base/error.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/base/text.hpp"
#include "sedna/storage/digest.hpp"

namespace sedna::storage {

namespace {

/// Leading and trailing blanks removed, runs of blanks inside made one, as the specification's Trimall.
std::string trim_all(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// Lower-case names in order, the values of a repeated field joined by commas.
std::map<std::string, std::string> canonical_headers(const net::Headers& headers) {
  std::map<std::string, std::string> fields;
  for (const auto& [name, value] : headers) {
    const auto [place, fresh] = fields.try_emplace(to_lower(name), trim_all(value));
    if (!fresh) place->second += "," + trim_all(value);
  }
  return fields;
}

std::string scope_of(const SigningKey& key, std::string_view amz_date) {
  return std::string(amz_date.substr(0, 8)) + "/" + key.region + "/" + key.service + "/aws4_request";
}

}  // namespace

std::string canonical_query(const Query& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) encoded.emplace_back(net::percent_encode(name), net::percent_encode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out += name + "=" + value;
  }
  return out;
}

std::string signed_header_names(const net::Headers& headers) {
  std::string names;
  for (const auto& field : canonical_headers(headers)) names += (names.empty() ? "" : ";") + field.first;
  return names;
}

std::string canonical_request(std::string_view method, std::string_view path, const Query& query,
                              const net::Headers& headers, std::string_view payload_hash) {
  std::string out;
  out.append(method).append("\n").append(path).append("\n").append(canonical_query(query)).append("\n");
  for (const auto& [name, value] : canonical_headers(headers)) out.append(name).append(":").append(value).append("\n");
  out.append("\n").append(signed_header_names(headers)).append("\n").append(payload_hash);
  return out;
}

std::string amz_time(SystemClock::time_point t) {
  const std::time_t seconds = SystemClock::to_time_t(t);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t n = std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return std::string(text, n);
}

std::string signature(const SigningKey& key, std::string_view amz_date, std::string_view canonical) {
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + std::string(amz_date) + "\n" + scope_of(key, amz_date) + "\n" + sha256_hex(canonical);
  const std::string secret = "AWS4" + key.secret_access_key;
  HmacDigest digest = hmac_sha256(std::as_bytes(std::span(secret.data(), secret.size())), amz_date.substr(0, 8));
  digest = hmac_sha256(digest, key.region);
  digest = hmac_sha256(digest, key.service);
  digest = hmac_sha256(digest, "aws4_request");
  digest = hmac_sha256(digest, to_sign);
  return hex(digest);
}

void sign_headers(const SigningKey& key, std::string_view method, std::string_view path, const Query& query,
                  std::string_view payload_hash, SystemClock::time_point now, net::Headers& headers) {
  const std::string date = amz_time(now);
  headers.set("X-Amz-Date", date);
  if (key.service == "s3") headers.set("X-Amz-Content-Sha256", std::string(payload_hash));
  if (!key.session_token.empty()) headers.set("X-Amz-Security-Token", key.session_token);
  const std::string canonical = canonical_request(method, path, query, headers, payload_hash);
  headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=" + key.access_key_id + "/" + scope_of(key, date) +
                                   ", SignedHeaders=" + signed_header_names(headers) +
                                   ", Signature=" + signature(key, date, canonical));
}

std::string presign_url(const SigningKey& key, std::string_view method, std::string_view origin, std::string_view path,
                        Query query, std::chrono::seconds expires, SystemClock::time_point now) {
  if (expires < std::chrono::seconds(1) || expires > std::chrono::hours(24 * 7))
    throw Error(ErrorCode::kInvalidArgument, "a presigned URL lives between one second and seven days", "expires");
  const std::string date = amz_time(now);
  query.emplace_back("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
  query.emplace_back("X-Amz-Credential", key.access_key_id + "/" + scope_of(key, date));
  query.emplace_back("X-Amz-Date", date);
  query.emplace_back("X-Amz-Expires", std::to_string(expires.count()));
  query.emplace_back("X-Amz-SignedHeaders", "host");
  if (!key.session_token.empty()) query.emplace_back("X-Amz-Security-Token", key.session_token);
  const std::size_t scheme = origin.find("://");
  net::Headers headers;
  headers.set("Host", std::string(scheme == std::string_view::npos ? origin : origin.substr(scheme + 3)));
  const std::string canonical = canonical_request(method, path, query, headers, kUnsignedPayload);
  return std::string(origin) + std::string(path) + "?" + canonical_query(query) +
         "&X-Amz-Signature=" + signature(key, date, canonical);
}

}  // namespace sedna::storage
