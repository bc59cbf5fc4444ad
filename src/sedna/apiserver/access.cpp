#include "sedna/apiserver/access.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "sedna/store/statuses.hpp"

namespace sedna::apiserver {
namespace {

namespace kinds = api::kinds;

constexpr unsigned bit(Verb verb) {
  return 1U << static_cast<unsigned>(verb);
}
constexpr unsigned kGet = bit(Verb::kGet);
constexpr unsigned kRead = kGet | bit(Verb::kList) | bit(Verb::kWatch);
constexpr unsigned kChange = bit(Verb::kUpdate) | bit(Verb::kPatch);
constexpr unsigned kWrite = bit(Verb::kCreate) | kChange | bit(Verb::kDelete);
constexpr unsigned kAll = kRead | kWrite | bit(Verb::kDeleteCollection);

/// What a role may do to a kind ("": every kind of the group "sedna.io") and its subresource.
struct Rule {
  std::string_view plural;
  std::string_view subresource;
  unsigned verbs;
};

constexpr std::array<Rule, 17> kController{{{"", "", kAll},
                                            {"", "status", kAll},
                                            {"pods", "", kAll},
                                            {"pods", "log", kGet},
                                            {"services", "", kAll},
                                            {"deployments", "", kAll},
                                            {"deployments", "scale", kAll},
                                            {"horizontalpodautoscalers", "", kAll},
                                            {"configmaps", "", kAll},
                                            {"secrets", "", kRead},
                                            {"nodes", "", kRead},
                                            {"namespaces", "", kRead},
                                            {"endpointslices", "", kRead},
                                            {"events", "", kAll},
                                            {"leases", "", kAll},
                                            {"pods", "status", kGet},
                                            {"deployments", "status", kGet}}};
constexpr std::array<Rule, 12> kNode{{{"nodes", "", kRead | kWrite},
                                      {"nodes", "status", kChange},
                                      {"leases", "", kGet | kWrite},
                                      {"pods", "", kRead | bit(Verb::kDelete)},
                                      {"pods", "status", kGet | kChange},
                                      {"events", "", bit(Verb::kCreate) | kChange},
                                      {"configmaps", "", kGet},
                                      {"secrets", "", kGet},
                                      {"services", "", kRead},
                                      {"endpointslices", "", kRead},
                                      {"namespaces", "", kRead},
                                      {"", "", kGet}}};
constexpr std::array<Rule, 5> kWorker{{{"", "", kRead},
                                       {"", "status", kGet},
                                       {"services", "", kRead},
                                       {"endpointslices", "", kRead},
                                       {"events", "", bit(Verb::kCreate) | kChange}}};

bool allows(std::span<const Rule> rules, const RequestInfo& info) {
  return std::any_of(rules.begin(), rules.end(), [&info](const Rule& rule) {
    const bool kind = rule.plural.empty() ? info.kind->group == "sedna.io" : rule.plural == info.kind->plural;
    return kind && rule.subresource == info.subresource && (rule.verbs & bit(info.verb)) != 0;
  });
}

bool role_allows(std::string_view role, const RequestInfo& info) {
  if (role == kRoleAdmin) return true;
  if (role == kRoleController) return allows(kController, info);
  if (role == kRoleNode) return allows(kNode, info);
  if (role == kRoleWorker) return allows(kWorker, info);
  if (role == kRoleViewer) return (kRead & bit(info.verb)) != 0 && info.kind != &kinds::kSecret;
  return false;
}

store::Status refusal(const identity::Principal& who, const RequestInfo& info, std::string_view why = {}) {
  std::string message =
      "User " + api::in_quotes(who.name) + " cannot " + std::string(verb_name(info.verb)) + " resource " +
      api::in_quotes(std::string(info.kind->plural) + (info.subresource.empty() ? "" : "/" + info.subresource)) +
      " in API group " + api::in_quotes(info.kind->group);
  message += info.ns.empty() ? " at the cluster scope" : " in the namespace " + api::in_quotes(info.ns);
  if (!why.empty()) message += ": " + std::string(why);
  return store::statuses::forbidden(*info.kind, info.name, message);
}

/// A Pod of the node names the Secret or ConfigMap anywhere in its volumes or environment.
bool refers_to(const json::value& tree, std::span<const std::string_view> keys, std::string_view name) {
  if (tree.is_array()) {
    return std::any_of(tree.get_array().begin(), tree.get_array().end(),
                       [&](const json::value& v) { return refers_to(v, keys, name); });
  }
  if (!tree.is_object()) return false;
  for (const auto& [key, value] : tree.get_object()) {
    if (value.is_object() && std::find(keys.begin(), keys.end(), std::string_view(key)) != keys.end()) {
      for (const char* field : {"name", "secretName"}) {
        if (api::string_at(value.get_object(), {field}) == name) return true;
      }
    }
    if (refers_to(value, keys, name)) return true;
  }
  return false;
}

constexpr std::array<std::string_view, 3> kSecretKeys{"secret", "secretKeyRef", "secretRef"};
constexpr std::array<std::string_view, 3> kConfigKeys{"configMap", "configMapKeyRef", "configMapRef"};

bool needed_by_node(std::string_view node, const RequestInfo& info, const store::embedded::Engine& engine) {
  store::ListOptions options;
  options.ns = info.ns;
  options.field_selector = "spec.nodeName=" + std::string(node);
  const auto pods = engine.list(kinds::kPod, options);
  if (!pods) return false;
  const bool secret = info.kind == &kinds::kSecret;
  return std::any_of(pods->items.begin(), pods->items.end(), [&](const store::embedded::StoredPtr& stored) {
    const api::Object pod = stored->object();
    const json::value* spec = pod.if_contains("spec");
    if (spec == nullptr) return false;
    if (refers_to(*spec, secret ? kSecretKeys : kConfigKeys, info.name)) return true;
    const json::array* pulls = secret ? api::array_at(pod, {"spec", "imagePullSecrets"}) : nullptr;
    return pulls != nullptr && std::any_of(pulls->begin(), pulls->end(), [&info](const json::value& entry) {
             return entry.is_object() && api::string_at(entry.get_object(), {"name"}) == info.name;
           });
  });
}

}  // namespace

std::string_view node_of(const identity::Principal& who) {
  for (const std::string_view prefix : {"node-", "lc-"}) {
    if (who.name.starts_with(prefix)) return std::string_view(who.name).substr(prefix.size());
  }
  return {};
}

std::optional<store::Status> check_access(const identity::Principal& who, const RequestInfo& info,
                                          const store::embedded::Engine& engine) {
  const auto& roles = who.roles;
  const bool allowed =
      std::any_of(roles.begin(), roles.end(), [&info](const std::string& role) { return role_allows(role, info); });
  if (!allowed) return refusal(who, info);
  const bool only_node = std::all_of(roles.begin(), roles.end(),
                                     [](const std::string& role) { return role == kRoleNode || role == kRoleWorker; });
  if (!only_node || !who.has_role(kRoleNode)) return std::nullopt;
  const std::string_view node = node_of(who);
  if ((info.kind == &kinds::kSecret || info.kind == &kinds::kConfigMap) && !needed_by_node(node, info, engine)) {
    return refusal(who, info, "no relationship found between node " + api::in_quotes(node) + " and this object");
  }
  const bool writes = (kWrite & bit(info.verb)) != 0;
  const bool of_node = info.kind == &kinds::kNode || info.kind == &kinds::kLease;
  if (writes && of_node && !info.name.empty() && info.name != node) {
    return refusal(who, info, "node " + api::in_quotes(node) + " may change its own only");
  }
  if (writes && info.kind == &kinds::kPod) {
    const auto pod = engine.get(kinds::kPod, info.ns, info.name);
    if (pod && (*pod)->field("spec.nodeName") != node) {
      return refusal(who, info, "the Pod does not run on node " + api::in_quotes(node));
    }
  }
  return std::nullopt;
}

std::optional<store::Status> check_node_write(const identity::Principal& who, const RequestInfo& info,
                                              const api::Object& object) {
  const bool only_node = !who.roles.empty() && std::all_of(who.roles.begin(), who.roles.end(), [](const auto& role) {
    return role == kRoleNode || role == kRoleWorker;
  });
  const bool of_node = info.kind == &kinds::kNode || info.kind == &kinds::kLease;
  if (!only_node || !of_node || info.verb != Verb::kCreate || api::name_of(object) == node_of(who)) {
    return std::nullopt;
  }
  return refusal(who, info, "node " + api::in_quotes(node_of(who)) + " may make its own only");
}

}  // namespace sedna::apiserver
