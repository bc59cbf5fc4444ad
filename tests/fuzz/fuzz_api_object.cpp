// Any JSON as an object of any kind: decoding, pruning, defaulting and validation come to an end, defaulting twice is
// defaulting once, and what is valid stays valid; selectors and patches on the way.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/api/admission.hpp"
#include "sedna/api/federated_learning_job.hpp"
#include "sedna/api/joint_inference_service.hpp"
#include "sedna/api/patch.hpp"
#include "sedna/api/schema.hpp"
#include "sedna/api/selector.hpp"

namespace {

namespace api = sedna::api;
namespace json = sedna::json;

void try_selectors(std::string_view text, const api::Object& object) {
  if (const auto selector = api::LabelSelector::parse(text)) {
    static_cast<void>(selector->matches(object));
    const auto again = api::LabelSelector::parse(selector->to_string());
    if (!again || again->to_string() != selector->to_string()) std::abort();
  }
  if (const auto selector = api::FieldSelector::parse(text)) static_cast<void>(selector->matches(object));
  if (const auto* raw = api::object_at(object, {"spec", "selector"})) {
    static_cast<void>(api::LabelSelector::from_json(*raw));
  }
}

void try_patches(const json::value& tree, const api::Schema& schema) {
  if (!tree.is_array() || tree.get_array().size() < 2) return;
  json::value target = tree.get_array()[0];
  const json::value& patch = tree.get_array()[1];
  static_cast<void>(api::apply_json_patch(target, patch));
  static_cast<void>(api::apply_strategic_merge_patch(target, patch, schema));
  const json::value made = api::make_merge_patch(target, patch);
  static_cast<void>(api::three_way_merge_patch(patch, target, patch));
  api::apply_merge_patch(target, made);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto kinds = api::all_kinds();
  const api::Kind& kind = *kinds[data[0] % kinds.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto tree = json::parse(text);
  if (!tree) {
    try_selectors(text, {});
    return 0;
  }
  try_patches(*tree, api::schema_of(kind));
  if (!tree->is_object()) return 0;
  api::Object object = tree->get_object();
  try_selectors(api::string_at(object, {"metadata", "name"}), object);
  if (api::decode_fault(kind, object)) return 0;
  std::vector<std::string> unknown, hints;
  api::prune_and_default(kind, object, unknown, &hints);
  const auto errors = api::validate(kind, object);
  static_cast<void>(api::invalid_message(kind, api::name_of(object), errors));
  static_cast<void>(api::validate(kind, object, &object));
  api::Object again = object;
  api::prune_and_default(kind, again, unknown, nullptr);
  if (again != object) std::abort();
  if (!errors.empty()) return 0;
  if (&kind == &api::kinds::kJointInferenceService) {
    const auto typed = api::decode<api::JointInferenceService>(object);
    if (typed) static_cast<void>(api::encode(*typed));
  } else if (&kind == &api::kinds::kFederatedLearningJob) {
    const auto typed = api::decode<api::FederatedLearningJob>(object);
    if (typed) static_cast<void>(api::encode(*typed));
  }
  return 0;
}
