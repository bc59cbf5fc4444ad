#include "sedna/store/embedded/strategy.hpp"

#include <algorithm>
#include <array>

#include "sedna/api/field_error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/store/embedded/kind_strategy.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {
namespace {

namespace kinds = api::kinds;

json::object& metadata_of(Object& object) {
  return api::make_object(object, {"metadata"});
}

std::string new_uid() {
  std::string hex = random_hex(16);
  hex[12] = '4';
  hex[16] = "89ab"[(hex[16] >= 'a' ? hex[16] - 'a' + 10 : hex[16] - '0') & 3];
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

/// Takes over or removes a member as `old` has it.
void keep(json::object& next, const json::object& old, std::string_view name) {
  if (const json::value* v = old.if_contains(name)) {
    next[name] = *v;
  } else {
    next.erase(name);
  }
}

bool has_finalizers(const Object& object) {
  const json::array* list = api::array_at(object, {"metadata", "finalizers"});
  return list != nullptr && !list->empty();
}

/// Anything but metadata, status and the type changed.
bool desired_state_differs(const Object& a, const Object& b) {
  const auto covers = [](const Object& x, const Object& y) {
    return std::all_of(x.begin(), x.end(), [&y](const auto& member) {
      const std::string_view key = member.key();
      if (key == "metadata" || key == "status" || key == "apiVersion" || key == "kind") return true;
      const json::value* other = y.if_contains(key);
      return other != nullptr && *other == member.value();
    });
  };
  return !covers(a, b) || !covers(b, a);
}

/// What a controller has to look at again. Of a Deployment Kubernetes counts the annotations, too.
bool generation_rises(const Kind& kind, const Object& old, const Object& next) {
  if (desired_state_differs(old, next)) return true;
  if (&kind != &kinds::kDeployment) return false;
  static const json::object kNone;
  const json::object* before = api::object_at(old, {"metadata", "annotations"});
  const json::object* after = api::object_at(next, {"metadata", "annotations"});
  return (before == nullptr ? kNone : *before) != (after == nullptr ? kNone : *after);
}

std::optional<Status> refuse_new_finalizers(const Kind& kind, const Object& old, const Object& next) {
  if (!api::is_deleting(old)) return std::nullopt;
  const json::array* before = api::array_at(old, {"metadata", "finalizers"});
  const json::array* after = api::array_at(next, {"metadata", "finalizers"});
  std::vector<std::string> extra;
  if (after != nullptr) {
    for (const json::value& entry : *after) {
      const bool known = before != nullptr && std::find(before->begin(), before->end(), entry) != before->end();
      if (!known && entry.is_string()) extra.emplace_back(entry.get_string());
    }
  }
  if (extra.empty()) return std::nullopt;
  std::sort(extra.begin(), extra.end());
  std::string list;
  for (const std::string& name : extra) list += (list.empty() ? "" : ", ") + api::in_quotes(name);
  const auto error = api::forbidden("metadata.finalizers",
                                    "no new finalizers can be added if the object is being deleted, found new "
                                    "finalizers []string{" +
                                        list + "}");
  return statuses::invalid(kind, api::name_of(next), {error});
}

void raise_generation(Object& object) {
  const std::int64_t generation = api::generation_of(object);
  if (generation > 0) metadata_of(object)["generation"] = generation + 1;
}

}  // namespace

std::string generated_name(std::string_view base) {
  // As Kubernetes: five letters that make no words, after at most 58 characters.
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string name(base.substr(0, 58));
  auto& random = thread_random();
  for (int i = 0; i < 5; ++i) name += kLetters[random() % kLetters.size()];
  return name;
}

void prepare_create(const Kind& kind, Object& object, Time now) {
  json::object& metadata = metadata_of(object);
  for (const char* name :
       {"resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"}) {
    metadata.erase(name);
  }
  metadata["uid"] = new_uid();
  metadata["creationTimestamp"] = api::format_time(now);
  if (kind.has_generation) metadata["generation"] = 1;  // for the others Kubernetes keeps what was sent
  reset_status(kind, object);
}

bool allows_unconditional_update(const Kind& kind) {
  return kind.group != "sedna.io" && &kind != &kinds::kLease;
}

bool allows_create_on_update(const Kind& kind) {
  return &kind == &kinds::kLease || &kind == &kinds::kEvent || &kind == &kinds::kService;
}

std::optional<Status> prepare_update(const Kind& kind, Part part, const Object& old, Object& next) {
  const std::string name(api::name_of(old));
  if (part == Part::kStatus) {
    // Only the status counts; everything else stays as it is.
    json::value status = next.contains("status") ? next["status"] : json::value();
    next = old;
    if (status.is_null()) {
      next.erase("status");
    } else {
      next["status"] = std::move(status);
    }
    return std::nullopt;
  }
  json::object& metadata = metadata_of(next);
  const json::object& before = *api::object_at(old, {"metadata"});
  if (const std::string_view uid = api::uid_of(next); !uid.empty() && uid != api::uid_of(old)) {
    return statuses::invalid(kind, name, {api::invalid_text("metadata.uid", uid, "field is immutable")});
  }
  for (const char* field : {"name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp",
                            "deletionGracePeriodSeconds", "resourceVersion", "generateName"}) {
    if (std::string_view(field) == "generateName" && metadata.contains(field)) continue;
    keep(metadata, before, field);
  }
  metadata.erase("selfLink");
  metadata.erase("managedFields");
  if (kind.has_status) keep(next, old, "status");
  if (auto refused = refuse_new_finalizers(kind, old, next)) return refused;
  keep_fixed_fields(kind, old, next);
  if (kind.has_generation && generation_rises(kind, old, next)) raise_generation(next);
  return std::nullopt;
}

bool gone_after_update(const Kind& kind, const Object& next) {
  if (!api::is_deleting(next) || has_finalizers(next)) return false;
  if (&kind == &kinds::kNamespace) {
    const json::array* list = api::array_at(next, {"spec", "finalizers"});
    return list == nullptr || list->empty();
  }
  return api::int_at(next, {"metadata", "deletionGracePeriodSeconds"}, 0) == 0;
}

Outcome<Removal> prepare_delete(const Kind& kind, Object& object, const DeleteOptions& options, Time now) {
  const std::string name(api::name_of(object));
  if (options.propagation != DeleteOptions::Propagation::kBackground) {
    return statuses::bad_request(
        "propagationPolicy Foreground and Orphan are not available on the embedded API server; use Background (the "
        "default): what the object owns is removed after it");
  }
  // Of preconditions Kubernetes speaks with the kind's name and not the resource's.
  const auto unmet = [&kind, &name](std::string_view why) {
    Status status = statuses::conflict(kind, name, why);
    const std::string resource = statuses::resource_name(kind);
    status.kind = kind.kind;
    status.message.replace(status.message.find(resource), resource.size(),
                           std::string(kind.kind) + (kind.group.empty() ? "" : "." + std::string(kind.group)));
    return status;
  };
  if (!options.uid.empty() && options.uid != api::uid_of(object)) {
    return unmet("the UID in the precondition (" + options.uid + ") does not match the UID in record (" +
                 std::string(api::uid_of(object)) + "). The object might have been deleted and then recreated");
  }
  const std::string_view version = api::resource_version_of(object);
  if (!options.resource_version.empty() && options.resource_version != version) {
    return unmet("the ResourceVersion in the precondition (" + options.resource_version +
                 ") does not match the ResourceVersion in record (" + std::string(version) +
                 "). The object might have been modified");
  }
  if (&kind == &kinds::kNamespace) return prepare_namespace_delete(object, now);
  json::object& metadata = metadata_of(object);
  const bool deleting = api::is_deleting(object);
  const bool waits = has_finalizers(object);
  if (&kind == &kinds::kPod) {
    const std::int64_t left = api::int_at(object, {"metadata", "deletionGracePeriodSeconds"}, 0);
    if (!deleting) {
      const std::int64_t grace = pod_grace(object, options.grace_period_seconds);
      metadata["deletionTimestamp"] = api::format_time(now + std::chrono::seconds(grace));
      metadata["deletionGracePeriodSeconds"] = grace;
      raise_generation(object);
      return grace > 0 || waits ? Removal::kMark : Removal::kNow;
    }
    if (left > 0) {
      // Under way: only a shorter time is taken.
      if (!options.grace_period_seconds) return Removal::kWait;
      std::int64_t grace = *options.grace_period_seconds < 0 ? 1 : *options.grace_period_seconds;
      if (grace >= left) return Removal::kWait;
      const auto end = api::parse_time(api::string_at(object, {"metadata", "deletionTimestamp"})).value_or(now);
      Time moved = end - std::chrono::seconds(left) + std::chrono::seconds(grace);
      if (moved < now) {
        moved = now;
        grace = grace != 0 ? 1 : 0;
      }
      metadata["deletionTimestamp"] = api::format_time(moved);
      metadata["deletionGracePeriodSeconds"] = grace;
      return grace > 0 || waits ? Removal::kMark : Removal::kNow;
    }
  }
  if (!waits) return Removal::kNow;
  if (deleting) return Removal::kWait;
  metadata["deletionTimestamp"] = api::format_time(now);
  metadata["deletionGracePeriodSeconds"] = 0;
  raise_generation(object);
  return Removal::kMark;
}

}  // namespace sedna::store::embedded
