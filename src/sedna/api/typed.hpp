// Typed views of Sedna's objects: a struct read from the JSON tree, and back. Controllers read specs through these and
// write statuses; what they write back is a patch of the tree, so that members no struct knows are never lost.
//
//   const auto service = api::decode<api::JointInferenceService>(object);   // Result
//   service->spec.edge_worker.model.name
//   patch["status"] = api::encode(service->status);
#pragma once

#include <string_view>

#include "sedna/api/object.hpp"
#include "sedna/base/result.hpp"

namespace sedna::api {

/// Reads leniently: what is absent keeps the struct's default (validation is the server's work), unknown members go to
/// `extra`. A member of the wrong type is an error whose subject is its path ("spec.edgeWorker.model.name").
/// T: any struct of this module's kinds.
template <class T>
Result<T> decode(const json::object& from, std::string_view where = {});

/// As Go writes it: optional members are left out when empty.
template <class T>
json::object encode(const T& from);

}  // namespace sedna::api
