// The EndpointSlices that a Service should have: the addresses of the Pods that its selector matches. Pure; called by
// the Service loop.
#pragma once

#include <vector>

#include "sedna/control/object_cache.hpp"

namespace sedna::cluster {

/// One slice for each distinct set of target ports (one, unless Pods give a named port different numbers), under names
/// that depend on nothing but the Service and the ports. Empty for a Service without selector, of type ExternalName or
/// one that is being deleted.
std::vector<api::Object> endpoint_slices(const api::Object& service, const std::vector<control::ObjectPtr>& pods);

/// The parts of two slices that this loop answers for are equal.
bool same_slice(const api::Object& a, const api::Object& b);

inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr std::string_view kManagedByLabel = "endpointslice.kubernetes.io/managed-by";
inline constexpr std::string_view kManager = "endpointslice-controller.k8s.io";

}  // namespace sedna::cluster
