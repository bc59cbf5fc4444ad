// What clients send: objects, patches, options of writes and deletions. Internal to module apiserver.
#pragma once

#include "sedna/apiserver/request_info.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::apiserver {

/// Objects of more text than this are refused before they are read (413).
inline constexpr std::size_t kMaxBody = 3 * 1024 * 1024;

/// JSON or YAML by Content-Type; a Status (400, 415) otherwise. Bytes from outside.
store::Outcome<json::value> parse_body(std::string_view content_type, std::string_view text);
/// An object of the request's kind: apiVersion and kind must be those of the path.
store::Outcome<api::Object> parse_object(const Kind& kind, const serve::Request& request,
                                         store::FieldValidation validation = store::FieldValidation::kWarn);
store::Outcome<store::WriteOptions> write_options(const Query& query);
/// From the query and, when there is one, a DeleteOptions body.
store::Outcome<store::DeleteOptions> delete_options(const serve::Request& request, const Query& query);
/// The change that a patch (its type is the Content-Type) makes to an object of this kind.
store::Outcome<store::embedded::Engine::Change> patch_change(const Kind& kind, const serve::Request& request);

}  // namespace sedna::apiserver
