#include "sedna/api/kind.hpp"

#include <algorithm>
#include <array>

namespace sedna::api {

namespace {

constexpr std::string_view kSednaGroup = "sedna.io";
constexpr std::string_view kSednaVersion = "v1alpha1";
constexpr std::string_view kSednaCategory = "sedna";

// Upstream names JI, IL, FL, LL, objs, objt, fe, va and reid. Its Dataset and Model have no short name; "ds" belongs to
// DaemonSets, hence these.
constexpr std::array<std::string_view, 1> kDatasetShort{"dset"}, kModelShort{"mdl"}, kJiShort{"ji"}, kIlShort{"il"},
    kFlShort{"fl"}, kLlShort{"ll"}, kObjsShort{"objs"}, kObjtShort{"objt"}, kFeShort{"fe"}, kVaShort{"va"},
    kReidShort{"reid"};
constexpr std::array<std::string_view, 1> kNamespaceShort{"ns"}, kNodeShort{"no"}, kPodShort{"po"},
    kServiceShort{"svc"}, kConfigMapShort{"cm"}, kEventShort{"ev"}, kDeploymentShort{"deploy"}, kHpaShort{"hpa"};

constexpr Kind sedna_kind(std::string_view kind, std::string_view plural, std::string_view singular,
                          std::span<const std::string_view> short_names) {
  return {kSednaGroup, kSednaVersion, kind, plural, singular, short_names, true, true, true, false, kSednaCategory};
}

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

namespace kinds {

constexpr Kind kDataset = sedna_kind("Dataset", "datasets", "dataset", kDatasetShort);
constexpr Kind kModel = sedna_kind("Model", "models", "model", kModelShort);
constexpr Kind kJointInferenceService =
    sedna_kind("JointInferenceService", "jointinferenceservices", "jointinferenceservice", kJiShort);
constexpr Kind kIncrementalLearningJob =
    sedna_kind("IncrementalLearningJob", "incrementallearningjobs", "incrementallearningjob", kIlShort);
constexpr Kind kFederatedLearningJob =
    sedna_kind("FederatedLearningJob", "federatedlearningjobs", "federatedlearningjob", kFlShort);
constexpr Kind kLifelongLearningJob =
    sedna_kind("LifelongLearningJob", "lifelonglearningjobs", "lifelonglearningjob", kLlShort);
constexpr Kind kObjectSearchService =
    sedna_kind("ObjectSearchService", "objectsearchservices", "objectsearchservice", kObjsShort);
constexpr Kind kObjectTrackingService =
    sedna_kind("ObjectTrackingService", "objecttrackingservices", "objecttrackingservice", kObjtShort);
constexpr Kind kFeatureExtractionService =
    sedna_kind("FeatureExtractionService", "featureextractionservices", "featureextractionservice", kFeShort);
constexpr Kind kVideoAnalyticsJob =
    sedna_kind("VideoAnalyticsJob", "videoanalyticsjobs", "videoanalyticsjob", kVaShort);
constexpr Kind kReidJob = sedna_kind("ReidJob", "reidjobs", "reidjob", kReidShort);

// namespaced, has_status, has_generation, has_scale as kube-apiserver 1.34 has them.
constexpr Kind kNamespace{"", "v1", "Namespace", "namespaces", "namespace", kNamespaceShort, false, true, false, false};
constexpr Kind kNode{"", "v1", "Node", "nodes", "node", kNodeShort, false, true, false, false};
constexpr Kind kPod{"", "v1", "Pod", "pods", "pod", kPodShort, true, true, true, false, "all"};
constexpr Kind kService{"", "v1", "Service", "services", "service", kServiceShort, true, true, false, false, "all"};
constexpr Kind kEndpointSlice{
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", {}, true, false, true, false};
constexpr Kind kConfigMap{"", "v1", "ConfigMap", "configmaps", "configmap", kConfigMapShort, true, false, false, false};
constexpr Kind kSecret{"", "v1", "Secret", "secrets", "secret", {}, true, false, false, false};
constexpr Kind kEvent{"", "v1", "Event", "events", "event", kEventShort, true, false, false, false};
constexpr Kind kDeployment{"apps", "v1", "Deployment", "deployments", "deployment", kDeploymentShort,
                           true,   true, true,         true,          "all"};
constexpr Kind kHorizontalPodAutoscaler{"autoscaling",
                                        "v2",
                                        "HorizontalPodAutoscaler",
                                        "horizontalpodautoscalers",
                                        "horizontalpodautoscaler",
                                        kHpaShort,
                                        true,
                                        true,
                                        false,
                                        false,
                                        "all"};
constexpr Kind kLease{"coordination.k8s.io", "v1", "Lease", "leases", "lease", {}, true, false, false, false};

}  // namespace kinds

namespace {

constexpr std::array<const Kind*, 22> kAllKinds{&kinds::kDataset,
                                                &kinds::kModel,
                                                &kinds::kJointInferenceService,
                                                &kinds::kIncrementalLearningJob,
                                                &kinds::kFederatedLearningJob,
                                                &kinds::kLifelongLearningJob,
                                                &kinds::kObjectSearchService,
                                                &kinds::kObjectTrackingService,
                                                &kinds::kFeatureExtractionService,
                                                &kinds::kVideoAnalyticsJob,
                                                &kinds::kReidJob,
                                                &kinds::kNamespace,
                                                &kinds::kNode,
                                                &kinds::kPod,
                                                &kinds::kService,
                                                &kinds::kEndpointSlice,
                                                &kinds::kConfigMap,
                                                &kinds::kSecret,
                                                &kinds::kEvent,
                                                &kinds::kDeployment,
                                                &kinds::kHorizontalPodAutoscaler,
                                                &kinds::kLease};

}  // namespace

std::string Kind::api_version() const {
  std::string out;
  if (!group.empty()) out.append(group).push_back('/');
  return out.append(version);
}

std::string Kind::path(std::string_view ns) const {
  std::string out = group.empty() ? "/api/" : "/apis/";
  if (!group.empty()) out.append(group).push_back('/');
  out.append(version);
  if (namespaced && !ns.empty()) out.append("/namespaces/").append(ns);
  return out.append("/").append(plural);
}

std::string Kind::path(std::string_view ns, std::string_view name, std::string_view subresource) const {
  std::string out = path(ns).append("/").append(name);
  if (!subresource.empty()) out.append("/").append(subresource);
  return out;
}

std::span<const Kind* const> all_kinds() {
  return kAllKinds;
}

const Kind* find_kind(std::string_view api_version, std::string_view kind) {
  const auto slash = api_version.find('/');
  const auto group = slash == std::string_view::npos ? std::string_view{} : api_version.substr(0, slash);
  const auto version = slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  for (const Kind* k : kAllKinds) {
    if (k->kind == kind && k->group == group && k->version == version) return k;
  }
  return nullptr;
}

const Kind* find_resource(std::string_view group, std::string_view version, std::string_view plural) {
  for (const Kind* k : kAllKinds) {
    if (k->plural == plural && k->group == group && k->version == version) return k;
  }
  return nullptr;
}

const Kind* find_kind_by_word(std::string_view word) {
  // "deployments.apps", and "deployments.v1.apps" as kubectl also takes it.
  const auto dot = word.find('.');
  const std::string_view head = word.substr(0, dot);
  std::string_view group = dot == std::string_view::npos ? std::string_view{} : word.substr(dot + 1);
  for (const Kind* k : kAllKinds) {
    const bool named =
        equal_ignoring_case(head, k->plural) || equal_ignoring_case(head, k->singular) ||
        std::ranges::any_of(k->short_names, [&](std::string_view s) { return equal_ignoring_case(head, s); });
    if (!named) continue;
    if (dot == std::string_view::npos || equal_ignoring_case(group, k->group)) return k;
    const auto second = group.find('.');
    if (equal_ignoring_case(group.substr(0, second), k->version) &&
        (second == std::string_view::npos ? k->group.empty()
                                          : equal_ignoring_case(group.substr(second + 1), k->group))) {
      return k;
    }
  }
  return nullptr;
}

}  // namespace sedna::api
