#include "sedna/api/field_error.hpp"

#include <algorithm>
#include <array>

#include "sedna/json/scanner.hpp"

namespace sedna::api {

namespace {

std::string invalid_value(std::string_view shown, std::string_view detail) {
  std::string out = "Invalid value: ";
  out.append(shown);
  if (!detail.empty()) out.append(": ").append(detail);
  return out;
}

}  // namespace

FieldError required(std::string field, std::string_view detail) {
  std::string message = "Required value";
  if (!detail.empty()) message.append(": ").append(detail);
  return {"FieldValueRequired", std::move(field), std::move(message)};
}

FieldError invalid(std::string field, std::string_view shown_value, std::string_view detail) {
  return {"FieldValueInvalid", std::move(field), invalid_value(shown_value, detail)};
}

FieldError invalid_text(std::string field, std::string_view text, std::string_view detail) {
  return invalid(std::move(field), in_quotes(text), detail);
}

bool add_invalid(FieldErrors& errors, const std::string& field, std::string_view text,
                 const std::vector<std::string>& details) {
  for (const auto& detail : details) errors.push_back(invalid_text(field, text, detail));
  return !details.empty();
}

FieldError type_invalid(std::string field, std::string_view shown_value, std::string_view detail) {
  return {"FieldValueTypeInvalid", std::move(field), invalid_value(shown_value, detail)};
}

FieldError not_supported(std::string field, std::string_view text, std::span<const std::string_view> supported) {
  std::string message = "Unsupported value: " + in_quotes(text) + ": supported values: ";
  for (std::size_t i = 0; i < supported.size(); ++i) {
    if (i > 0) message.append(", ");
    message.append(in_quotes(supported[i]));
  }
  return {"FieldValueNotSupported", std::move(field), std::move(message)};
}

FieldError duplicate(std::string field, std::string_view shown_value) {
  return {"FieldValueDuplicate", std::move(field), "Duplicate value: " + std::string(shown_value)};
}

FieldError forbidden(std::string field, std::string_view detail) {
  return {"FieldValueForbidden", std::move(field), "Forbidden: " + std::string(detail)};
}

FieldError too_long(std::string field, std::size_t max_length) {
  // Kubernetes calls the limit bytes here and does not repeat the value.
  return {"FieldValueTooLong", std::move(field),
          "Too long: may not be more than " + std::to_string(max_length) + " bytes"};
}

std::string in_quotes(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char *p = text.data(), *end = p + text.size(); p != end;) {
    const std::size_t length = json::utf8_sequence(p, end);
    const auto byte = static_cast<unsigned char>(*p);
    if (length > 1) {
      out.append(p, length);
      p += length;
      continue;
    }
    switch (*p) {
      case '"':
        out.append("\\\"");
        break;
      case '\\':
        out.append("\\\\");
        break;
      case '\n':
        out.append("\\n");
        break;
      case '\r':
        out.append("\\r");
        break;
      case '\t':
        out.append("\\t");
        break;
      default:
        if (length == 0 || byte < 0x20 || byte == 0x7f) {
          out.append("\\x").push_back(kHex[byte >> 4]);
          out.push_back(kHex[byte & 15]);
        } else {
          out.push_back(*p);
        }
    }
    ++p;
  }
  out.push_back('"');
  return out;
}

std::string invalid_message(const Kind& kind, std::string_view name, std::span<const FieldError> errors) {
  std::string out(kind.kind);
  if (!kind.group.empty()) out.append(".").append(kind.group);
  out.append(" ").append(in_quotes(name)).append(" is invalid");
  if (errors.empty()) return out;
  out.append(": ");
  // As utilerrors.NewAggregate prints: each text once, brackets around more than one.
  std::vector<std::string> texts;
  for (const auto& e : errors) {
    if (std::string text = e.text(); std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
  }
  if (texts.size() == 1) return out + texts.front();
  out.push_back('[');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out.append(", ");
    out.append(texts[i]);
  }
  out.push_back(']');
  return out;
}

}  // namespace sedna::api
