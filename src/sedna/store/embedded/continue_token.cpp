#include "sedna/store/embedded/continue_token.hpp"

#include "sedna/base/base64.hpp"
#include "sedna/json/json.hpp"

namespace sedna::store::embedded {
namespace {

constexpr std::string_view kApiVersion = "meta.k8s.io/v1";
constexpr std::size_t kMaxToken = 4096;

std::string base64url(std::string_view bytes) {
  std::string text = base64_encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

Result<std::string> from_base64url(std::string_view text) {
  std::string padded(text);
  for (char& c : padded) {
    if (c == '+' || c == '/' || c == '=') return Error(ErrorCode::kInvalidArgument, "illegal base64 data");
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  padded.append((4 - padded.size() % 4) % 4, '=');
  return base64_decode(padded);
}

}  // namespace

std::string ContinueToken::text() const {
  json::object body{{"v", kApiVersion}, {"rv", resource_version}, {"start", start}};
  return base64url(json::write(body));
}

Result<ContinueToken> ContinueToken::parse(std::string_view text) {
  if (text.size() > kMaxToken) return Error(ErrorCode::kInvalidArgument, "it is too long");
  const auto decoded = from_base64url(text);
  if (!decoded) return decoded.error();
  const auto body = json::parse(*decoded);
  if (!body) return body.error();
  const auto object = json::as_object(*body);
  if (!object) return object.error();
  const auto version = json::require_string(**object, "v");
  const auto rv = json::require_int(**object, "rv");
  const auto start = json::require_string(**object, "start");
  if (!version || *version != kApiVersion) return Error(ErrorCode::kInvalidArgument, "unrecognized encoded version");
  if (!rv || *rv < 0) return Error(ErrorCode::kInvalidArgument, "incorrect encoded start resourceVersion");
  if (!start || start->empty()) return Error(ErrorCode::kInvalidArgument, "encoded start key empty");
  return ContinueToken{static_cast<std::uint64_t>(*rv), *start};
}

}  // namespace sedna::store::embedded
