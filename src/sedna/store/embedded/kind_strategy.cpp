#include "sedna/store/embedded/kind_strategy.hpp"

#include <algorithm>
#include <array>

#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {
namespace {

namespace kinds = api::kinds;

/// Namespaces that the system lives in.
constexpr std::array<std::string_view, 3> kLastingNamespaces{"default", "kube-public", "kube-system"};

bool set_for(const json::object* resources, std::string_view what) {
  const json::value* v = resources == nullptr ? nullptr : resources->if_contains(what);
  return v != nullptr && !v->is_null();
}

}  // namespace

std::string_view pod_qos_class(const Object& pod) {
  bool any = false;
  bool guaranteed = true;
  for (const char* list : {"containers", "initContainers"}) {
    const json::array* containers = api::array_at(pod, {"spec", list});
    if (containers == nullptr) continue;
    for (const json::value& entry : *containers) {
      if (!entry.is_object()) continue;
      const json::object* requests = api::object_at(entry.get_object(), {"resources", "requests"});
      const json::object* limits = api::object_at(entry.get_object(), {"resources", "limits"});
      for (const char* what : {"cpu", "memory"}) {
        const bool requested = set_for(requests, what);
        const bool limited = set_for(limits, what);
        any = any || requested || limited;
        guaranteed = guaranteed && limited && (!requested || requests->at(what) == limits->at(what));
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

void reset_status(const Kind& kind, Object& object) {
  if (!kind.has_status || &kind == &kinds::kNode) return;  // an agent registers its node with the status
  object.erase("status");
  if (&kind == &kinds::kPod) {
    object["status"] = json::object{{"phase", "Pending"}, {"qosClass", pod_qos_class(object)}};
  } else if (&kind == &kinds::kNamespace) {
    api::make_object(object, {"spec"})["finalizers"] = json::array{"kubernetes"};
    const std::string name(api::name_of(object));  // a copy: making the labels moves the metadata
    api::make_object(object, {"metadata", "labels"})["kubernetes.io/metadata.name"] = name;
    object["status"] = json::object{{"phase", "Active"}};
  } else if (&kind == &kinds::kService) {
    object["status"] = json::object{{"loadBalancer", json::object()}};
  } else if (&kind == &kinds::kDeployment) {
    object["status"] = json::object();
  } else if (&kind == &kinds::kHorizontalPodAutoscaler) {
    object["status"] = json::object{{"currentMetrics", nullptr}, {"desiredReplicas", 0}};
  }
}

void keep_fixed_fields(const Kind& kind, const Object& old, Object& next) {
  if (&kind == &kinds::kService) {
    // A Service keeps its address when a client that does not know it writes.
    for (const char* field : {"clusterIP", "clusterIPs"}) {
      const json::value* address = api::find(old, {"spec", field});
      const json::value* given = api::find(next, {"spec", field});
      if (address != nullptr && given == nullptr && api::find(next, {"spec"}) != nullptr) {
        api::make_object(next, {"spec"})[field] = *address;
      }
    }
  }
}

std::int64_t pod_grace(const Object& pod, std::optional<std::int64_t> wanted) {
  const std::int64_t grace = wanted ? *wanted : api::int_at(pod, {"spec", "terminationGracePeriodSeconds"}, 0);
  const std::string_view phase = api::string_at(pod, {"status", "phase"});
  if (api::string_at(pod, {"spec", "nodeName"}).empty() || phase == "Failed" || phase == "Succeeded") return 0;
  return grace < 0 ? 1 : grace;
}

Outcome<Removal> prepare_namespace_delete(Object& object, Time now) {
  const std::string_view name = api::name_of(object);
  if (std::find(kLastingNamespaces.begin(), kLastingNamespaces.end(), name) != kLastingNamespaces.end()) {
    return statuses::forbidden(kinds::kNamespace, name, "this namespace may not be deleted");
  }
  if (api::is_deleting(object)) {
    return gone_after_update(kinds::kNamespace, object) ? Removal::kNow : Removal::kWait;
  }
  api::make_object(object, {"metadata"})["deletionTimestamp"] = api::format_time(now);
  api::make_object(object, {"status"})["phase"] = "Terminating";
  return Removal::kMark;
}

}  // namespace sedna::store::embedded
