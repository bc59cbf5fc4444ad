// What an API server does with an object before it stores it: unknown fields, defaults, validation. Pure functions over
// the schemas of the served kinds; called by the embedded store, and by the CLI to tell faults before anything is sent.
//
// The order of a write, as in Kubernetes:
//   1. decode_fault(kind, body)            → 400 BadRequest with this message
//   2. prune_and_default(kind, body, …)    → unknown fields: 400 when strict, warnings when asked for
//   3. validate(kind, body, old)           → 422 Invalid with every cause
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/field_error.hpp"
#include "sedna/api/object.hpp"

namespace sedna::api {

struct Schema;

/// The body can't be read as `kind` at all (metadata that is no object, a number where a core kind has a text). The
/// message as Kubernetes: 'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal …'.
std::optional<std::string> decode_fault(const Kind& kind, const Object& object);

/// Removes nulls and unknown fields, sets defaults. Appends one text for each field removed, as the Warning header has
/// it: 'unknown field "spec.foo"'. Pod templates of Sedna kinds are kept as written; what looks wrong inside is
/// appended to `hints` when given (never a reason to refuse).
void prune_and_default(const Kind& kind, Object& object, std::vector<std::string>& unknown,
                       std::vector<std::string>* hints = nullptr);
/// The message of the 400 for fieldValidation=Strict.
std::string strict_message(const Kind& kind, const std::vector<std::string>& unknown);

/// Every fault of an object that went through prune_and_default(). `old` is what an update replaces: fields that can't
/// change are compared. Metadata is checked too, apart from uid, resourceVersion and the like, which the store owns.
FieldErrors validate(const Kind& kind, const Object& object, const Object* old = nullptr);

/// The schema of a kind; lives as long as the program.
const Schema& schema_of(const Kind& kind);

}  // namespace sedna::api
