#include "sedna/apiserver/scale.hpp"

#include "sedna/api/patch.hpp"
#include "sedna/api/selector.hpp"
#include "sedna/apiserver/request_body.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::apiserver {
namespace {

namespace kinds = api::kinds;
using store::embedded::Engine;

/// The Deployment with what the Scale says.
store::Outcome<api::Object> scaled(const api::Object& current, const json::value& wanted) {
  const auto invalid = [&current](api::FieldError error) {
    return store::statuses::invalid(kinds::kDeployment, api::name_of(current), {std::move(error)});
  };
  if (!wanted.is_object()) return store::statuses::bad_request("a Scale is an object");
  const api::Object& scale = wanted.get_object();
  const std::string_view version = api::resource_version_of(scale);
  if (!version.empty() && version != api::resource_version_of(current)) {
    return store::statuses::conflict(kinds::kDeployment, api::name_of(current));
  }
  const json::value* replicas = api::find(scale, {"spec", "replicas"});
  if (replicas == nullptr || !replicas->is_int64()) return invalid(api::required("spec.replicas"));
  if (replicas->get_int64() < 0) {
    return invalid(api::invalid("spec.replicas", json::write(*replicas), "must be greater than or equal to 0"));
  }
  api::Object next = current;
  api::make_object(next, {"spec"})["replicas"] = *replicas;
  return next;
}

}  // namespace

api::Object scale_of(const api::Object& deployment) {
  api::Object scale{{"kind", "Scale"}, {"apiVersion", "autoscaling/v1"}};
  json::object metadata;
  for (const char* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const json::value* v = api::find(deployment, {"metadata", field})) metadata[field] = *v;
  }
  scale["metadata"] = std::move(metadata);
  scale["spec"] = json::object{{"replicas", api::int_at(deployment, {"spec", "replicas"}, 1)}};
  json::object status{{"replicas", api::int_at(deployment, {"status", "replicas"})}};
  if (const json::object* selector = api::object_at(deployment, {"spec", "selector"})) {
    if (const auto parsed = api::LabelSelector::from_json(*selector)) status["selector"] = parsed->to_string();
  }
  scale["status"] = std::move(status);
  return scale;
}

store::Outcome<Engine::Change> scale_change(const serve::Request& request, bool patch) {
  auto body = parse_body(patch ? "application/json" : request.headers.get("Content-Type"), request.body.text());
  if (!body) return body.status();
  const bool operations = request.headers.get("Content-Type").starts_with("application/json-patch");
  return Engine::Change([wanted = *std::move(body), patch, operations](const api::Object& current) {
    if (!patch) return scaled(current, wanted);
    json::value next(scale_of(current));
    if (operations) {
      auto patched = api::apply_json_patch(next, wanted);
      if (!patched) return store::Outcome<api::Object>(store::statuses::bad_request(patched.error().what()));
      next = *std::move(patched);
    } else {
      api::apply_merge_patch(next, wanted);
    }
    return scaled(current, next);
  });
}

}  // namespace sedna::apiserver
