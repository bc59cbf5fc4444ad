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

Faults both(std::string first, std::string second) {
  Faults out;
  if (!first.empty()) out.push_back(std::move(first));
  if (!second.empty()) out.push_back(std::move(second));
  return out;
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

Faults dns1123_subdomain_faults(std::string_view name) {
  return both(name.size() > 253 ? too_many_bytes(253) : "", is_subdomain(name) ? "" : std::string(kSubdomainFault));
}

Faults dns1123_label_faults(std::string_view name) {
  // A good subdomain that is no label can only have dots too many.
  const std::string_view fault = is_subdomain(name) ? "must not contain dots" : kLabelFault;
  return both(name.size() > 63 ? too_many_bytes(63) : "", is_dns_label(name) ? "" : std::string(fault));
}

Faults dns1035_label_faults(std::string_view name) {
  const bool good = is_dns_label(name) && lower(name.front());
  return both(name.size() > 63 ? too_many_bytes(63) : "", good ? "" : std::string(kLabel1035Fault));
}

Faults qualified_name_faults(std::string_view key) {
  const auto slash = key.find('/');
  std::string_view name = key;
  Faults out;
  if (slash != std::string_view::npos) {
    const auto prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return {"a qualified name " + std::string(kQualifiedFault) +
              " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    if (prefix.empty()) {
      out.emplace_back("prefix part must be non-empty");
    } else {
      for (const auto& fault : dns1123_subdomain_faults(prefix)) out.push_back("prefix part " + fault);
    }
  }
  if (name.empty()) out.emplace_back("name part must be non-empty");
  if (name.size() > 63) out.push_back("name part " + too_many_bytes(63));
  if (!is_qualified_part(name)) out.push_back("name part " + std::string(kQualifiedFault));
  return out;
}

Faults label_value_faults(std::string_view value) {
  return both(value.size() > 63 ? too_many_bytes(63) : "",
              value.empty() || is_qualified_part(value) ? "" : std::string(kLabelValueFault));
}

Faults config_key_faults(std::string_view key) {
  Faults out;
  if (key.size() > 253) out.push_back(too_many_bytes(253));
  if (key.empty() || !std::ranges::all_of(key, name_char)) {
    out.emplace_back(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  }
  if (key == ".") {
    out.emplace_back("must not be '.'");
  } else if (key == "..") {
    out.emplace_back("must not be '..'");
  } else if (key.starts_with("..")) {
    out.emplace_back("must not start with '..'");
  }
  return out;
}

Faults port_name_faults(std::string_view name) {
  Faults out;
  if (name.size() > 15) out.push_back(too_many(15));
  if (!std::ranges::all_of(name, label_char)) {
    out.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::ranges::none_of(name, lower)) out.emplace_back("must contain at least one letter (a-z)");
  if (name.find("--") != std::string_view::npos) out.emplace_back("must not contain consecutive hyphens");
  if (name.starts_with('-') || name.ends_with('-')) out.emplace_back("must not begin or end with a hyphen");
  return out;
}

Faults env_name_faults(std::string_view name) {
  // Kubernetes 1.34: any printable ASCII but '='.
  const bool good =
      !name.empty() && std::ranges::all_of(name, [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; });
  if (good) return {};
  return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
}

std::string join_faults(const Faults& faults) {
  std::string out;
  for (const auto& fault : faults) {
    if (!out.empty()) out.append("; ");
    out.append(fault);
  }
  return out;
}

}  // namespace sedna::api
