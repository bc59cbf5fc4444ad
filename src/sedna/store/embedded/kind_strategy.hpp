// What differs from kind to kind when objects are made, changed and removed. Internal to store/embedded (strategy.cpp).
#pragma once

#include <optional>

#include "sedna/store/embedded/strategy.hpp"

namespace sedna::store::embedded {

/// The status of a new object: nothing for most, what Kubernetes begins with for some.
void reset_status(const Kind& kind, Object& object);
/// Fields that an update can't change and that Kubernetes keeps without a word.
void keep_fixed_fields(const Kind& kind, const Object& old, Object& next);
/// Seconds between a Pod's deletion and its end: none when it never ran or has ended.
std::int64_t pod_grace(const Object& pod, std::optional<std::int64_t> wanted);
/// BestEffort, Burstable or Guaranteed.
std::string_view pod_qos_class(const Object& pod);
Outcome<Removal> prepare_namespace_delete(Object& object, Time now);

}  // namespace sedna::store::embedded
