#include "sedna/apiserver/discovery.hpp"

#include <algorithm>

#include "sedna/api/kind.hpp"
#include "sedna/apiserver/answers.hpp"

namespace sedna::apiserver {
namespace {

using api::Kind;

/// The release of Kubernetes whose answers these are.
constexpr std::string_view kMajor = "1";
constexpr std::string_view kMinor = "34";
constexpr std::string_view kGitVersion = "v1.34.4-sedna";

struct Subresource {
  std::string name;
  std::string group, version, kind;  ///< of what it answers with
  std::vector<std::string_view> verbs;
};

json::array texts(const std::vector<std::string_view>& list) {
  json::array out;
  for (const std::string_view text : list) out.emplace_back(text);
  return out;
}

std::vector<std::string_view> verbs_of(const Kind& kind) {
  std::vector<std::string_view> verbs{"create", "delete"};
  if (&kind != &api::kinds::kNamespace) verbs.emplace_back("deletecollection");
  for (const char* verb : {"get", "list", "patch", "update", "watch"}) verbs.emplace_back(verb);
  return verbs;
}

std::vector<Subresource> subresources_of(const Kind& kind) {
  std::vector<Subresource> out;
  const auto own = [&kind](const char* name, std::vector<std::string_view> verbs) {
    return Subresource{name, std::string(kind.group), std::string(kind.version), std::string(kind.kind),
                       std::move(verbs)};
  };
  if (&kind == &api::kinds::kNamespace) out.push_back(own("finalize", {"update"}));
  if (&kind == &api::kinds::kPod) out.push_back(own("log", {"get"}));
  if (kind.has_scale) out.push_back({"scale", "autoscaling", "v1", "Scale", {"get", "patch", "update"}});
  if (kind.has_status) out.push_back(own("status", {"get", "patch", "update"}));
  return out;
}

std::vector<const Kind*> kinds_in(const GroupVersion& gv) {
  std::vector<const Kind*> out;
  for (const Kind* kind : api::all_kinds()) {
    if (kind->group == gv.group && kind->version == gv.version) out.push_back(kind);
  }
  std::sort(out.begin(), out.end(), [](const Kind* a, const Kind* b) { return a->plural < b->plural; });
  return out;
}

json::array short_names(const Kind& kind) {
  json::array out;
  for (const std::string_view name : kind.short_names) out.emplace_back(name);
  return out;
}

json::object resource_list(const GroupVersion& gv) {
  json::array resources;
  for (const Kind* kind : kinds_in(gv)) {
    json::object entry{{"name", kind->plural},
                       {"singularName", kind->singular},
                       {"namespaced", kind->namespaced},
                       {"kind", kind->kind},
                       {"verbs", texts(verbs_of(*kind))}};
    if (!kind->short_names.empty()) entry["shortNames"] = short_names(*kind);
    if (!kind->category.empty()) entry["categories"] = json::array{json::value(kind->category)};
    resources.emplace_back(std::move(entry));
    for (const Subresource& sub : subresources_of(*kind)) {
      json::object item{{"name", std::string(kind->plural) + "/" + sub.name},
                        {"singularName", ""},
                        {"namespaced", kind->namespaced},
                        {"kind", sub.kind},
                        {"verbs", texts(sub.verbs)}};
      if (sub.group != kind->group || sub.version != kind->version) {
        item["group"] = sub.group;
        item["version"] = sub.version;
      }
      resources.emplace_back(std::move(item));
    }
  }
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", (gv.group.empty() ? "" : gv.group + "/") + gv.version},
          {"resources", std::move(resources)}};
}

json::object response_kind(std::string_view group, std::string_view version, std::string_view kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

json::object aggregated_version(const GroupVersion& gv) {
  json::array resources;
  for (const Kind* kind : kinds_in(gv)) {
    json::object entry{{"resource", kind->plural},
                       {"responseKind", response_kind(kind->group, kind->version, kind->kind)},
                       {"scope", kind->namespaced ? "Namespaced" : "Cluster"},
                       {"singularResource", kind->singular},
                       {"verbs", texts(verbs_of(*kind))}};
    if (!kind->short_names.empty()) entry["shortNames"] = short_names(*kind);
    if (!kind->category.empty()) entry["categories"] = json::array{json::value(kind->category)};
    json::array subresources;
    for (const Subresource& sub : subresources_of(*kind)) {
      subresources.push_back(json::object{{"subresource", sub.name},
                                          {"responseKind", response_kind(sub.group, sub.version, sub.kind)},
                                          {"verbs", texts(sub.verbs)}});
    }
    if (!subresources.empty()) entry["subresources"] = std::move(subresources);
    resources.emplace_back(std::move(entry));
  }
  return {{"version", gv.version}, {"resources", std::move(resources)}, {"freshness", "Current"}};
}

/// `core`: of the core group; else of all others.
json::object aggregated(bool core, std::string_view version) {
  json::array items;
  for (const GroupVersion& gv : group_versions()) {
    if (gv.group.empty() != core) continue;
    items.push_back(json::object{{"metadata", json::object{{"name", gv.group}, {"creationTimestamp", nullptr}}},
                                 {"versions", json::array{aggregated_version(gv)}}});
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", "apidiscovery.k8s.io/" + std::string(version)},
          {"metadata", json::object()},
          {"items", std::move(items)}};
}

json::object group_document(const GroupVersion& gv) {
  const json::object version{{"groupVersion", gv.group + "/" + gv.version}, {"version", gv.version}};
  return {{"name", gv.group}, {"versions", json::array{version}}, {"preferredVersion", version}};
}

json::object group_list() {
  json::array groups;
  for (const GroupVersion& gv : group_versions()) {
    if (!gv.group.empty()) groups.push_back(group_document(gv));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

json::object version_document() {
  return {{"major", kMajor}, {"minor", kMinor},         {"gitVersion", kGitVersion},
          {"gitCommit", ""}, {"gitTreeState", "clean"}, {"buildDate", "1970-01-01T00:00:00Z"},
          {"goVersion", ""}, {"compiler", "c++"},       {"platform", "linux/amd64"}};
}

std::optional<serve::Response> aggregated_response(std::string_view path, std::string_view accept) {
  if (path != "/api" && path != "/apis") return std::nullopt;
  // The older form only when the newer one is not asked for.
  for (const std::string_view version : {"v2", "v2beta1"}) {
    const std::string type =
        "application/json;g=apidiscovery.k8s.io;v=" + std::string(version) + ";as=APIGroupDiscoveryList";
    if (accept.find("v=" + std::string(version) + ";as=APIGroupDiscoveryList") == std::string_view::npos) continue;
    serve::Response response = json_response(200, aggregated(path == "/api", version));
    response.headers.set("Content-Type", type);
    response.headers.add("Vary", "Accept");
    return response;
  }
  return std::nullopt;
}

}  // namespace

std::string GroupVersion::path() const {
  return group.empty() ? "api/" + version : "apis/" + group + "/" + version;
}

const std::vector<GroupVersion>& group_versions() {
  static const auto* const all = [] {
    auto* list = new std::vector<GroupVersion>{{"", "v1"}};
    for (const Kind* kind : api::all_kinds()) {
      const GroupVersion gv{std::string(kind->group), std::string(kind->version)};
      if (std::find(list->begin(), list->end(), gv) == list->end()) list->push_back(gv);
    }
    return list;
  }();
  return *all;
}

std::optional<serve::Response> discovery_response(std::string_view path, std::string_view accept) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path == "/version") return json_response(200, version_document());
  if (auto response = aggregated_response(path, accept)) return response;
  if (path == "/api") {
    return json_response(200, json::object{{"kind", "APIVersions"},
                                           {"versions", json::array{"v1"}},
                                           {"serverAddressByClientCIDRs", json::array()}});
  }
  if (path == "/apis") return json_response(200, group_list());
  for (const GroupVersion& gv : group_versions()) {
    if (path == "/" + gv.path()) return json_response(200, resource_list(gv));
    if (!gv.group.empty() && path == "/apis/" + gv.group) {
      json::object body{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
      for (auto& [key, value] : group_document(gv)) body[key] = value;
      return json_response(200, body);
    }
  }
  return std::nullopt;
}

}  // namespace sedna::apiserver
