#include "sedna/api/validate_core.hpp"

namespace sedna::api {

void validate_core(const Kind&, const Object&, const Object*, FieldErrors&) {}

}  // namespace sedna::api
