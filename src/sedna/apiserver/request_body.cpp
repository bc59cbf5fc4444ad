#include "sedna/apiserver/request_body.hpp"

#include "sedna/api/admission.hpp"
#include "sedna/api/patch.hpp"
#include "sedna/apiserver/protobuf.hpp"
#include "sedna/json/duplicates.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::apiserver {
namespace {

using store::Outcome;
using store::Status;
namespace statuses = store::statuses;

constexpr std::string_view kMergePatch = "application/merge-patch+json";
constexpr std::string_view kJsonPatch = "application/json-patch+json";
constexpr std::string_view kStrategicPatch = "application/strategic-merge-patch+json";

std::string media_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  std::string out(type);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

Outcome<json::value> parse_json(std::string_view text) {
  json::ParseOptions options;
  options.limits.max_bytes = kMaxBody;
  options.duplicates = json::ParseOptions::Duplicates::kLastWins;
  auto value = json::parse(text, options);
  if (!value) return statuses::bad_request("the body is not JSON: " + value.error().message());
  return *std::move(value);
}

/// What the server did to a patched object, said as kube-apiserver says it: a generic 422.
Status unprocessable(const Error& error) {
  Status status;
  status.code = 422;
  status.reason = "Invalid";
  status.message = "the server rejected our request due to an error in our request: " + std::string(error.what());
  return status;
}

Outcome<api::Object> as_object(Result<json::value> patched) {
  if (!patched) return unprocessable(patched.error());
  if (!patched->is_object()) {
    return unprocessable(Error(ErrorCode::kInvalidArgument, "the patch leaves no object"));
  }
  return std::move(patched->get_object());
}

/// A patched object that names another version than the current one was made from another one.
Outcome<api::Object> checked(const Kind& kind, const api::Object& current, Outcome<api::Object> next) {
  if (!next) return next;
  const std::string_view version = api::resource_version_of(*next);
  if (!version.empty() && version != api::resource_version_of(current)) {
    return statuses::conflict(kind, api::name_of(current));
  }
  return next;
}

Outcome<store::DeleteOptions::Propagation> propagation(std::string_view text) {
  using Propagation = store::DeleteOptions::Propagation;
  if (text.empty() || text == "Background") return Propagation::kBackground;
  if (text == "Foreground") return Propagation::kForeground;
  if (text == "Orphan") return Propagation::kOrphan;
  return statuses::bad_request("propagationPolicy: Invalid value: \"" + std::string(text) +
                               "\": needs to be one of Orphan, Foreground or Background");
}

}  // namespace

Outcome<json::value> parse_body(std::string_view content_type, std::string_view text) {
  const std::string type = media_type(content_type);
  if (type.empty() || type == "application/json") return parse_json(text);
  if (type == "application/yaml" || type == "application/x-yaml" || type == "text/yaml") {
    auto value = json::parse_yaml_one(text);
    if (!value) return statuses::bad_request("the body is not YAML: " + value.error().message());
    return *std::move(value);
  }
  if (type == kProtobufType) {
    auto object = parse_protobuf(text);
    if (!object) return statuses::bad_request(object.error().message());
    return json::value(*std::move(object));
  }
  return statuses::unsupported_media_type(
      "the body of the request was in an unknown format - accepted media types include: application/json, "
      "application/yaml, application/vnd.kubernetes.protobuf");
}

Outcome<api::Object> parse_object(const Kind& kind, const serve::Request& request, store::FieldValidation validation) {
  auto value = parse_body(request.headers.get("Content-Type"), request.body.text());
  if (!value) return value.status();
  if (!value->is_object()) return statuses::bad_request("the body is not an object");
  if (validation == store::FieldValidation::kStrict) {
    // Of a body in another format there are none to be found.
    std::vector<std::string> duplicates = json::duplicate_members(request.body.text());
    for (std::string& path : duplicates) path = "duplicate field " + api::in_quotes(path);
    if (!duplicates.empty()) return statuses::bad_request(api::strict_message(kind, duplicates));
  }
  api::Object object = std::move(value->get_object());
  const std::string api_version(api::api_version_of(object));
  const std::string found(api::kind_of(object));
  if (found.empty() && kind.group == "sedna.io") {
    return statuses::bad_request("Object 'Kind' is missing in '" + std::string(request.body.text().substr(0, 512)) +
                                 "'");
  }
  if (!api_version.empty() && api_version != kind.api_version()) {
    return statuses::bad_request("the API version in the data (" + api_version +
                                 ") does not match the expected API version (" + kind.api_version() + ")");
  }
  if (!found.empty() && found != kind.kind) {
    return statuses::bad_request("the kind in the data (" + found + ") does not match the expected kind (" +
                                 std::string(kind.kind) + ")");
  }
  return object;
}

