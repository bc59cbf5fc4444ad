// What the server itself decides about an object when it is made, changed or removed: the system's metadata, which part
// a request may touch, and the little that differs from kind to kind. As k8s.io/apiserver's registry strategies do it.
// Pure functions. Internal to store/embedded.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "sedna/store/api_server.hpp"

namespace sedna::store::embedded {

/// Which part of an object a request is about.
enum class Part : std::uint8_t { kMain, kStatus };

using Time = std::chrono::system_clock::time_point;

/// Fills metadata and status of a new object whose names and namespace are settled; admission comes after.
void prepare_create(const Kind& kind, Object& object, Time now);
/// A name from metadata.generateName.
std::string generated_name(std::string_view base);

/// Turns what a client sent (`next`) into what would be stored over `old`: keeps what the request may not touch, counts
/// the generation. Fails with 409 or 422.
std::optional<Status> prepare_update(const Kind& kind, Part part, const Object& old, Object& next);
/// An update of an object that waits for its finalizers was its last: it goes.
bool gone_after_update(const Kind& kind, const Object& next);

/// What a deletion does to an object.
enum class Removal : std::uint8_t { kNow, kMark, kWait };
/// kMark: `object` has been changed and is to be stored. kWait: it is being deleted already, nothing to do.
Outcome<Removal> prepare_delete(const Kind& kind, Object& object, const DeleteOptions& options, Time now);

/// Only the newest version may be updated without a resourceVersion where Kubernetes allows it.
bool allows_unconditional_update(const Kind& kind);
/// Replacing what is not there makes it (Kubernetes allows it for some kinds).
bool allows_create_on_update(const Kind& kind);

}  // namespace sedna::store::embedded
