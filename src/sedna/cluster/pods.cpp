#include "sedna/cluster/pods.hpp"

#include <algorithm>
#include <charconv>

namespace sedna::cluster {

namespace {

std::string_view text(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr || !v->is_string()) return {};
  return v->get_string();
}

std::optional<long long> number(std::string_view s) {
  long long out = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (error != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return out;
}

}  // namespace

std::string_view pod_phase(const Object& pod) {
  return api::string_at(pod, {"status", "phase"}, "Pending");
}

bool is_terminal(const Object& pod) {
  const auto phase = pod_phase(pod);
  return phase == "Succeeded" || phase == "Failed";
}

bool is_active(const Object& pod) {
  return !api::is_deleting(pod) && !is_terminal(pod);
}

const json::object* condition(const Object& object, std::string_view type) {
  const auto* all = api::array_at(object, {"status", "conditions"});
  if (all == nullptr) return nullptr;
  for (const auto& c : *all) {
    if (c.is_object() && text(c.get_object(), "type") == type) return &c.get_object();
  }
  return nullptr;
}

bool condition_is_true(const Object& object, std::string_view type) {
  const auto* c = condition(object, type);
  return c != nullptr && text(*c, "status") == "True";
}

std::optional<TimePoint> condition_since(const Object& object, std::string_view type) {
  const auto* c = condition(object, type);
  if (c == nullptr) return std::nullopt;
  return api::parse_time(text(*c, "lastTransitionTime"));
}

bool is_available(const Object& pod, std::int64_t min_ready_seconds, TimePoint now,
                  std::optional<std::chrono::seconds>* again) {
  if (!is_active(pod) || !is_ready(pod)) return false;
  if (min_ready_seconds <= 0) return true;
  const auto since = condition_since(pod, "Ready");
  if (!since) return false;
  const auto at = *since + std::chrono::seconds(min_ready_seconds);
  if (at <= now) return true;
  if (again != nullptr) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(at - now);
    if (!*again || left < **again) *again = left;
  }
  return false;
}

bool requirement_matches(const json::object& requirement, const Object& object) {
  const auto key = text(requirement, "key");
  const auto op = text(requirement, "operator");
  const auto value = api::label(object, key);
  const auto* values = requirement.if_contains("values");
  const auto contains = [&] {
    if (values == nullptr || !values->is_array()) return false;
    return std::ranges::any_of(values->get_array(), [&](const json::value& v) {
      return v.is_string() && std::string_view(v.get_string()) == *value;
    });
  };
  if (op == "Exists") return value.has_value();
  if (op == "DoesNotExist") return !value;
  if (op == "In") return value && contains();
  if (op == "NotIn") return !value || !contains();
  if (op == "Gt" || op == "Lt") {
    if (!value || values == nullptr || !values->is_array() || values->get_array().size() != 1) return false;
    const auto& bound = values->get_array()[0];
    const auto left = number(*value);
    const auto right = bound.is_string() ? number(bound.get_string()) : std::nullopt;
    return left && right && (op == "Gt" ? *left > *right : *left < *right);
  }
  return false;
}

bool selector_matches(const json::object* selector, const Object& object) {
  if (selector == nullptr) return false;
  if (const auto* labels = selector->if_contains("matchLabels"); labels != nullptr && labels->is_object()) {
    for (const auto& [key, value] : labels->get_object()) {
      if (!value.is_string() || api::label(object, key) != std::string_view(value.get_string())) return false;
    }
  }
  if (const auto* all = selector->if_contains("matchExpressions"); all != nullptr && all->is_array()) {
    for (const auto& one : all->get_array()) {
      if (!one.is_object() || !requirement_matches(one.get_object(), object)) return false;
    }
  }
  return true;
}

bool labels_match(const json::object* labels, const Object& object) {
  if (labels == nullptr || labels->empty()) return false;
  return std::ranges::all_of(*labels, [&](const auto& entry) {
    return entry.value().is_string() && api::label(object, entry.key()) == std::string_view(entry.value().get_string());
  });
}

bool set_condition(json::object& status, json::object wanted, TimePoint now) {
  auto& slot = status["conditions"];
  if (!slot.is_array()) slot = json::array();
  auto& all = slot.get_array();
  const std::string type(text(wanted, "type"));
  auto* it = std::find_if(all.begin(), all.end(),
                          [&](const json::value& c) { return c.is_object() && text(c.get_object(), "type") == type; });
  const std::string stamp = api::format_time(now);
  if (it != all.end()) {
    const auto& old = it->get_object();
    const bool same_status = text(old, "status") == text(wanted, "status");
    if (same_status && text(old, "reason") == text(wanted, "reason") && text(old, "message") == text(wanted, "message"))
      return false;
    wanted["lastTransitionTime"] =
        same_status && old.contains("lastTransitionTime") ? old.at("lastTransitionTime") : json::value(stamp);
    all.erase(it);
  } else {
    wanted["lastTransitionTime"] = stamp;
  }
  all.push_back(std::move(wanted));
  return true;
}

}  // namespace sedna::cluster
