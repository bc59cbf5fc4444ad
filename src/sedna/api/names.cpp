#include "sedna/api/names.hpp"

#include <algorithm>

namespace sedna::api {

namespace {

bool lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool alnum(char c) {
  return lower(c) || digit(c) || (c >= 'A' && c <= 'Z');
}
bool label_char(char c) {
  return lower(c) || digit(c) || c == '-';
}
bool name_char(char c) {
  return alnum(c) || c == '-' || c == '_' || c == '.';
}

std::string too_many(std::size_t limit) {
  return "must be no more than " + std::to_string(limit) + " characters";
}
std::string too_many_bytes(std::size_t limit) {
  return "must be no more than " + std::to_string(limit) + " bytes";
}

bool is_dns_label(std::string_view s) {
  return !s.empty() && s.front() != '-' && s.back() != '-' && std::ranges::all_of(s, label_char);
}

bool is_subdomain(std::string_view s) {
  while (true) {
    const auto dot = s.find('.');
    if (!is_dns_label(s.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    s.remove_prefix(dot + 1);
  }
}

/// [A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?
bool is_qualified_part(std::string_view s) {
  return !s.empty() && alnum(s.front()) && alnum(s.back()) && std::ranges::all_of(s, name_char);
}

std::optional<std::string> joined(std::string first, std::string second) {
  if (first.empty() && second.empty()) return std::nullopt;
  if (first.empty()) return second;
  if (second.empty()) return first;
  return first + "; " + second;
}

constexpr std::string_view kSubdomainFault =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    R"('[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'))";
constexpr std::string_view kLabelFault =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kLabel1035Fault =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kQualifiedFault =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kLabelValueFault =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

}  // namespace

std::optional<std::string> dns1123_subdomain_fault(std::string_view name) {
  return joined(name.size() > 253 ? too_many_bytes(253) : "", is_subdomain(name) ? "" : std::string(kSubdomainFault));
}

std::optional<std::string> dns1123_label_fault(std::string_view name) {
  return joined(name.size() > 63 ? too_many_bytes(63) : "", is_dns_label(name) ? "" : std::string(kLabelFault));
}

std::optional<std::string> dns1035_label_fault(std::string_view name) {
  const bool good = is_dns_label(name) && lower(name.front());
  return joined(name.size() > 63 ? too_many_bytes(63) : "", good ? "" : std::string(kLabel1035Fault));
}

std::optional<std::string> qualified_name_fault(std::string_view key) {
  const auto slash = key.find('/');
  std::string_view name = key;
  if (slash != std::string_view::npos) {
    const auto prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return "a qualified name " + std::string(kQualifiedFault) +
             " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    }
    if (prefix.empty()) return std::string("prefix part must be non-empty");
    if (auto f = dns1123_subdomain_fault(prefix)) return "prefix part " + *f;
  }
  if (name.empty()) return "name part must be non-empty; name part " + std::string(kQualifiedFault);
  return joined(name.size() > 63 ? "name part " + too_many_bytes(63) : "",
                is_qualified_part(name) ? "" : "name part " + std::string(kQualifiedFault));
}

std::optional<std::string> label_value_fault(std::string_view value) {
  return joined(value.size() > 63 ? too_many_bytes(63) : "",
                value.empty() || is_qualified_part(value) ? "" : std::string(kLabelValueFault));
}

std::optional<std::string> config_key_fault(std::string_view key) {
  if (key.size() > 253) return too_many_bytes(253);
  if (key == "." || key == ".." || key.starts_with("..")) return "must not be '.' or start with '..'";
  if (key.empty() || !std::ranges::all_of(key, name_char)) {
    return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
           "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
  }
  return std::nullopt;
}

std::optional<std::string> port_name_fault(std::string_view name) {
  if (name.size() > 15) return too_many(15);
  if (!is_dns_label(name)) {
    return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and must not start or end with a "
           "hyphen";
  }
  if (std::ranges::none_of(name, lower)) return "must contain at least one letter (a-z)";
  if (name.find("--") != std::string_view::npos) return "must not contain consecutive hyphens";
  return std::nullopt;
}

std::optional<std::string> env_name_fault(std::string_view name) {
  // Kubernetes 1.34: any printable ASCII but '='.
  const bool good =
      !name.empty() && std::ranges::all_of(name, [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; });
  if (good) return std::nullopt;
  return "a valid environment variable name must consist only of printable ASCII characters other than '='";
}

}  // namespace sedna::api
