// Pods and pod templates, apart from their containers.
#include <algorithm>
#include <array>

#include "sedna/api/core_walk.hpp"
#include "sedna/api/names.hpp"
#include "sedna/api/validate_core.hpp"
#include "sedna/api/validate_metadata.hpp"

namespace sedna::api {

namespace {

constexpr std::array<std::string_view, 3> kRestartPolicies{"Always", "OnFailure", "Never"};
constexpr std::array<std::string_view, 4> kDnsPolicies{"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"};
constexpr std::array<std::string_view, 8> kHostPathTypes{
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"};

void check_word(const json::object& o, std::string_view name, std::span<const std::string_view> words,
                const std::string& path, FieldErrors& errors) {
  const auto word = text_in(o, name);
  if (!o.contains(name)) return;
  const std::string here = path + "." + std::string(name);
  if (word.empty()) {
    errors.push_back(required(here));
  } else if (std::ranges::find(words, word) == words.end()) {
    errors.push_back(not_supported(here, word, words));
  }
}

bool has_backstep(std::string_view path) {
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return false;
}

void check_volume_source(const json::object& v, const std::string& path, FieldErrors& errors) {
  std::size_t sources = 0;
  for (const auto& member : v) {
    if (member.key() == "name" || !member.value().is_object()) continue;
    if (++sources > 1) {
      errors.push_back(forbidden(path + "." + std::string(member.key()), "may not specify more than 1 volume type"));
    }
  }
  if (sources == 0) errors.push_back(required(path, "must specify a volume type"));
  if (const auto* host = object_in(v, "hostPath")) {
    const auto where = text_in(*host, "path");
    if (where.empty()) errors.push_back(required(path + ".hostPath.path"));
    if (has_backstep(where)) errors.push_back(invalid_text(path + ".hostPath.path", where, "must not contain '..'"));
    if (const auto type = text_in(*host, "type"); std::ranges::find(kHostPathTypes, type) == kHostPathTypes.end()) {
      errors.push_back(not_supported(path + ".hostPath.type", type, kHostPathTypes));
    }
  }
  if (const auto* secret = object_in(v, "secret"); secret != nullptr && text_in(*secret, "secretName").empty()) {
    errors.push_back(required(path + ".secret.secretName"));
  }
  if (const auto* config = object_in(v, "configMap"); config != nullptr && text_in(*config, "name").empty()) {
    errors.push_back(required(path + ".configMap.name"));
  }
  for (const std::string_view source : {"secret", "configMap"}) {
    const auto* o = object_in(v, source);
    if (o == nullptr) continue;
    each_in(*o, "items", path + "." + std::string(source), [&](const json::object& item, const std::string& here) {
      if (text_in(item, "key").empty()) errors.push_back(required(here + ".key"));
      const auto target = text_in(item, "path");
      if (target.empty()) {
        errors.push_back(required(here + ".path"));
      } else if (target.front() == '/') {
        errors.push_back(invalid_text(here + ".path", target, "must be a relative path"));
      } else if (has_backstep(target)) {
        errors.push_back(invalid_text(here + ".path", target, "must not contain '..'"));
      }
    });
  }
}

std::vector<std::string_view> check_volumes(const json::object& spec, const std::string& path, FieldErrors& errors) {
  std::vector<std::string_view> names;
  each_in(spec, "volumes", path, [&](const json::object& v, const std::string& here) {
    const auto name = text_in(v, "name");
    const std::size_t before = errors.size();
    check_volume_source(v, here, errors);
    if (name.empty()) {
      errors.push_back(required(here + ".name"));
    } else if (!add_invalid(errors, here + ".name", name, dns1123_label_faults(name)) &&
               std::ranges::find(names, name) != names.end()) {
      errors.push_back(duplicate(here + ".name", in_quotes(name)));
    }
    if (errors.size() == before) names.push_back(name);  // mounts of a faulty volume are not found
  });
  return names;
}

void check_tolerations(const json::object& spec, const std::string& path, FieldErrors& errors) {
  static constexpr std::array<std::string_view, 2> kOperators{"Equal", "Exists"};
  static constexpr std::array<std::string_view, 3> kEffects{"NoSchedule", "PreferNoSchedule", "NoExecute"};
  each_in(spec, "tolerations", path, [&](const json::object& t, const std::string& here) {
    const auto key = text_in(t, "key"), op = text_in(t, "operator"), effect = text_in(t, "effect");
    if (!key.empty()) {
      add_invalid(errors, here + ".key", key, qualified_name_faults(key));
    } else if (op != "Exists") {
      errors.push_back(invalid_text(here + ".operator", op,
                                    "operator must be Exists when `key` is empty, which means \"match all values and "
                                    "all keys\""));
    }
    if (op == "Exists" && !text_in(t, "value").empty()) {
      errors.push_back(
          invalid_text(here + ".operator", text_in(t, "value"), "value must be empty when `operator` is 'Exists'"));
    } else if (!op.empty() && std::ranges::find(kOperators, op) == kOperators.end()) {
      errors.push_back(not_supported(here + ".operator", op, kOperators));
    }
    if (!effect.empty() && std::ranges::find(kEffects, effect) == kEffects.end()) {
      errors.push_back(not_supported(here + ".effect", effect, kEffects));
    }
    if (t.contains("tolerationSeconds") && effect != "NoExecute") {
      errors.push_back(
          invalid_text(here + ".effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
  });
}

/// Tolerations may be added, and those that are there may get another time.
void check_added_tolerations(const json::object& next, const json::object& before, FieldErrors& errors) {
  const auto timeless = [](const json::value& v) {
    json::object o = v.is_object() ? v.get_object() : json::object();
    o.erase("tolerationSeconds");
    return o;
  };
  const auto *mine = array_in(next, "tolerations"), *theirs = array_in(before, "tolerations");
  if (theirs == nullptr) return;
  for (const auto& old : *theirs) {
    const bool kept = mine != nullptr &&
                      std::ranges::any_of(*mine, [&](const json::value& v) { return timeless(v) == timeless(old); });
    if (!kept) {
      errors.push_back(
          forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"));
      return;
    }
  }
}

}  // namespace

void validate_pod_spec(const json::object& spec, const std::string& path, FieldErrors& errors) {
  const auto volumes = check_volumes(spec, path, errors);
  std::vector<std::string_view> names;
  const auto* containers = array_in(spec, "containers");
  if (containers == nullptr || containers->empty()) errors.push_back(required(path + ".containers"));
  validate_containers(spec, "containers", path, names, volumes, errors);
  validate_containers(spec, "initContainers", path, names, volumes, errors);
  check_word(spec, "restartPolicy", kRestartPolicies, path, errors);
  check_word(spec, "dnsPolicy", kDnsPolicies, path, errors);
  if (const auto* selector = object_in(spec, "nodeSelector")) {
    validate_labels(*selector, path + ".nodeSelector", errors);
  }
  if (const auto node = text_in(spec, "nodeName"); !node.empty()) {
    add_invalid(errors, path + ".nodeName", node, dns1123_subdomain_faults(node));
  }
  if (const auto account = text_in(spec, "serviceAccountName"); !account.empty()) {
    add_invalid(errors, path + ".serviceAccountName", account, dns1123_subdomain_faults(account));
  }
  check_tolerations(spec, path, errors);
  if (const auto seconds = int_in(spec, "activeDeadlineSeconds"); seconds && *seconds < 1) {
    errors.push_back(invalid(path + ".activeDeadlineSeconds", std::to_string(*seconds),
                             "must be between 1 and 2147483647, inclusive"));
  }
  if (const auto host = text_in(spec, "hostname"); !host.empty()) {
    add_invalid(errors, path + ".hostname", host, dns1123_label_faults(host));
  }
}

void validate_pod_update(const Object& object, const Object& old, FieldErrors& errors) {
  const auto *next = object_in(object, "spec"), *before = object_in(old, "spec");
  if (next == nullptr || before == nullptr) return;
  // What may change, put back to what it was; the rest must then be the same.
  json::object comparable = *next;
  for (const std::string_view list : {"containers", "initContainers"}) {
    auto* mine = comparable.if_contains(list);
    const auto* theirs = array_in(*before, list);
    if (mine == nullptr || !mine->is_array() || theirs == nullptr || mine->get_array().size() != theirs->size())
      continue;
    for (std::size_t i = 0; i < theirs->size(); ++i) {
      auto* a = mine->get_array()[i].if_object();
      const auto* b = (*theirs)[i].if_object();
      if (a == nullptr || b == nullptr) continue;
      if (text_in(*a, "image").empty()) {
        errors.push_back(required("spec." + std::string(list) + "[" + std::to_string(i) + "].image"));
      }
      if (const auto* image = b->if_contains("image")) (*a)["image"] = *image;
    }
  }
  // In Kubernetes a Pod is bound through its binding subresource; the embedded home's scheduler sets the field.
  const bool binds = text_in(*before, "nodeName").empty();
  check_added_tolerations(*next, *before, errors);
  const bool may_end_at_once = int_in(*before, "terminationGracePeriodSeconds").value_or(0) < 0 &&
                               int_in(*next, "terminationGracePeriodSeconds") == 1;
  for (const std::string_view name : {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}) {
    if (name == "terminationGracePeriodSeconds" && !may_end_at_once) continue;
    comparable.erase(name);
    if (const auto* v = before->if_contains(name)) comparable[name] = *v;
  }
  if (binds) comparable.erase("nodeName");
  json::object reference = *before;
  if (binds) reference.erase("nodeName");
  if (comparable != reference) {
    errors.push_back(
        forbidden("spec",
                  "pod updates may not change fields other than `spec.containers[*].image`,"
                  "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
                  "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be "
                  "set to 1 if it was previously negative)"));
  }
}

}  // namespace sedna::api
