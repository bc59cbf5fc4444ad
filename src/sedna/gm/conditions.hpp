// The conditions of services: one entry per type, True or False, the one that describes the service now moved last
// (upstream's tools read the last, kubectl wait the first of a type).
#pragma once

#include <string>
#include <string_view>

#include "sedna/api/object.hpp"

namespace sedna::gm {

struct Condition {
  Condition() {}
  Condition(std::string t, bool s, std::string r, std::string m)
      : type(std::move(t)), status(s), reason(std::move(r)), message(std::move(m)) {}
  std::string type;
  bool status = true;
  std::string reason;
  std::string message;
};

/// The entry of the type, or null.
const json::object* find_condition(const json::array& conditions, std::string_view type);
/// True when the entry exists with status "True".
bool is_true(const json::array& conditions, std::string_view type);

/// Sets the entry of the type; `last`: moves it to the end. lastTransitionTime changes with the status,
/// lastHeartbeatTime with anything. False when nothing changed (then no time did either).
bool set_condition(json::array& conditions, const Condition& condition, std::string_view now, bool last);

}  // namespace sedna::gm
