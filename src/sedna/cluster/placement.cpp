#include "sedna/cluster/placement.hpp"

#include <algorithm>

#include "sedna/api/quantity.hpp"
#include "sedna/cluster/pods.hpp"

namespace sedna::cluster {

namespace {

std::string_view text(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr || !v->is_string()) return {};
  return v->get_string();
}

bool field_requirement_matches(const json::object& requirement, const api::Object& node) {
  // Kubernetes knows the one field metadata.name here.
  if (text(requirement, "key") != "metadata.name") return false;
  const auto* values = requirement.if_contains("values");
  if (values == nullptr || !values->is_array()) return false;
  const bool in = std::ranges::any_of(values->get_array(), [&](const json::value& v) {
    return v.is_string() && std::string_view(v.get_string()) == api::name_of(node);
  });
  return text(requirement, "operator") == "NotIn" ? !in : in;
}

bool term_matches(const json::object& term, const api::Object& node) {
  bool any = false;
  for (const std::string_view part : {"matchExpressions", "matchFields"}) {
    const auto* all = term.if_contains(part);
    if (all == nullptr || !all->is_array()) continue;
    for (const auto& one : all->get_array()) {
      any = true;
      if (!one.is_object()) return false;
      const bool match = part == "matchFields" ? field_requirement_matches(one.get_object(), node)
                                               : requirement_matches(one.get_object(), node);
      if (!match) return false;
    }
  }
  return any;  // an empty term matches nothing
}

bool affinity_matches(const api::Object& pod, const api::Object& node) {
  const auto* terms = api::array_at(
      pod, {"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"});
  if (terms == nullptr) return true;
  return std::ranges::any_of(
      *terms, [&](const json::value& term) { return term.is_object() && term_matches(term.get_object(), node); });
}

std::int64_t amount_of(const json::value& v) {
  const auto quantity = api::Quantity::from_json(v);
  return quantity ? quantity->value() : 0;
}

/// Why the Pod cannot go to this node, in Kubernetes' words; "" when it can.
std::string refusal(const api::Object& pod, const api::Object& node, const std::map<std::string, std::int64_t>& wanted,
                    const std::map<std::string, std::int64_t>* used) {
  const auto* unschedulable = api::find(node, {"spec", "unschedulable"});
  if (unschedulable != nullptr && unschedulable->is_bool() && unschedulable->get_bool()) return "were unschedulable";
  if (!is_ready(node)) return "were not ready";
  const auto* selector = api::object_at(pod, {"spec", "nodeSelector"});
  if ((selector != nullptr && !selector->empty() && !labels_match(selector, node)) || !affinity_matches(pod, node))
    return "didn't match Pod's node affinity/selector";
  if (const auto* taints = api::array_at(node, {"spec", "taints"})) {
    for (const auto& taint : *taints) {
      if (!taint.is_object()) continue;
      const auto effect = text(taint.get_object(), "effect");
      if (effect == "PreferNoSchedule" || tolerates(pod, taint.get_object())) continue;
      return "had untolerated taint {" + std::string(text(taint.get_object(), "key")) + ": " +
             std::string(text(taint.get_object(), "value")) + "}";
    }
  }
  for (const auto& [name, amount] : wanted) {
    const auto* allocatable = api::object_at(node, {"status", "allocatable"});
    const auto* there = allocatable == nullptr ? nullptr : allocatable->if_contains(name);
    const std::int64_t total = there == nullptr ? 0 : amount_of(*there);
    const auto taken = used == nullptr || !used->contains(name) ? 0 : used->at(name);
    if (total - taken < amount) return "Insufficient " + name;
  }
  return {};
}

std::string role_of(const api::Object& node) {
  return api::label(node, "node-role.kubernetes.io/edge") ? "edge" : "cloud";
}

std::string node_names(const std::vector<ObjectPtr>& nodes) {
  std::string out;
  for (const auto& node : nodes) out += (out.empty() ? "" : ", ") + std::string(api::name_of(*node));
  return out.empty() ? "none" : out;
}

/// The flag that would add the node to the home: what there is, and the one that is missing.
std::string nodes_flag(const std::vector<ObjectPtr>& nodes, std::string_view missing) {
  std::string out = "sedna up --nodes ";
  for (const auto& node : nodes) out += std::string(api::name_of(*node)) + ":" + role_of(*node) + ",";
  return out + std::string(missing) + ":edge";
}

}  // namespace

