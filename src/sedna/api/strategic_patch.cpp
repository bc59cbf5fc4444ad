// Kubernetes' strategic merge patch (k8s.io/apimachinery, util/strategicpatch): objects merge, lists merge by the key
// that the schema names, directives in the patch say the rest.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "sedna/api/field_error.hpp"
#include "sedna/api/patch.hpp"
#include "sedna/api/schema.hpp"

namespace sedna::api {

namespace {

constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDeletePrimitives = "$deleteFromPrimitiveList/";

struct Fault {
  std::string message;
};

bool merges(const Schema* s) {
  return s != nullptr && (s->patch_strategy == Schema::PatchStrategy::kMerge ||
                          s->patch_strategy == Schema::PatchStrategy::kMergeRetainKeys);
}

const Schema* below(const Schema* s, std::string_view name) {
  if (s == nullptr) return nullptr;
  const Property* p = s->find(name);
  return p != nullptr ? p->schema : s->values;
}

std::string_view directive(const json::object& o) {
  const auto* v = o.if_contains("$patch");
  return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

/// Two elements of a merging list are the same one.
bool same_element(const json::value& a, const json::value& b, const std::string& key) {
  if (key.empty() || !a.is_object() || !b.is_object()) return a == b;
  const auto* x = a.get_object().if_contains(key);
  const auto* y = b.get_object().if_contains(key);
  return x != nullptr && y != nullptr && *x == *y;
}

std::optional<std::size_t> position(const json::array& list, const json::value& element, const std::string& key) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (same_element(list[i], element, key)) return i;
  }
  return std::nullopt;
}

/// `wanted` in the order in which its elements are in `order` (those not in it stay at the end).
json::array sorted_by(const json::array& wanted, const json::array& order, const std::string& key) {
  std::vector<std::pair<std::size_t, std::size_t>> places;  // where it belongs, which one it is
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    places.emplace_back(position(order, wanted[i], key).value_or(order.size()), i);
  }
  std::ranges::sort(places);
  json::array out;
  for (const auto& [place, i] : places) out.push_back(wanted[i]);
  return out;
}

/// Puts the elements that only the server has between those of the patch, by where they stood.
json::array interleave(const json::array& server_only, const json::array& patched, const json::array& live,
                       const std::string& key) {
  json::array out;
  std::size_t i = 0, j = 0;
  while (i < server_only.size() || j < patched.size()) {
    bool take_server = j >= patched.size();
    if (i < server_only.size() && j < patched.size()) {
      const auto a = position(live, server_only[i], key), b = position(live, patched[j], key);
      take_server = a && b && *a < *b;
    }
    out.push_back(take_server ? server_only[i++] : patched[j++]);
  }
  return out;
}

/// What the patch holds must stand in $setElementOrder, in the same order.
void check_order(const json::array& wanted, const json::array& order, const std::string& key) {
  std::size_t next = 0;
  for (const auto& item : wanted) {
    const auto at = position(order, item, key);
    if (!at || *at < next) {
      throw Fault{"The order in patch list:\n" + json::write(wanted) + "\n doesn't match $setElementOrder list:\n" +
                  json::write(order) + "\n"};
    }
    next = *at;
  }
}

json::value merge_value(const json::value* target, const json::value& patch, const Schema* schema);

json::value merge_object(const json::object* target, const json::object& patch, const Schema* schema);

/// An element that the target does not have: what the patch would make of nothing.
json::value without_directives(const json::value& v, const Schema* schema) {
  return merge_value(nullptr, v, schema);
}

json::array merge_list(const json::array& target, const json::array& patch, const Schema& schema,
                       const json::array* order) {
  const std::string& key = schema.merge_key;
  json::array merged = target;
  json::array wanted;  // the elements of the patch that are no directives
  bool replace = false;
  for (const auto& item : patch) {
    const auto* object = item.if_object();
    const std::string_view what = object == nullptr ? std::string_view() : directive(*object);
    if (what == "replace") {
      replace = true;  // what else stands beside the directive is passed over, as Kubernetes does
    } else if (what == "delete") {
      if (!object->contains(key)) throw Fault{"delete patch type with no merge key defined"};
      json::array kept;
      for (const auto& have : merged) {
        if (!same_element(have, item, key)) kept.push_back(have);
      }
      merged = std::move(kept);
    } else {
      if (object != nullptr && !key.empty() && !object->contains(key)) {
        throw Fault{"map: " + json::write(item) + " does not contain declared merge key: " + key};
      }
      wanted.push_back(item);
    }
  }
  if (replace) return wanted;
  if (order != nullptr) check_order(wanted, *order, key);
  for (const auto& item : wanted) {
    const auto at = position(merged, item, key);
    if (!at) {
      merged.push_back(without_directives(item, schema.items));
    } else if (item.is_object()) {
      merged[*at] = merge_value(&merged[*at], item, schema.items);
    }
  }
  const json::array& patch_order = order != nullptr ? *order : wanted;
  json::array patched, server_only;
  for (const auto& have : merged) (position(patch_order, have, key) ? patched : server_only).push_back(have);
  return interleave(sorted_by(server_only, target, key), sorted_by(patched, patch_order, key), target, key);
}

