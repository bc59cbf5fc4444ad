// Services and EndpointSlices.
#include <algorithm>
#include <array>
#include <charconv>

#include "sedna/api/core_walk.hpp"
#include "sedna/api/names.hpp"
#include "sedna/api/validate_metadata.hpp"

namespace sedna::api {

namespace {

constexpr std::array<std::string_view, 4> kTypes{"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"};
constexpr std::array<std::string_view, 3> kProtocols{"SCTP", "TCP", "UDP"};
constexpr std::array<std::string_view, 2> kAffinities{"ClientIP", "None"};

bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (true) {
    const auto dot = text.find('.');
    const auto part = text.substr(0, dot);
    int n = -1;
    const auto [end, ec] = std::from_chars(part.data(), part.data() + part.size(), n);
    if (ec != std::errc() || end != part.data() + part.size() || n < 0 || n > 255 ||
        (part.size() > 1 && part[0] == '0')) {
      return false;
    }
    ++parts;
    if (dot == std::string_view::npos) return parts == 4;
    text.remove_prefix(dot + 1);
  }
}

bool is_ip(std::string_view text) {
  if (is_ipv4(text)) return true;
  // IPv6 by its alphabet and colons; what it means is for whoever connects.
  return std::ranges::count(text, ':') >= 2 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
         });
}

void check_service_ports(const json::object& spec, bool optional, FieldErrors& errors) {
  const auto* ports = array_in(spec, "ports");
  const std::size_t count = ports == nullptr ? 0 : ports->size();
  if (count == 0 && !optional) errors.push_back(required("spec.ports"));
  std::vector<std::string_view> names;
  std::vector<std::pair<std::int64_t, std::string_view>> seen;
  each_in(spec, "ports", "spec", [&](const json::object& port, const std::string& here) {
    const auto name = text_in(port, "name"), protocol = text_in(port, "protocol");
    if (name.empty()) {
      if (count > 1) errors.push_back(required(here + ".name"));
    } else if (!add_invalid(errors, here + ".name", name, dns1123_label_faults(name)) &&
               std::ranges::find(names, name) != names.end()) {
      errors.push_back(duplicate(here + ".name", in_quotes(name)));
    }
    if (!name.empty()) names.push_back(name);
    const auto number = int_in(port, "port").value_or(0);
    check_port_number(number, here + ".port", errors);
    if (protocol.empty()) {
      errors.push_back(required(here + ".protocol"));
    } else if (std::ranges::find(kProtocols, protocol) == kProtocols.end()) {
      errors.push_back(not_supported(here + ".protocol", protocol, kProtocols));
    }
    check_port(port.if_contains("targetPort"), here + ".targetPort", errors);
    if (std::ranges::find(seen, std::pair{number, protocol}) != seen.end()) {
      const json::object shown{{"Name", ""},     {"Protocol", protocol}, {"AppProtocol", nullptr},
                               {"Port", number}, {"TargetPort", 0},      {"NodePort", 0}};
      errors.push_back(duplicate(here, json::write(shown)));
    }
    seen.emplace_back(number, protocol);
  });
}

}  // namespace

void validate_service(const Object& object, const Object* old, FieldErrors& errors) {
  static const json::object kEmpty;
  const auto* spec = object_in(object, "spec");
  if (spec == nullptr) spec = &kEmpty;
  const auto type = text_in(*spec, "type"), ip = text_in(*spec, "clusterIP");
  check_service_ports(*spec, ip == "None" || type == "ExternalName", errors);
  if (type == "ExternalName" && text_in(*spec, "externalName").empty()) {
    errors.push_back(required("spec.externalName"));
  }
  if (std::ranges::find(kTypes, type) == kTypes.end()) errors.push_back(not_supported("spec.type", type, kTypes));
  if (const auto* selector = object_in(*spec, "selector")) validate_labels(*selector, "spec.selector", errors);
  if (const auto affinity = text_in(*spec, "sessionAffinity");
      !affinity.empty() && std::ranges::find(kAffinities, affinity) == kAffinities.end()) {
    errors.push_back(not_supported("spec.sessionAffinity", affinity, kAffinities));
  }
  if (!ip.empty() && ip != "None" && !is_ip(ip)) {
    errors.push_back(
        invalid_text("spec.clusterIPs[0]", ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
  }
  if (old == nullptr) return;
  const auto before = string_at(*old, {"spec", "clusterIP"});
  if (!before.empty() && before != ip && type != "ExternalName" &&
      string_at(*old, {"spec", "type"}) != "ExternalName") {
    json::array shown{json::value(ip)};
    errors.push_back(invalid("spec.clusterIPs[0]", json::write(shown), "may not change once set"));
  }
}

void validate_endpoint_slice(const Object& object, const Object* old, FieldErrors& errors) {
  static constexpr std::array<std::string_view, 3> kAddressTypes{"FQDN", "IPv4", "IPv6"};
  const auto type = text_in(object, "addressType");
  if (type.empty()) {
    errors.push_back(required("addressType"));
  } else if (std::ranges::find(kAddressTypes, type) == kAddressTypes.end()) {
    errors.push_back(not_supported("addressType", type, kAddressTypes));
  }
  each_in(object, "endpoints", "", [&](const json::object& endpoint, const std::string& path) {
    const std::string here = path.substr(1);
    const auto* addresses = array_in(endpoint, "addresses");
    if (addresses == nullptr || addresses->empty()) {
      errors.push_back(required(here + ".addresses", "must contain at least 1 address"));
      return;
    }
    for (std::size_t i = 0; i < addresses->size(); ++i) {
      const auto& v = (*addresses)[i];
      const std::string_view address = v.is_string() ? std::string_view(v.get_string()) : std::string_view();
      if (type == "IPv4" && !is_ipv4(address)) {
        errors.push_back(invalid_text(here + ".addresses[" + std::to_string(i) + "]", address,
                                      "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
      }
    }
  });
  if (old != nullptr && type != text_in(*old, "addressType")) {
    errors.push_back(invalid_text("addressType", type, "field is immutable"));
  }
}

}  // namespace sedna::api