bool tolerates(const api::Object& pod, const json::object& taint) {
  const auto* all = api::array_at(pod, {"spec", "tolerations"});
  if (all == nullptr) return false;
  return std::ranges::any_of(*all, [&](const json::value& entry) {
    if (!entry.is_object()) return false;
    const auto& t = entry.get_object();
    const auto effect = text(t, "effect");
    if (!effect.empty() && effect != text(taint, "effect")) return false;
    const auto key = text(t, "key");
    const bool exists = text(t, "operator") == "Exists";
    if (key.empty()) return exists;
    if (key != text(taint, "key")) return false;
    return exists || text(t, "value") == text(taint, "value");
  });
}

std::map<std::string, std::int64_t> extended_resources(const api::Object& pod) {
  std::map<std::string, std::int64_t> out;
  const auto* containers = api::array_at(pod, {"spec", "containers"});
  if (containers == nullptr) return out;
  for (const auto& container : *containers) {
    if (!container.is_object()) continue;
    const auto* limits = api::object_at(container.get_object(), {"resources", "limits"});
    if (limits == nullptr) continue;
    for (const auto& [name, value] : *limits) {
      if (std::string_view(name).find('/') != std::string_view::npos) out[std::string(name)] += amount_of(value);
    }
  }
  return out;
}

Placement place(const api::Object& pod, const std::vector<ObjectPtr>& nodes,
                const std::map<std::string, std::size_t, std::less<>>& pods_per_node,
                const std::map<std::string, std::map<std::string, std::int64_t>, std::less<>>& extended_in_use) {
  Placement out;
  if (const auto wanted = api::string_at(pod, {"spec", "nodeName"}); !wanted.empty()) {
    const bool known = std::ranges::any_of(nodes, [&](const auto& node) { return api::name_of(*node) == wanted; });
    if (known) {
      out.node = wanted;
      return out;
    }
    out.unknown_node = true;
    out.message = "spec.nodeName is \"" + std::string(wanted) +
                  "\", and there is no such node here (nodes: " + node_names(nodes) +
                  "). Add it with: " + nodes_flag(nodes, wanted);
    return out;
  }
  const auto wanted = extended_resources(pod);
  std::map<std::string, std::vector<std::string>> reasons;
  const api::Object* best = nullptr;
  std::size_t best_pods = 0;
  for (const auto& node : nodes) {
    const auto used = extended_in_use.find(api::name_of(*node));
    auto why = refusal(pod, *node, wanted, used == extended_in_use.end() ? nullptr : &used->second);
    if (!why.empty()) {
      reasons[std::move(why)].emplace_back(api::name_of(*node));
      continue;
    }
    const auto there = pods_per_node.find(api::name_of(*node));
    const std::size_t pods = there == pods_per_node.end() ? 0 : there->second;
    if (best == nullptr || pods < best_pods || (pods == best_pods && api::name_of(*node) < api::name_of(*best))) {
      best = node.get();
      best_pods = pods;
    }
  }
  if (best != nullptr) {
    out.node = api::name_of(*best);
    return out;
  }
  if (nodes.empty()) {
    out.message = "no nodes available to schedule pods; start some with: sedna up --nodes cloud0:cloud,edge0:edge";
    return out;
  }
  out.message = "0/" + std::to_string(nodes.size()) + " nodes are available: ";
  bool first = true;
  for (const auto& [why, names] : reasons) {
    if (!first) out.message += ", ";
    first = false;
    out.message += std::to_string(names.size()) + (why.starts_with("Insufficient") ? " " : " node(s) ") + why + " (";
    for (std::size_t i = 0; i < names.size(); ++i) out.message += (i == 0 ? "" : ", ") + names[i];
    out.message += ")";
  }
  out.message += ".";
  return out;
}

}  // namespace sedna::cluster
