#include "sedna/store/statuses.hpp"

namespace sedna::store::statuses {
namespace {

Status make(int code, std::string_view reason, std::string message) {
  Status status;
  status.code = code;
  status.reason = reason;
  status.message = std::move(message);
  return status;
}

Status about(const Kind& kind, std::string_view name, int code, std::string_view reason, std::string message) {
  Status status = make(code, reason, std::move(message));
  status.group = kind.group;
  status.kind = kind.plural;
  status.name = name;
  return status;
}

}  // namespace

std::string resource_name(const Kind& kind) {
  std::string out(kind.plural);
  if (!kind.group.empty()) out.append(".").append(kind.group);
  return out;
}

Status not_found(const Kind& kind, std::string_view name) {
  return about(kind, name, 404, "NotFound", resource_name(kind) + " " + api::in_quotes(name) + " not found");
}

Status already_exists(const Kind& kind, std::string_view name) {
  return about(kind, name, 409, "AlreadyExists", resource_name(kind) + " " + api::in_quotes(name) + " already exists");
}

Status conflict(const Kind& kind, std::string_view name) {
  return conflict(kind, name,
                  "the object has been modified; please apply your changes to the latest version and try again");
}

Status conflict(const Kind& kind, std::string_view name, std::string_view why) {
  return about(
      kind, name, 409, "Conflict",
      "Operation cannot be fulfilled on " + resource_name(kind) + " " + api::in_quotes(name) + ": " + std::string(why));
}

Status invalid(const Kind& kind, std::string_view name, const api::FieldErrors& errors) {
  Status status = about(kind, name, 422, "Invalid", api::invalid_message(kind, name, errors));
  status.kind = kind.kind;  // of this one failure Kubernetes writes the kind itself
  for (const api::FieldError& error : errors) status.causes.push_back({error.reason, error.message, error.field});
  return status;
}

Status bad_request(std::string message) {
  return make(400, "BadRequest", std::move(message));
}

Status forbidden(const Kind& kind, std::string_view name, std::string_view why) {
  const std::string subject = resource_name(kind) + (name.empty() ? "" : " " + api::in_quotes(name));
  return about(kind, name, 403, "Forbidden", subject + " is forbidden: " + std::string(why));
}

Status unauthorized() {
  return make(401, "Unauthorized", "Unauthorized");
}

Status expired(std::string message) {
  return make(410, "Expired", std::move(message));
}

Status internal(std::string_view what) {
  Status status = make(500, "InternalError", "Internal error occurred: " + std::string(what));
  status.causes.push_back({"", std::string(what), ""});
  return status;
}

Status unavailable(std::string message, int retry_after_seconds) {
  Status status = make(503, "ServiceUnavailable", std::move(message));
  status.retry_after_seconds = retry_after_seconds;
  return status;
}

Status too_many_requests(std::string message, int retry_after_seconds) {
  Status status = make(429, "TooManyRequests", std::move(message));
  status.retry_after_seconds = retry_after_seconds;
  return status;
}

Status too_large(std::string_view what) {
  return make(413, "RequestEntityTooLarge", "Request entity too large: " + std::string(what));
}

Status method_not_supported(const Kind& kind, std::string_view action) {
  return about(kind, {}, 405, "MethodNotAllowed",
               std::string(action) + " is not supported on resources of kind " + api::in_quotes(resource_name(kind)));
}

Status not_here(std::string message) {
  return make(405, "MethodNotAllowed", std::move(message));
}

Status unsupported_media_type(std::string message) {
  return make(415, "UnsupportedMediaType", std::move(message));
}

Status not_acceptable(std::string message) {
  return make(406, "NotAcceptable", std::move(message));
}

Status no_such_path() {
  return make(404, "NotFound", "the server could not find the requested resource");
}

Status too_large_resource_version(std::uint64_t wanted, std::uint64_t current) {
  Status status =
      make(504, "Timeout",
           "Timeout: Too large resource version: " + std::to_string(wanted) + ", current: " + std::to_string(current));
  status.retry_after_seconds = 1;
  status.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  return status;
}

}  // namespace sedna::store::statuses
