// The failures an API server answers with, worded as kube-apiserver words them, so that clients that look at messages
// (and people who have seen them before) are at home. Used by the embedded server, its HTTP face and tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sedna/api/field_error.hpp"
#include "sedna/api/kind.hpp"
#include "sedna/store/outcome.hpp"

namespace sedna::store::statuses {

using api::Kind;

/// "datasets.sedna.io", "pods".
std::string resource_name(const Kind& kind);

Status not_found(const Kind& kind, std::string_view name);
Status already_exists(const Kind& kind, std::string_view name);
/// The everyday conflict: the object has been modified.
Status conflict(const Kind& kind, std::string_view name);
Status conflict(const Kind& kind, std::string_view name, std::string_view why);
/// Every fault; the message lists them all.
Status invalid(const Kind& kind, std::string_view name, const api::FieldErrors& errors);
Status bad_request(std::string message);
Status forbidden(const Kind& kind, std::string_view name, std::string_view why);
Status unauthorized();
Status expired(std::string message);
Status internal(std::string_view what);
Status unavailable(std::string message, int retry_after_seconds = 1);
Status too_many_requests(std::string message, int retry_after_seconds = 1);
Status too_large(std::string_view what);
Status method_not_supported(const Kind& kind, std::string_view action);
/// What this server does not have, said so that a person knows what to do instead (405).
Status not_here(std::string message);
Status unsupported_media_type(std::string message);
Status not_acceptable(std::string message);
/// "the server could not find the requested resource": a path that names nothing.
Status no_such_path();
Status too_large_resource_version(std::uint64_t wanted, std::uint64_t current);

}  // namespace sedna::store::statuses