const json::array* list_directive(const json::object& patch, std::string_view prefix, std::string_view name) {
  const auto* v = patch.if_contains(std::string(prefix).append(name));
  if (v == nullptr) return nullptr;
  if (!v->is_array()) throw Fault{std::string(prefix).append(name) + " must be a list"};
  return &v->get_array();
}

void retain_keys(json::object& target, const json::object& patch) {
  const auto* v = patch.if_contains("$retainKeys");
  if (v == nullptr) return;
  if (!v->is_array()) throw Fault{"$retainKeys must be a list"};
  const auto listed = [&](std::string_view name) {
    return std::ranges::any_of(v->get_array(), [&](const json::value& k) {
      return k.is_string() && std::string_view(k.get_string()) == name;
    });
  };
  for (const auto& member : patch) {
    if (!member.key().starts_with("$") && !member.value().is_null() && !listed(member.key())) {
      throw Fault{"patch contains " + in_quotes(member.key()) + ", which is not in its $retainKeys"};
    }
  }
  std::vector<std::string> gone;
  for (const auto& member : target) {
    if (!listed(member.key())) gone.emplace_back(member.key());
  }
  for (const auto& name : gone) target.stable_erase(name);
}

/// Lists that only a directive names: to be put in another order, or to lose texts.
void list_directives(json::object& target, const json::object& patch, const Schema* schema) {
  for (const auto& member : patch) {
    const std::string_view name = member.key();
    if (name.starts_with(kDeletePrimitives)) {
      const auto list = name.substr(kDeletePrimitives.size());
      const json::array& gone = *list_directive(patch, kDeletePrimitives, list);
      auto* have = target.if_contains(list);
      if (have == nullptr || !have->is_array()) continue;
      json::array kept;
      for (const auto& item : have->get_array()) {
        if (!position(gone, item, {})) kept.push_back(item);
      }
      *have = std::move(kept);
    } else if (name.starts_with(kOrder)) {
      const auto list = name.substr(kOrder.size());
      const Schema* s = below(schema, list);
      auto* have = target.if_contains(list);
      if (patch.contains(list) || !merges(s) || have == nullptr || !have->is_array()) continue;
      *have = merge_list(have->get_array(), {}, *s, list_directive(patch, kOrder, list));
    } else if (name.starts_with("$") && name != "$patch" && name != "$retainKeys") {
      throw Fault{"unknown directive " + in_quotes(name)};
    }
  }
}

json::value merge_object(const json::object* target, const json::object& patch, const Schema* schema) {
  const std::string_view what = directive(patch);
  json::object out;
  if (what == "delete") return out;
  if (!what.empty() && what != "replace" && what != "merge") throw Fault{"Unknown patch type: " + std::string(what)};
  if (what != "replace" && target != nullptr) out = *target;
  retain_keys(out, patch);
  list_directives(out, patch, schema);
  for (const auto& member : patch) {
    const std::string_view name = member.key();
    if (name.starts_with("$")) continue;
    if (member.value().is_null()) {
      if (out.contains(name)) out.stable_erase(name);
      continue;
    }
    const Schema* s = below(schema, name);
    const auto* have = out.if_contains(name);
    if (member.value().is_array() && merges(s)) {
      const json::array empty;
      const json::array& base = have != nullptr && have->is_array() ? have->get_array() : empty;
      out[name] = merge_list(base, member.value().get_array(), *s, list_directive(patch, kOrder, name));
    } else {
      out[name] = merge_value(have, member.value(), s);
    }
  }
  return out;
}

json::value merge_value(const json::value* target, const json::value& patch, const Schema* schema) {
  if (!patch.is_object()) return patch;
  return merge_object(target != nullptr ? target->if_object() : nullptr, patch.get_object(), schema);
}

}  // namespace

Result<json::value> apply_strategic_merge_patch(const json::value& target, const json::value& patch,
                                                const Schema& schema) {
  if (!patch.is_object()) return Error(ErrorCode::kInvalidArgument, "a strategic merge patch is an object");
  try {
    return merge_value(&target, patch, &schema);
  } catch (const Fault& fault) {
    return Error(ErrorCode::kInvalidArgument, fault.message);
  }
}

}  // namespace sedna::api
