// Small questions about Pods, nodes and selectors that several loops ask: pure functions over objects.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/api/object.hpp"

namespace sedna::cluster {

using api::Object;
using TimePoint = std::chrono::system_clock::time_point;

std::string_view pod_phase(const Object& pod);
/// Neither being deleted nor ended (Succeeded, Failed).
bool is_active(const Object& pod);
/// Succeeded or Failed.
bool is_terminal(const Object& pod);
/// The condition of that type, or null.
const json::object* condition(const Object& object, std::string_view type);
bool condition_is_true(const Object& object, std::string_view type);
inline bool is_ready(const Object& object) {
  return condition_is_true(object, "Ready");
}
/// Since when a condition has its present status.
std::optional<TimePoint> condition_since(const Object& object, std::string_view type);
/// Ready for at least `min_ready_seconds`. `*again` (when not null) is lowered to when that will be so.
bool is_available(const Object& pod, std::int64_t min_ready_seconds, TimePoint now,
                  std::optional<std::chrono::seconds>* again = nullptr);

/// A metav1.LabelSelector ({matchLabels, matchExpressions}); null or an empty one matches as Kubernetes says: null
/// nothing, empty everything.
bool selector_matches(const json::object* selector, const Object& object);
/// A plain map of labels (a Service's selector, a nodeSelector); an empty one matches nothing.
bool labels_match(const json::object* labels, const Object& object);
/// One entry of matchExpressions (key, operator In/NotIn/Exists/DoesNotExist/Gt/Lt, values).
bool requirement_matches(const json::object& requirement, const Object& object);

/// Sets or replaces the condition in status.conditions of `status` (the entry goes to the end when it changed, as
/// Kubernetes' controllers do). True when something changed. lastTransitionTime moves with the status only.
bool set_condition(json::object& status, json::object condition, TimePoint now);

}  // namespace sedna::cluster
