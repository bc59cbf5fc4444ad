#include "sedna/gm/children.hpp"

#include <algorithm>
#include <vector>

#include "sedna/base/sha256.hpp"
#include "sedna/base/text.hpp"
#include "sedna/gm/worker_builder.hpp"

namespace sedna::gm {

namespace {

api::Object owned(const api::Kind& kind, const api::Object& owner, std::string_view name, json::object labels) {
  api::Object out = api::new_object(kind, api::namespace_of(owner), name);
  auto& metadata = out["metadata"].get_object();
  metadata["labels"] = std::move(labels);
  json::array owners;
  owners.push_back(api::to_json(api::controller_reference(owner)));
  metadata["ownerReferences"] = std::move(owners);
  return out;
}

void append_canonical(std::string& out, const json::value& value) {
  if (value.is_object()) {
    std::vector<const boost::json::key_value_pair*> members;
    for (const auto& member : value.get_object()) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
    out.push_back('{');
    for (const auto* member : members) {
      if (member != members.front()) out.push_back(',');
      json::append_string(out, member->key());
      out.push_back(':');
      append_canonical(out, member->value());
    }
    out.push_back('}');
  } else if (value.is_array()) {
    out.push_back('[');
    bool first = true;
    for (const auto& entry : value.get_array()) {
      if (!std::exchange(first, false)) out.push_back(',');
      append_canonical(out, entry);
    }
    out.push_back(']');
  } else {
    json::append(out, value);
  }
}

json::value patch_value(const json::value& live, const json::value& wanted, std::string_view member) {
  if (!live.is_object() || !wanted.is_object()) return wanted;
  json::object out;
  for (const auto& [key, value] : wanted.get_object()) {
    const json::value* present = live.get_object().if_contains(key);
    if (present == nullptr) {
      out[key] = value;
    } else if (*present != value) {
      out[key] = patch_value(*present, value, key);
    }
  }
  if (member != "annotations") {
    for (const auto& [key, value] : live.get_object()) {
      if (!wanted.get_object().contains(key) && !value.is_null() && key != "annotations") out[key] = nullptr;
    }
  }
  return out;
}

const json::value* by_name(const json::array& list, std::string_view name) {
  const json::value* found = nullptr;  // the last of a name wins, as in a container
  for (const auto& entry : list) {
    if (entry.is_object() && api::string_at(entry.get_object(), {"name"}) == name) found = &entry;
  }
  return found;
}

bool env_is_subset(const json::array& wanted, const json::array& live) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const json::value& entry) {
    if (!entry.is_object()) return false;
    const json::value* other = by_name(live, api::string_at(entry.get_object(), {"name"}));
    return other != nullptr && is_subset(entry, *other);
  });
}

}  // namespace

std::string deployment_name(std::string_view owner, std::string_view worker_type) {
  return std::string(owner) + "-deployment-" + to_lower(worker_type);
}
std::string service_name(std::string_view owner, std::string_view worker_type) {
  return to_lower(std::string(owner) + "-" + std::string(worker_type));
}
std::string hpa_name(std::string_view deployment) {
  return "hpa-" + std::string(deployment);
}

json::object deployment_labels(const api::Object& owner, std::string_view worker_type) {
  json::object labels = worker_labels(owner, worker_type);
  labels["app.sedna.io"] = std::string(api::name_of(owner)) + "-" + std::string(worker_type) + "-svc";
  return labels;
}

api::Object make_deployment(const api::Object& owner, std::string_view worker_type, json::object pod_template,
                            std::string_view hash) {
  json::object labels = deployment_labels(owner, worker_type);
  api::Object out = owned(api::kinds::kDeployment, owner, deployment_name(api::name_of(owner), worker_type), labels);
  if (!hash.empty()) out["metadata"].get_object()["annotations"] = json::object{{kSpecHash, hash}};
  json::object selector;
  selector["matchLabels"] = std::move(labels);
  auto& spec = api::make_object(out, {"spec"});
  spec["selector"] = std::move(selector);
  spec["template"] = std::move(pod_template);
  return out;
}

api::Object make_service(const api::Object& owner, std::string_view worker_type, std::uint16_t port) {
  json::object labels = worker_labels(owner, worker_type);
  api::Object out = owned(api::kinds::kService, owner, service_name(api::name_of(owner), worker_type), labels);
  auto& spec = api::make_object(out, {"spec"});
  const std::int64_t number = port;
  json::array ports;
  ports.push_back(json::object{{"name", "tcp-0"}, {"port", number}, {"protocol", "TCP"}, {"targetPort", number}});
  spec["ports"] = std::move(ports);
  spec["selector"] = std::move(labels);
  spec["type"] = "ClusterIP";
  return out;
}

api::Object make_hpa(const api::Object& owner, std::string_view worker_type, std::string_view deployment,
                     const json::object& hpa, std::string_view hash) {
  api::Object out =
      owned(api::kinds::kHorizontalPodAutoscaler, owner, hpa_name(deployment), worker_labels(owner, worker_type));
  if (!hash.empty()) out["metadata"].get_object()["annotations"] = json::object{{kSpecHash, hash}};
  auto& spec = api::make_object(out, {"spec"});
  for (const std::string_view member : {"behavior", "maxReplicas", "metrics", "minReplicas"}) {
    if (const json::value* value = hpa.if_contains(member); value != nullptr && !value->is_null()) {
      spec[member] = *value;
    }
  }
  spec["scaleTargetRef"] = json::object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", deployment}};
  return out;
}

std::string canonical_text(const json::value& value) {
  std::string out;
  append_canonical(out, value);
  return out;
}

std::string canonical_hash(const json::value& value) {
  constexpr std::size_t kDigits = 16;
  return sha256_hex(canonical_text(value)).substr(0, kDigits);
}

json::object patch_to(const json::object& live, const json::object& wanted) {
  const json::value patch = patch_value(json::value(live), json::value(wanted), {});
  return patch.get_object();
}

bool is_subset(const json::value& wanted, const json::value& live) {
  if (wanted.is_object() && live.is_object()) {
    for (const auto& [key, value] : wanted.get_object()) {
      const json::value* other = live.get_object().if_contains(key);
      if (other == nullptr) {
        // {} and null are what a server leaves out.
        const bool nothing = value.is_null() || (value.is_object() && value.get_object().empty());
        if (!nothing) return false;
        continue;
      }
      if (key == "env" && value.is_array() && other->is_array()) {
        if (!env_is_subset(value.get_array(), other->get_array())) return false;
      } else if (!is_subset(value, *other)) {
        return false;
      }
    }
    return true;
  }
  if (wanted.is_array() && live.is_array()) {
    const auto &a = wanted.get_array(), &b = live.get_array();
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), is_subset);
  }
  return wanted == live;
}

}  // namespace sedna::gm
