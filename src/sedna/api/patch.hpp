// The three patches of the Kubernetes API as pure functions on JSON trees. Called by the embedded API server, and by
// the CLI for apply.
#pragma once

#include "sedna/api/object.hpp"
#include "sedna/base/result.hpp"

namespace sedna::api {

struct Schema;

/// RFC 7386: null removes, objects merge, everything else replaces.
void apply_merge_patch(json::value& target, const json::value& patch);

/// RFC 6902: a list of add, remove, replace, move, copy, test. All or nothing. The error's subject is "[2].path";
/// a failed test is ErrorCode::kInvalidArgument with the message Kubernetes gives.
Result<json::value> apply_json_patch(const json::value& target, const json::value& patch);

/// Kubernetes' strategic merge patch for an object of a core kind: lists merge by the keys that `schema` names, with
/// $patch (replace, delete, merge), $setElementOrder, $deleteFromPrimitiveList and $retainKeys. Where the schema says
/// nothing, a list is replaced.
Result<json::value> apply_strategic_merge_patch(const json::value& target, const json::value& patch,
                                                const Schema& schema);

/// What kubectl's client-side apply sends: a merge patch that turns `current` into `wanted`, removing what `last` had
/// and `wanted` no longer has (three-way, RFC 7386; for Sedna kinds).
json::value three_way_merge_patch(const json::value& last, const json::value& wanted, const json::value& current);
/// The RFC 7386 patch from one tree to another.
json::value make_merge_patch(const json::value& from, const json::value& to);

}  // namespace sedna::api
