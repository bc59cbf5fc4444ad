#include "sedna/storage/url.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "sedna/base/text.hpp"
#include "sedna/net/http.hpp"

namespace sedna::storage {

namespace {

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// A scheme as RFC 3986 has it, of two letters or more (so that "C:\x" stays a path).
bool is_scheme(std::string_view text) {
  return text.size() >= 2 && std::isalpha(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '+' || c == '-' || c == '.'; });
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::string_view(value) : std::string_view();
}

Result<StorageUrl> parse_s3(std::string_view rest, std::string shown) {
  StorageUrl url;
  url.kind = UrlKind::kS3;
  url.shown = std::move(shown);
  const std::size_t slash = rest.find('/');
  url.bucket = std::string(rest.substr(0, slash));
  if (slash != std::string_view::npos) url.key = std::string(rest.substr(slash + 1));
  while (!url.key.empty() && url.key.front() == '/') url.key.erase(0, 1);
  const bool good = !url.bucket.empty() && url.bucket.size() <= 63 &&
                    std::all_of(url.bucket.begin(), url.bucket.end(),
                                [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; }) &&
                    url.bucket.find("..") == std::string::npos && url.bucket != ".";
  if (!good) return Error(ErrorCode::kInvalidArgument, "needs a bucket name, as in s3://bucket/key", url.shown);
  if (url.key.size() > 1024)
    return Error(ErrorCode::kInvalidArgument, "object keys have at most 1024 bytes", url.shown);
  // HTTP stacks and gateways fold such segments away, so that another object would be meant than was signed.
  for (std::string_view key = url.key; !key.empty();) {
    const std::size_t end = std::min(key.find('/'), key.size());
    const std::string_view segment = key.substr(0, end);
    if (segment == "." || segment == "..")
      return Error(ErrorCode::kInvalidArgument, "object keys must not have '.' or '..' as a segment", url.shown);
    key.remove_prefix(std::min(end + 1, key.size()));
  }
  return url;
}

Result<StorageUrl> parse_file(std::string_view rest, std::string shown) {
  StorageUrl url;
  url.shown = std::move(shown);
  // file://host/path: only this machine can be meant.
  const std::size_t slash = rest.find('/');
  const std::string_view host = rest.substr(0, slash);
  if (slash == std::string_view::npos || (!host.empty() && to_lower(host) != "localhost"))
    return Error(ErrorCode::kInvalidArgument, "needs an absolute path on this machine, as in file:///data/model.onnx",
                 url.shown);
  auto path = net::percent_decode(rest.substr(slash));
  if (!path) return path.error().within(url.shown);
  url.path = std::move(*path);
  return url;
}

}  // namespace

Result<StorageUrl> parse_storage_url(std::string_view text) {
  if (text.empty()) return Error(ErrorCode::kInvalidArgument, "the URL is empty; give a path, http(s):// or s3://");
  if (text.find('\0') != std::string_view::npos)
    return Error(ErrorCode::kInvalidArgument, "the URL contains a NUL character");
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon))) {
    StorageUrl url;
    url.path = std::string(text);
    url.shown = std::string(text);
    return url;
  }
  const std::string scheme = to_lower(text.substr(0, colon));
  const std::string_view rest = text.substr(colon + 3);
  if (has_control(rest))
    return Error(ErrorCode::kInvalidArgument, "the URL contains a control character", scheme + "://");
  if (scheme == "s3" || scheme == "obs") return parse_s3(rest, std::string(text));
  if (scheme == "file") return parse_file(rest, std::string(text));
  if (scheme == "http" || scheme == "https") {
    const auto parsed = net::parse_url(text.substr(0, text.find('#')));
    if (!parsed) return parsed.error();
    StorageUrl url;
    url.kind = UrlKind::kHttp;
    url.http = scheme + "://" + std::string(rest.substr(0, rest.find('#')));
    url.shown = scheme + "://" + parsed->authority() + parsed->target.substr(0, parsed->target.find('?'));
    return url;
  }
  if (scheme == "gs")
    return Error(ErrorCode::kUnimplemented,
                 "gs:// is not supported; use the bucket's S3-compatible endpoint: an s3:// URL with "
                 "S3_ENDPOINT_URL=https://storage.googleapis.com and an HMAC key",
                 std::string(text));
  return Error(ErrorCode::kInvalidArgument,
               "unknown scheme '" + scheme + "'; use a path, file://, http://, https:// or s3://", scheme + "://…");
}

Result<std::string> normalize_endpoint(std::string_view endpoint) {
  std::string text(endpoint.find("://") == std::string_view::npos ? "https://" + std::string(endpoint)
                                                                  : std::string(endpoint));
  while (text.ends_with('/')) text.pop_back();
  const auto url = net::parse_url(text);
  if (!url || (url->scheme != "http" && url->scheme != "https") || url->target != "/")
    return Error(ErrorCode::kInvalidArgument,
                 "the object store's endpoint must be host[:port] or http(s)://host[:port] (S3_ENDPOINT_URL)",
                 url ? url->authority() : std::string());
  return url->scheme + "://" + url->authority();
}

S3Options S3Options::from_environment() {
  S3Options options;
  if (const auto v = environment("S3_ENDPOINT_URL"); !v.empty()) options.endpoint = std::string(v);
  if (const auto v = environment("AWS_REGION"); !v.empty()) options.region = std::string(v);
  if (const auto v = environment("S3_REGION"); !v.empty()) options.region = std::string(v);
  options.access_key_id = std::string(environment("ACCESS_KEY_ID"));
  options.secret_access_key = std::string(environment("SECRET_ACCESS_KEY"));
  options.session_token = std::string(environment("AWS_SESSION_TOKEN"));
  return options;
}

}  // namespace sedna::storage
