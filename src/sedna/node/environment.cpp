#include "sedna/node/environment.hpp"

#include <algorithm>

#include "sedna/api/quantity.hpp"

namespace sedna::node {

namespace {

std::string_view text(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr || !v->is_string()) return {};
  return v->get_string();
}

bool flag(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_bool() && v->get_bool();
}

void set(Environment& env, std::string_view name, std::string value) {
  const auto it = std::ranges::find_if(env, [&](const auto& entry) { return entry.first == name; });
  if (it != env.end()) {
    it->second = std::move(value);
  } else {
    env.emplace_back(std::string(name), std::move(value));
  }
}

/// "metadata.labels['key']" → key.
std::optional<std::string_view> subscript(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix) || !path.ends_with("']")) return std::nullopt;
  path.remove_prefix(prefix.size());
  if (!path.starts_with("['")) return std::nullopt;
  return path.substr(2, path.size() - 4);
}

/// `what`: "configmap" or "secret", as Kubernetes' messages say.
Result<std::optional<std::string>> key_value(const json::object& reference, Source source, const std::string& ns,
                                             const DataLookup& lookup) {
  const std::string name(text(reference, "name")), key(text(reference, "key"));
  const bool optional = flag(reference, "optional");
  const std::string what = source == Source::kSecret ? "secret" : "configmap";
  auto data = lookup(source, name);
  if (!data) return data.error();
  if (!*data) {
    if (optional) return std::optional<std::string>();
    return Error(ErrorCode::kNotFound, what + " \"" + name + "\" not found");
  }
  for (auto& [k, v] : **data) {
    if (k == key) return std::optional<std::string>(std::move(v));
  }
  if (optional) return std::optional<std::string>();
  return Error(ErrorCode::kNotFound, "couldn't find key " + key + " in " +
                                         (source == Source::kSecret ? "Secret " : "ConfigMap ") + ns + "/" + name);
}

Result<void> add_from(Environment& env, const json::object& entry, const DataLookup& lookup) {
  for (const auto& [member, source] : {std::pair("configMapRef", Source::kConfigMap), {"secretRef", Source::kSecret}}) {
    const auto* reference = entry.if_contains(member);
    if (reference == nullptr || !reference->is_object()) continue;
    const std::string name(text(reference->get_object(), "name"));
    auto data = lookup(source, name);
    if (!data) return data.error();
    if (!*data) {
      if (flag(reference->get_object(), "optional")) continue;
      return Error(ErrorCode::kNotFound,
                   std::string(source == Source::kSecret ? "secret" : "configmap") + " \"" + name + "\" not found");
    }
    for (auto& [key, value] : **data) set(env, std::string(text(entry, "prefix")) + key, std::move(value));
  }
  return {};
}

Result<std::optional<std::string>> value_from(const api::Object& pod, const json::object& container,
                                              const json::object& from, const PodFacts& facts,
                                              const DataLookup& lookup) {
  const auto wrap = [](Result<std::string> r) -> Result<std::optional<std::string>> {
    if (!r) return r.error();
    return std::optional<std::string>(std::move(*r));
  };
  if (const auto* f = from.if_contains("fieldRef"); f != nullptr && f->is_object())
    return wrap(field_value(pod, text(f->get_object(), "fieldPath"), facts));
  if (const auto* f = from.if_contains("resourceFieldRef"); f != nullptr && f->is_object())
    return wrap(resource_value(container, text(f->get_object(), "resource"), text(f->get_object(), "divisor"), facts));
  const std::string ns(api::namespace_of(pod));
  if (const auto* f = from.if_contains("configMapKeyRef"); f != nullptr && f->is_object())
    return key_value(f->get_object(), Source::kConfigMap, ns, lookup);
  if (const auto* f = from.if_contains("secretKeyRef"); f != nullptr && f->is_object())
    return key_value(f->get_object(), Source::kSecret, ns, lookup);
  return Error(ErrorCode::kInvalidArgument, "valueFrom names no source");
}

}  // namespace

