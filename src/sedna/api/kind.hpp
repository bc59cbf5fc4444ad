// Every kind of object the system speaks about, in one table: names, scope, subresources. Whoever builds a URL, a table
// or a key looks here; nothing else spells "jointinferenceservices".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sedna::api {

/// One served kind. Values live for the whole program; compare by address.
struct Kind {
  std::string_view group;  ///< "" for the core group
  std::string_view version;
  std::string_view kind;
  std::string_view plural;
  std::string_view singular;
  std::span<const std::string_view> short_names;
  bool namespaced = true;
  bool has_status = true;       ///< status is a subresource
  bool has_generation = true;   ///< metadata.generation rises with the spec
  bool has_scale = false;       ///< the scale subresource
  std::string_view category{};  ///< "sedna" or "all" or nothing

  std::string api_version() const;  ///< "sedna.io/v1alpha1", "v1"
  std::string list_kind() const { return std::string(kind) + "List"; }
  /// "/apis/sedna.io/v1alpha1/namespaces/default/datasets"; without a namespace: all of them.
  std::string path(std::string_view ns = {}) const;
  /// The path of one object. `subresource`: "status", "scale" or nothing.
  std::string path(std::string_view ns, std::string_view name, std::string_view subresource) const;
};

/// All kinds, Sedna's eleven first.
std::span<const Kind* const> all_kinds();
/// Null when there is none.
const Kind* find_kind(std::string_view api_version, std::string_view kind);
const Kind* find_resource(std::string_view group, std::string_view version, std::string_view plural);
/// What a person types: kind, plural, singular, short name, each also with ".group"; case does not matter.
const Kind* find_kind_by_word(std::string_view word);

namespace kinds {
extern const Kind kDataset, kModel, kJointInferenceService, kIncrementalLearningJob, kFederatedLearningJob,
    kLifelongLearningJob, kObjectSearchService, kObjectTrackingService, kFeatureExtractionService, kVideoAnalyticsJob,
    kReidJob;
extern const Kind kNamespace, kNode, kPod, kService, kEndpointSlice, kConfigMap, kSecret, kEvent, kDeployment,
    kHorizontalPodAutoscaler, kLease;
}  // namespace kinds

}  // namespace sedna::api
