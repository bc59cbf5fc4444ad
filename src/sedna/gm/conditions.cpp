#include "sedna/gm/conditions.hpp"

#include <algorithm>

namespace sedna::gm {

namespace {

json::array::const_iterator locate(const json::array& conditions, std::string_view type) {
  return std::find_if(conditions.begin(), conditions.end(), [&](const json::value& entry) {
    return entry.is_object() && api::string_at(entry.get_object(), {"type"}) == type;
  });
}

/// Upstream's log form may hold a type several times: the newest entry stands for it, the others go.
bool drop_older(json::array& conditions, std::string_view type) {
  bool dropped = false;
  for (auto first = locate(conditions, type); first != conditions.end(); first = locate(conditions, type)) {
    const auto rest = std::find_if(first + 1, static_cast<json::array::const_iterator>(conditions.end()),
                                   [&](const json::value& entry) {
                                     return entry.is_object() && api::string_at(entry.get_object(), {"type"}) == type;
                                   });
    if (rest == conditions.end()) break;
    conditions.erase(first);
    dropped = true;
  }
  return dropped;
}

}  // namespace

const json::object* find_condition(const json::array& conditions, std::string_view type) {
  const auto it = locate(conditions, type);
  return it == conditions.end() ? nullptr : &it->get_object();
}

bool is_true(const json::array& conditions, std::string_view type) {
  const json::object* entry = find_condition(conditions, type);
  return entry != nullptr && api::string_at(*entry, {"status"}) == "True";
}

bool set_condition(json::array& conditions, const Condition& condition, std::string_view now, bool last) {
  bool changed = drop_older(conditions, condition.type);
  const std::string_view status = condition.status ? "True" : "False";
  const auto it = locate(conditions, condition.type);
  if (it == conditions.end()) {
    json::object entry{
        {"type", condition.type}, {"status", status}, {"lastHeartbeatTime", now}, {"lastTransitionTime", now}};
    if (!condition.reason.empty()) entry["reason"] = condition.reason;
    if (!condition.message.empty()) entry["message"] = condition.message;
    conditions.push_back(std::move(entry));
    return true;
  }
  json::object entry = it->get_object();
  const bool flipped = api::string_at(entry, {"status"}) != status;
  const bool told =
      api::string_at(entry, {"reason"}) != condition.reason || api::string_at(entry, {"message"}) != condition.message;
  const bool moved = last && it + 1 != conditions.end();
  if (!flipped && !told && !moved) return changed;
  if (flipped) {
    entry["status"] = status;
    entry["lastTransitionTime"] = now;
  }
  if (flipped || told) entry["lastHeartbeatTime"] = now;
  for (const auto& [key, text] : {std::pair<std::string_view, const std::string&>{"reason", condition.reason},
                                  std::pair<std::string_view, const std::string&>{"message", condition.message}}) {
    if (text.empty()) {
      entry.erase(key);
    } else {
      entry[key] = text;
    }
  }
  if (moved) {
    conditions.erase(it);
    conditions.push_back(std::move(entry));
  } else {
    conditions[static_cast<std::size_t>(it - conditions.begin())] = std::move(entry);
  }
  return true;
}

}  // namespace sedna::gm
