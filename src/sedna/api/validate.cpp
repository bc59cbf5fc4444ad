#include <algorithm>

#include "sedna/api/admission.hpp"
#include "sedna/api/schema.hpp"
#include "sedna/api/validate_core.hpp"
#include "sedna/api/validate_metadata.hpp"
#include "sedna/api/validate_schema.hpp"

namespace sedna::api {

FieldErrors validate(const Kind& kind, const Object& object, const Object* old) {
  FieldErrors errors;
  validate_metadata(kind, object, errors);
  if (kind.category != "sedna") {
    validate_core(kind, object, old, errors);
    return errors;
  }
  const Schema& schema = schema_of(kind);
  for (const auto& p : schema.properties) {
    if (p.name == "metadata" || p.name == "apiVersion" || p.name == "kind") continue;
    if (const auto* member = object.if_contains(p.name)) {
      validate_schema(*member, *p.schema, p.name, errors);
    } else if (p.required) {
      errors.push_back(required(p.name));
    }
  }
  return errors;
}

}  // namespace sedna::api