Outcome<store::WriteOptions> write_options(const Query& query) {
  store::WriteOptions options;
  const std::string_view dry = query.get("dryRun");
  if (!dry.empty() && dry != "All") {
    return statuses::bad_request("dryRun: Unsupported value: \"" + std::string(dry) + "\": supported values: \"All\"");
  }
  options.dry_run = dry == "All";
  const std::string_view validation = query.get("fieldValidation");
  if (validation == "Strict") {
    options.field_validation = store::FieldValidation::kStrict;
  } else if (validation == "Ignore") {
    options.field_validation = store::FieldValidation::kIgnore;
  } else if (!validation.empty() && validation != "Warn") {
    return statuses::bad_request("fieldValidation: Unsupported value: \"" + std::string(validation) +
                                 "\": supported values: \"Ignore\", \"Warn\", \"Strict\"");
  }
  if (query.has("fieldManager")) options.field_manager = query.get("fieldManager");
  return options;
}

Outcome<store::DeleteOptions> delete_options(const serve::Request& request, const Query& query) {
  store::DeleteOptions options;
  const auto grace = query.number("gracePeriodSeconds");
  if (!grace) return statuses::bad_request(grace.error().what());
  options.grace_period_seconds = *grace;
  std::string policy(query.get("propagationPolicy"));
  options.dry_run = query.get("dryRun") == "All";
  if (!request.body.empty()) {
    const auto value = parse_body(request.headers.get("Content-Type"), request.body.text());
    if (!value) return value.status();
    if (!value->is_object()) return statuses::bad_request("DeleteOptions is not an object");
    const api::Object& body = value->get_object();
    if (const std::string_view kind = api::kind_of(body); !kind.empty() && kind != "DeleteOptions") {
      return statuses::bad_request("expected DeleteOptions in the body of a deletion, found " + std::string(kind));
    }
    if (const json::value* seconds = api::find(body, {"gracePeriodSeconds"}); seconds != nullptr) {
      if (seconds->is_int64()) options.grace_period_seconds = seconds->get_int64();
    }
    if (const auto text = api::string_at(body, {"propagationPolicy"}); !text.empty()) policy = text;
    if (const json::array* dry = api::array_at(body, {"dryRun"}); dry != nullptr && !dry->empty()) {
      options.dry_run = true;
    }
    if (const json::value* orphan = api::find(body, {"orphanDependents"});
        orphan != nullptr && orphan->is_bool() && orphan->get_bool()) {
      policy = "Orphan";
    }
    options.uid = api::string_at(body, {"preconditions", "uid"});
    options.resource_version = api::string_at(body, {"preconditions", "resourceVersion"});
  }
  const auto parsed = propagation(policy);
  if (!parsed) return parsed.status();
  options.propagation = *parsed;
  return options;
}

Outcome<store::embedded::Engine::Change> patch_change(const Kind& kind, const serve::Request& request) {
  const std::string type = media_type(request.headers.get("Content-Type"));
  if (type == "application/apply-patch+yaml" || type == "application/apply-patch+cbor") {
    return statuses::unsupported_media_type(
        "server-side apply is not available on the embedded API server: use kubectl apply without --server-side");
  }
  const bool strategic = type == kStrategicPatch && kind.group != "sedna.io";
  if (type != kMergePatch && type != kJsonPatch && !strategic) {
    // As kube-apiserver lists them; server-side apply has an answer of its own above.
    std::string known = std::string(kJsonPatch) + ", " + std::string(kMergePatch);
    if (kind.group != "sedna.io") known += ", " + std::string(kStrategicPatch);
    known += ", application/apply-patch+yaml";
    return statuses::unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: " + known);
  }
  auto body = parse_json(request.body.text());
  if (!body) {
    // kubectl sends patches as YAML under the JSON media types when told so by a file.
    auto yaml = json::parse_yaml_one(request.body.text());
    if (!yaml) return body.status();
    body = Outcome<json::value>(*std::move(yaml));
  }
  if (type == kJsonPatch ? !body->is_array() : !body->is_object()) {
    return statuses::bad_request(type == kJsonPatch ? "a JSON patch is a list of operations"
                                                    : "a merge patch is an object");
  }
  if (type == kJsonPatch) {
    return store::embedded::Engine::Change([&kind, patch = *std::move(body)](const api::Object& current) {
      return checked(kind, current, as_object(api::apply_json_patch(json::value(current), patch)));
    });
  }
  if (strategic) {
    return store::embedded::Engine::Change([&kind, patch = *std::move(body)](const api::Object& current) {
      return checked(kind, current,
                     as_object(api::apply_strategic_merge_patch(json::value(current), patch, api::schema_of(kind))));
    });
  }
  return store::embedded::Engine::Change([&kind, patch = *std::move(body)](const api::Object& current) {
    json::value next(current);
    api::apply_merge_patch(next, patch);
    return checked(kind, current, as_object(std::move(next)));
  });
}

}  // namespace sedna::apiserver
