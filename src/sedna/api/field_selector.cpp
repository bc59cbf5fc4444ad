#include <algorithm>
#include <array>
#include <span>

#include "sedna/api/field_error.hpp"
#include "sedna/api/selector.hpp"

namespace sedna::api {

namespace {

constexpr std::array<std::string_view, 7> kPodFields{
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",      "spec.serviceAccountName",
    "status.phase",  "status.podIP",       "status.nominatedNodeName"};
constexpr std::array<std::string_view, 11> kEventFields{"involvedObject.kind",
                                                        "involvedObject.namespace",
                                                        "involvedObject.name",
                                                        "involvedObject.uid",
                                                        "involvedObject.apiVersion",
                                                        "involvedObject.resourceVersion",
                                                        "involvedObject.fieldPath",
                                                        "reason",
                                                        "reportingComponent",
                                                        "source",
                                                        "type"};
constexpr std::array<std::string_view, 1> kNodeFields{"spec.unschedulable"};
constexpr std::array<std::string_view, 2> kNamespaceFields{"status.phase", "name"};
constexpr std::array<std::string_view, 1> kSecretFields{"type"};
constexpr std::array<std::string_view, 2> kServiceFields{"spec.clusterIP", "spec.type"};

std::span<const std::string_view> own_fields(const Kind& kind) {
  if (&kind == &kinds::kPod) return kPodFields;
  if (&kind == &kinds::kEvent) return kEventFields;
  if (&kind == &kinds::kNode) return kNodeFields;
  if (&kind == &kinds::kNamespace) return kNamespaceFields;
  if (&kind == &kinds::kSecret) return kSecretFields;
  if (&kind == &kinds::kService) return kServiceFields;
  return {};
}

/// The text of a field as selectors compare it: booleans as "true" and "false", what is absent as "".
std::string text_at(const Object& object, std::string_view path) {
  if (path == "name") path = "metadata.name";       // Namespaces
  if (path == "source") path = "source.component";  // Events
  const json::object* at = &object;
  while (true) {
    const auto dot = path.find('.');
    const auto* v = at->if_contains(path.substr(0, dot));
    if (v == nullptr) break;
    if (dot == std::string_view::npos) {
      if (v->is_string()) return std::string(std::string_view(v->get_string()));
      return v->is_null() || v->is_object() ? std::string() : json::write(*v);
    }
    if (!v->is_object()) break;
    at = &v->get_object();
    path.remove_prefix(dot + 1);
  }
  return {};
}

Error fault(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message), "fieldSelector"};
}

/// Takes off the text up to an unescaped ',' (or the end).
std::string_view take_term(std::string_view& rest) {
  std::size_t i = 0;
  while (i < rest.size() && rest[i] != ',') i += rest[i] == '\\' ? 2 : 1;
  i = std::min(i, rest.size());
  const auto term = rest.substr(0, i);
  rest.remove_prefix(std::min(i + 1, rest.size()));
  return term;
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (i + 1 == text.size() || std::string_view("\\,=").find(text[i + 1]) == std::string_view::npos) {
        return fault("invalid field selector: invalid escape sequence in value: " + std::string(text));
      }
      out.push_back(text[++i]);
    } else if (text[i] == '=' || text[i] == ',') {
      return fault("invalid field selector: unescaped character in value: " + std::string(text));
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector out;
  for (auto rest = text; !rest.empty();) {
    const auto term = take_term(rest);
    if (term.empty()) continue;
    const auto equals = term.find('=');
    if (equals == std::string_view::npos) {
      return fault("invalid selector: '" + std::string(text) + "'; can't understand '" + std::string(term) + "'");
    }
    Requirement r;
    r.equal = equals == 0 || term[equals - 1] != '!';
    r.path = term.substr(0, r.equal ? equals : equals - 1);
    auto shown = term.substr(equals + 1);
    if (r.equal && shown.starts_with('=')) shown.remove_prefix(1);
    auto value = unescape(shown);
    if (!value) return std::move(value).error();
    r.value = std::move(*value);
    out.requirements_.push_back(std::move(r));
  }
  return out;
}

std::optional<std::string> FieldSelector::unsupported_for(const Kind& kind) const {
  const auto own = own_fields(kind);
  for (const auto& r : requirements_) {
    if (r.path == "metadata.name" ||
        (r.path == "metadata.namespace" && (kind.namespaced || kind.category == "sedna"))) {
      continue;
    }
    if (std::ranges::find(own, r.path) != own.end()) continue;
    if (own.empty() && kind.category != "sedna") {
      return in_quotes(r.path) + R"( is not a known field selector: only "metadata.name", "metadata.namespace")";
    }
    return "field label not supported: " + r.path;
  }
  return std::nullopt;
}

bool FieldSelector::matches(const Object& object) const {
  return std::ranges::all_of(requirements_,
                             [&](const Requirement& r) { return (text_at(object, r.path) == r.value) == r.equal; });
}

std::optional<std::string_view> FieldSelector::exact_name() const {
  for (const auto& r : requirements_) {
    if (r.equal && r.path == "metadata.name") return r.value;
  }
  return std::nullopt;
}

}  // namespace sedna::api
