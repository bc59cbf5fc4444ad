// Whether an object already says what we want it to say. Internal to node.
#pragma once

#include "sedna/json/json.hpp"

namespace sedna::node {

/// Everything in `wanted` is in `have` with the same value. null and absent are the same; lists must be equal in length
/// and order; members of `have` that `wanted` does not name do not matter within lists' objects, and at the top only
/// those that Kubernetes keeps (qosClass and the like).
inline bool covers(const json::value& have, const json::value& wanted) {
  if (wanted.is_object()) {
    if (wanted.get_object().empty() && (have.is_null() || (have.is_object() && have.get_object().empty()))) return true;
    if (!have.is_object()) return false;
    for (const auto& member : wanted.get_object()) {
      const auto* v = have.get_object().if_contains(member.key());
      static const json::value kNull;
      if (!covers(v == nullptr ? kNull : *v, member.value())) return false;
    }
    // State is one of three: what is no longer wanted must go.
    for (const char* name : {"waiting", "running", "terminated", "reason", "message"}) {
      if (have.get_object().contains(name) && !wanted.get_object().contains(name)) return false;
    }
    return true;
  }
  if (wanted.is_array()) {
    if (!have.is_array() || have.get_array().size() != wanted.get_array().size()) return false;
    for (std::size_t i = 0; i < wanted.get_array().size(); ++i) {
      if (!covers(have.get_array()[i], wanted.get_array()[i])) return false;
    }
    return true;
  }
  if (wanted.is_bool() && !wanted.get_bool() && have.is_null()) return true;  // false may be left out
  if (wanted.is_string() && wanted.get_string().empty() && have.is_null()) return true;
  return have == wanted;
}

inline bool covers(const json::object& have, const json::object& wanted) {
  return covers(json::value(have), json::value(wanted));
}

}  // namespace sedna::node