std::string expand(std::string_view in, const Environment& values) {
  std::string out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] != '$' || i + 1 >= in.size()) {
      out += in[i];
      continue;
    }
    if (in[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const auto end = in[i + 1] == '(' ? in.find(')', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += '$';
      continue;
    }
    const auto name = in.substr(i + 2, end - i - 2);
    const auto it = std::ranges::find_if(values, [&](const auto& entry) { return entry.first == name; });
    out += it != values.end() ? std::string_view(it->second) : in.substr(i, end - i + 1);
    i = end;
  }
  return out;
}

Result<std::string> field_value(const api::Object& pod, std::string_view path, const PodFacts& facts) {
  if (path == "metadata.name") return std::string(api::name_of(pod));
  if (path == "metadata.namespace") return std::string(api::namespace_of(pod));
  if (path == "metadata.uid") return std::string(api::uid_of(pod));
  if (path == "spec.nodeName") return facts.node_name;
  if (path == "spec.serviceAccountName")
    return std::string(api::string_at(pod, {"spec", "serviceAccountName"}, "default"));
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.host_ip;
  if (path == "status.podIP" || path == "status.podIPs") return facts.pod_ip;
  if (const auto key = subscript(path, "metadata.labels")) return std::string(api::label(pod, *key).value_or(""));
  if (const auto key = subscript(path, "metadata.annotations"))
    return std::string(api::annotation(pod, *key).value_or(""));
  for (const auto* which : {"labels", "annotations"}) {
    if (path != "metadata." + std::string(which)) continue;
    std::string out;
    if (const auto* all = api::object_at(pod, {"metadata", which})) {
      std::vector<std::string> lines;
      for (const auto& entry : *all) {
        std::string quoted;
        json::append_string(quoted, entry.value().is_string() ? std::string_view(entry.value().get_string()) : "");
        lines.push_back(std::string(entry.key()) + "=" + quoted);
      }
      std::ranges::sort(lines);
      for (const auto& line : lines) out += (out.empty() ? "" : "\n") + line;
    }
    return out;
  }
  return Error(ErrorCode::kInvalidArgument, "unsupported fieldPath: " + std::string(path));
}

Result<std::string> resource_value(const json::object& container, std::string_view resource, std::string_view divisor,
                                   const PodFacts& facts) {
  const auto dot = resource.find('.');
  const auto side = resource.substr(0, dot);
  const auto name = dot == std::string_view::npos ? std::string_view() : resource.substr(dot + 1);
  if ((side != "limits" && side != "requests") || name.empty())
    return Error(ErrorCode::kInvalidArgument, "unsupported container resource: " + std::string(resource));
  std::optional<std::int64_t> millis;
  const auto* set = api::object_at(container, {"resources", side});
  if (const auto* v = set == nullptr ? nullptr : set->if_contains(name)) {
    if (const auto quantity = api::Quantity::from_json(*v)) millis = quantity->milli_value();
  }
  if (!millis) {
    if (side == "requests") return std::string("0");
    millis = name == "cpu" ? facts.node_cpu_millis : name == "memory" ? facts.node_memory * 1000 : 0;
  }
  const auto given = api::Quantity::parse(divisor.empty() || divisor == "0" ? "1" : divisor);
  const std::int64_t by = given ? given->milli_value() : 0;
  if (by <= 0) return Error(ErrorCode::kInvalidArgument, "not a divisor: " + std::string(divisor));
  return std::to_string(*millis / by + (*millis % by != 0 ? 1 : 0));
}

Result<Environment> container_environment(const api::Object& pod, const json::object& container, const PodFacts& facts,
                                          const DataLookup& lookup) {
  Environment out;
  if (const auto* from = api::array_at(container, {"envFrom"})) {
    for (const auto& entry : *from) {
      if (!entry.is_object()) continue;
      if (auto added = add_from(out, entry.get_object(), lookup); !added) return added.error();
    }
  }
  const auto* env = api::array_at(container, {"env"});
  if (env == nullptr) return out;
  for (const auto& entry : *env) {
    if (!entry.is_object()) continue;
    const auto& o = entry.get_object();
    const auto name = text(o, "name");
    if (const auto* from = o.if_contains("valueFrom"); from != nullptr && from->is_object()) {
      auto value = value_from(pod, container, from->get_object(), facts, lookup);
      if (!value) return value.error().within("env " + std::string(name));
      if (*value) set(out, name, std::move(**value));
    } else {
      set(out, name, expand(text(o, "value"), out));
    }
  }
  return out;
}

}  // namespace sedna::node
