// What is wrong with a field of an object, in Kubernetes' words. Validation returns every fault at once; the API server
// turns them into the causes of a Status 422 and the CLI prints them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/kind.hpp"

namespace sedna::api {

/// One fault. `reason` is a metav1.CauseType (FieldValueRequired, FieldValueInvalid, FieldValueTypeInvalid,
/// FieldValueNotSupported, FieldValueDuplicate, FieldValueForbidden, FieldValueTooLong, FieldValueTooMany).
struct FieldError {
  std::string reason;
  std::string field;    ///< "spec.containers[0].name"
  std::string message;  ///< without the field: "Required value", "Invalid value: \"A\": must be …"

  /// "spec.url: Required value"
  std::string text() const { return field + ": " + message; }
  friend bool operator==(const FieldError&, const FieldError&) = default;
};

using FieldErrors = std::vector<FieldError>;

FieldError required(std::string field, std::string_view detail = {});
/// `value` is shown as given: text with its quotes, a number without.
FieldError invalid(std::string field, std::string_view shown_value, std::string_view detail);
/// The same for a text, which is quoted.
FieldError invalid_text(std::string field, std::string_view text, std::string_view detail);
/// One error for each detail; true when there was one.
bool add_invalid(std::vector<FieldError>& errors, const std::string& field, std::string_view text,
                 const std::vector<std::string>& details);
FieldError type_invalid(std::string field, std::string_view shown_value, std::string_view detail);
/// The words are told in the order given.
FieldError not_supported(std::string field, std::string_view text, std::span<const std::string_view> supported);
FieldError duplicate(std::string field, std::string_view shown_value);
FieldError forbidden(std::string field, std::string_view detail);
FieldError too_long(std::string field, std::size_t max_length);

/// Go's %q of a text.
std::string in_quotes(std::string_view text);

/// The message of the Status: 'Dataset.sedna.io "x" is invalid: [spec.format: Required value, spec.url: Required
/// value]'.
std::string invalid_message(const Kind& kind, std::string_view name, std::span<const FieldError> errors);

}  // namespace sedna::api
