#include "sedna/cli/apply.hpp"

#include <algorithm>
#include <map>

#include "sedna/cli/targets.hpp"
#include "sedna/json/json.hpp"

namespace sedna::cli {
namespace {

/// Everything that `wanted` says is so in `present`; objects may have more members there.
bool covers(const json::value& present, const json::value& wanted) {
  if (wanted.is_object()) {
    if (!present.is_object()) return false;
    for (const auto& [key, value] : wanted.as_object()) {
      const json::value* there = present.as_object().if_contains(key);
      if (there == nullptr ? !value.is_null() : !covers(*there, value)) return false;
    }
    return true;
  }
  if (wanted.is_array()) {
    if (!present.is_array() || present.as_array().size() != wanted.as_array().size()) return false;
    for (std::size_t i = 0; i < wanted.as_array().size(); ++i) {
      if (!covers(present.as_array()[i], wanted.as_array()[i])) return false;
    }
    return true;
  }
  if (wanted.is_number() && present.is_number()) {  // 1 and 1.0 are the same to the server
    return wanted == present || wanted.to_number<double>() == present.to_number<double>();
  }
  return wanted == present;
}

/// `present` still has something that `before` said and `wanted` no longer says.
bool keeps_removed(const json::value& before, const json::value& wanted, const json::value& present) {
  if (before.is_array() && wanted.is_array() && present.is_array()) {
    const std::size_t n = std::min({before.as_array().size(), wanted.as_array().size(), present.as_array().size()});
    for (std::size_t i = 0; i < n; ++i) {
      if (keeps_removed(before.as_array()[i], wanted.as_array()[i], present.as_array()[i])) return true;
    }
    return false;
  }
  if (!before.is_object() || !wanted.is_object() || !present.is_object()) return false;
  for (const auto& [key, value] : before.as_object()) {
    const json::value* there = present.as_object().if_contains(key);
    if (there == nullptr) continue;
    const json::value* now = wanted.as_object().if_contains(key);
    if (now == nullptr || keeps_removed(value, *now, *there)) return true;
  }
  return false;
}

void add_changes(json::object& patch, const json::object* original, const json::object& modified,
                 const json::object& current) {
  for (const auto& [key, value] : modified) {
    const json::value* before = original != nullptr ? original->if_contains(key) : nullptr;
    const json::value* present = current.if_contains(key);
    if (value.is_null()) {
      if (present != nullptr) patch[key] = nullptr;
      continue;
    }
    if (present == nullptr) {
      patch[key] = value;
      continue;
    }
    if (value.is_object() && present->is_object()) {
      json::object below;
      add_changes(below, before != nullptr && before->is_object() ? &before->as_object() : nullptr, value.as_object(),
                  present->as_object());
      if (!below.empty()) patch[key] = std::move(below);
      continue;
    }
    const bool same = covers(*present, value) && (before == nullptr || !keeps_removed(*before, value, *present));
    if (!same) patch[key] = value;
  }
  if (original == nullptr) return;
  for (const auto& [key, value] : *original) {
    if (!modified.contains(key) && current.contains(key)) patch[key] = nullptr;
  }
}

json::value sorted(const json::value& v) {
  if (v.is_array()) {
    json::array out;
    for (const auto& e : v.as_array()) out.push_back(sorted(e));
    return out;
  }
  if (!v.is_object()) return v;
  std::map<std::string_view, const json::value*> keys;
  for (const auto& [key, value] : v.as_object()) keys.emplace(key, &value);
  json::object out;
  for (const auto& [key, value] : keys) out.emplace(key, sorted(*value));
  return out;
}

bool holds_list(const json::value& v) {
  if (v.is_array()) return true;
  if (!v.is_object()) return false;
  return std::any_of(v.as_object().begin(), v.as_object().end(), [](const auto& m) { return holds_list(m.value()); });
}

store::Status invalid(std::string message) {
  store::Status status;
  status.code = 400;
  status.reason = "BadRequest";
  status.message = std::move(message);
  return status;
}

store::WriteOptions write_options(const ApplyOptions& options, std::vector<std::string>& warnings) {
  store::WriteOptions out;
  out.dry_run = options.dry_run == ApplyOptions::DryRun::kServer;
  out.field_validation = options.field_validation;
  out.field_manager = "sedna-apply";
  out.warnings = &warnings;
  return out;
}

json::object last_applied_of(const api::Object& current) {
  const auto text = api::annotation(current, kLastApplied);
  if (!text) return {};
  auto parsed = json::parse(*text);
  // An annotation that someone spoiled is as good as none: nothing is removed, everything wanted is set.
  if (!parsed || !parsed->is_object()) return {};
  return std::move(parsed->as_object());
}

}  // namespace

json::object three_way_merge_patch(const json::object& original, const json::object& modified,
                                   const json::object& current) {
  json::object patch;
  add_changes(patch, &original, modified, current);
  return patch;
}

std::string last_applied_text(const api::Object& document) {
  api::Object copy = document;
  json::object& annotations = api::make_object(copy, {"metadata", "annotations"});
  annotations.erase(kLastApplied);
  return json::write(sorted(copy)) + "\n";
}

std::string_view word_of(Applied applied) {
  switch (applied) {
    case Applied::kCreated:
      return "created";
    case Applied::kConfigured:
      return "configured";
    case Applied::kUnchanged:
      break;
  }
  return "unchanged";
}

store::Outcome<ApplyResult> apply(Cluster& cluster, const Manifest& manifest, const ApplyOptions& options) {
  const api::Object& document = manifest.object;
  const api::Kind* kind = resolve_kind(cluster, api::api_version_of(document), api::kind_of(document));
  if (kind == nullptr) {
    return invalid("the server knows no kind " + std::string(api::kind_of(document)) + " of " +
                   std::string(api::api_version_of(document)) + "; `sedna explain` lists those it knows");
  }
  const std::string name(api::name_of(document));
  if (name.empty()) return invalid("metadata.name: is missing; apply needs one to find the object again");
  api::Object modified = document;
  std::string ns;
  if (kind->namespaced) {
    ns = api::namespace_of(document);
    if (!ns.empty() && options.ns_given && ns != options.ns) {
      return invalid("metadata.namespace: is '" + ns + "', but -n says '" + options.ns +
                     "'; leave one of the two away, or make them equal");
    }
    if (ns.empty()) ns = options.ns;
    api::make_object(modified, {"metadata"})["namespace"] = ns;
  }
  const std::string annotation = last_applied_text(modified);
  api::make_object(modified, {"metadata", "annotations"})[kLastApplied] = annotation;
  modified.erase("status");

  ApplyResult result;
  const store::WriteOptions write = write_options(options, result.warnings);
  constexpr int kTries = 5;  // others write, too: the controllers' status makes new versions all the time
  for (int attempt = 1;; ++attempt) {
    auto current = cluster.api().get(*kind, ns, name);
    if (!current && !current.status().is_not_found()) return current.status();
    if (!current) {
      result.applied = Applied::kCreated;
      if (options.dry_run == ApplyOptions::DryRun::kClient) {
        result.object = std::move(modified);
        return result;
      }
      auto created = cluster.api().create(*kind, modified, write);
      if (!created && created.status().already_exists() && attempt < kTries) continue;
      if (!created) return created.status();
      result.object = std::move(*created);
      return result;
    }
    if (api::is_deleting(*current)) {
      return invalid(qualified_name(*kind, name) + " is being deleted; wait until it is gone, then apply again");
    }
    json::object patch = three_way_merge_patch(last_applied_of(*current), modified, *current);
    if (patch.empty()) {
      result.applied = Applied::kUnchanged;
      result.object = std::move(*current);
      return result;
    }
    result.applied = Applied::kConfigured;
    if (options.dry_run == ApplyOptions::DryRun::kClient) {
      result.object = std::move(modified);
      return result;
    }
    const store::MergePatch body = holds_list(patch)
                                       ? store::MergePatch(std::move(patch), api::resource_version_of(*current))
                                       : store::MergePatch(std::move(patch));
    auto patched = cluster.api().merge_patch(*kind, ns, name, body, write);
    if (!patched && (patched.status().is_conflict() || patched.status().is_not_found()) && attempt < kTries) continue;
    if (!patched) return patched.status();
    result.object = std::move(*patched);
    return result;
  }
}

std::string explain_failure(const store::Status& status) {
  std::string out = status.message;
  if (status.causes.size() < 2) return out;  // one cause is in the message
  for (const auto& cause : status.causes) {
    out += "\n    ";
    if (!cause.field.empty()) out += cause.field + ": ";
    out += cause.message;
  }
  return out;
}

}  // namespace sedna::cli
