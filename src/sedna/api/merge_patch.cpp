// RFC 7386, both ways, and kubectl's three-way form of it.
#include <vector>

#include "sedna/api/patch.hpp"

namespace sedna::api {

namespace {

/// Members of `from` that `wanted` does not have become null; used for what the last apply had.
void collect_removals(const json::object& last, const json::object& wanted, const json::object& current,
                      json::object& patch) {
  for (const auto& member : last) {
    const auto* now = current.if_contains(member.key());
    if (now == nullptr) continue;
    const auto* want = wanted.if_contains(member.key());
    if (want == nullptr || want->is_null()) {
      patch[member.key()] = nullptr;
    } else if (member.value().is_object() && want->is_object() && now->is_object()) {
      json::object inner;
      if (auto* have = patch.if_contains(member.key()); have != nullptr && have->is_object()) {
        inner = have->get_object();
      }
      collect_removals(member.value().get_object(), want->get_object(), now->get_object(), inner);
      if (!inner.empty()) patch[member.key()] = std::move(inner);
    }
  }
}

/// What must be added or changed, never removed.
json::object additions(const json::object& current, const json::object& wanted) {
  json::object patch;
  for (const auto& member : wanted) {
    if (member.value().is_null()) continue;
    const auto* have = current.if_contains(member.key());
    if (have != nullptr && have->is_object() && member.value().is_object()) {
      auto inner = additions(have->get_object(), member.value().get_object());
      if (!inner.empty()) patch[member.key()] = std::move(inner);
    } else if (have == nullptr || *have != member.value()) {
      patch[member.key()] = member.value();
    }
  }
  return patch;
}

}  // namespace

void apply_merge_patch(json::value& target, const json::value& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target.emplace_object();
  json::object& into = target.get_object();
  for (const auto& member : patch.get_object()) {
    if (member.value().is_null()) {
      if (into.contains(member.key())) into.stable_erase(member.key());
    } else {
      apply_merge_patch(into[member.key()], member.value());
    }
  }
}

json::value make_merge_patch(const json::value& from, const json::value& to) {
  if (!from.is_object() || !to.is_object()) return to;
  json::object patch = additions(from.get_object(), to.get_object());
  for (const auto& member : from.get_object()) {
    const auto* want = to.get_object().if_contains(member.key());
    if (want == nullptr) {
      patch[member.key()] = nullptr;
    } else if (member.value().is_object() && want->is_object()) {
      auto inner = make_merge_patch(member.value(), *want);
      if (!inner.get_object().empty()) patch[member.key()] = std::move(inner);
    }
  }
  return patch;
}

json::value three_way_merge_patch(const json::value& last, const json::value& wanted, const json::value& current) {
  if (!wanted.is_object() || !current.is_object()) return wanted;
  json::object patch = additions(current.get_object(), wanted.get_object());
  if (last.is_object()) collect_removals(last.get_object(), wanted.get_object(), current.get_object(), patch);
  return patch;
}

}  // namespace sedna::api
