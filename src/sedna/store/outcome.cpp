#include "sedna/store/outcome.hpp"

#include <array>
#include <limits>

namespace sedna::store {
namespace {

struct Reason {
  int code;
  std::string_view word;
};

// What an answer without a Status body (from a proxy, or a load balancer) means; 409 is a conflict unless the body says
// that the object exists.
constexpr std::array<Reason, 14> kReasons{{{400, "BadRequest"},
                                           {401, "Unauthorized"},
                                           {403, "Forbidden"},
                                           {404, "NotFound"},
                                           {405, "MethodNotAllowed"},
                                           {406, "NotAcceptable"},
                                           {409, "Conflict"},
                                           {410, "Expired"},
                                           {413, "RequestEntityTooLarge"},
                                           {415, "UnsupportedMediaType"},
                                           {422, "Invalid"},
                                           {429, "TooManyRequests"},
                                           {503, "ServiceUnavailable"},
                                           {504, "Timeout"}}};

std::string_view reason_of(int code) {
  for (const Reason& reason : kReasons) {
    if (reason.code == code) return reason.word;
  }
  return code >= 500 ? "InternalError" : "Unknown";
}

std::string text_of(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::optional<int> int_of(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  if (v == nullptr || !v->is_int64()) return std::nullopt;
  const std::int64_t n = v->get_int64();
  if (n < 0 || n > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(n);
}

}  // namespace

Error Status::to_error() const {
  const ErrorCode error_code = already_exists() ? ErrorCode::kAlreadyExists
                               : code == 409    ? ErrorCode::kConflict
                               : code == 410    ? ErrorCode::kAborted
                                                : error_code_from_http(code);
  std::string subject = kind;
  if (!group.empty() && !subject.empty()) subject += "." + group;
  if (!name.empty()) subject += subject.empty() ? name : "/" + name;
  return Error(error_code, message.empty() ? std::string(reason_of(code)) : message, std::move(subject));
}

json::object Status::to_json() const {
  json::object out{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object()}, {"status", "Failure"}};
  if (!continue_token.empty()) out["metadata"].get_object()["continue"] = continue_token;
  if (!message.empty()) out["message"] = message;
  if (!reason.empty()) out["reason"] = reason;
  json::object details;
  const auto put = [&details](std::string_view key, const std::string& text) {
    if (!text.empty()) details[key] = text;
  };
  put("name", name);
  put("group", group);
  put("kind", kind);
  put("uid", uid);
  if (!causes.empty()) {
    json::array list;
    for (const Cause& cause : causes) {
      json::object entry;
      if (!cause.reason.empty()) entry["reason"] = cause.reason;
      if (!cause.message.empty()) entry["message"] = cause.message;
      if (!cause.field.empty()) entry["field"] = cause.field;
      list.emplace_back(std::move(entry));
    }
    details["causes"] = std::move(list);
  }
  if (retry_after_seconds) details["retryAfterSeconds"] = *retry_after_seconds;
  if (!details.empty()) out["details"] = std::move(details);
  out["code"] = code;
  return out;
}

Status Status::from_json(const json::object& body, int http_status) {
  Status status;
  status.code = int_of(body, "code").value_or(http_status);
  if (status.code < 400) status.code = http_status >= 400 ? http_status : 500;
  status.reason = text_of(body, "reason");
  status.message = text_of(body, "message");
  if (status.reason.empty()) status.reason = std::string(reason_of(status.code));
  const json::value* metadata = body.if_contains("metadata");
  if (metadata != nullptr && metadata->is_object()) status.continue_token = text_of(metadata->get_object(), "continue");
  const json::value* details = body.if_contains("details");
  if (details == nullptr || !details->is_object()) return status;
  const json::object& d = details->get_object();
  status.name = text_of(d, "name");
  status.group = text_of(d, "group");
  status.kind = text_of(d, "kind");
  status.uid = text_of(d, "uid");
  status.retry_after_seconds = int_of(d, "retryAfterSeconds");
  const json::value* causes = d.if_contains("causes");
  if (causes == nullptr || !causes->is_array()) return status;
  for (const json::value& entry : causes->get_array()) {
    if (!entry.is_object()) continue;
    const json::object& cause = entry.get_object();
    status.causes.push_back({text_of(cause, "reason"), text_of(cause, "message"), text_of(cause, "field")});
  }
  return status;
}

}  // namespace sedna::store
