#include "sedna/gm/worker_builder.hpp"

#include <algorithm>

#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/text.hpp"
#include "sedna/gm/data_mounts.hpp"
#include "sedna/net/http.hpp"

namespace sedna::gm {

namespace {

std::string label_prefix(std::string_view kind) {
  return to_lower(kind) + ".sedna.io/";
}

json::object literal(std::string_view name, std::string_view value) {
  return json::object{{"name", name}, {"value", value}};
}

json::object from_field(std::string_view name, std::string_view path) {
  json::object from;
  from["fieldRef"] = json::object{{"fieldPath", path}};
  json::object env{{"name", name}};
  env["valueFrom"] = std::move(from);
  return env;
}

std::string_view name_of_entry(const json::value& entry) {
  return entry.is_object() ? api::string_at(entry.get_object(), {"name"}) : std::string_view();
}

bool is_local(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

/// LC_SERVER. A Pod with its own network can't reach its node's LC at localhost: it gets the node's address.
void append_lc_server(json::array& env, const json::object& pod_spec, const Worker& worker,
                      const WorkerOptions& options) {
  const auto url = net::parse_url(options.lc_server);
  const json::value* host_network = pod_spec.if_contains("hostNetwork");
  const bool shares_host = host_network != nullptr && host_network->is_bool() && host_network->get_bool();
  if (!worker.additions || shares_host || !url || !is_local(url->host)) {
    env.push_back(literal("LC_SERVER", options.lc_server));
    return;
  }
  env.push_back(from_field("HOST_IP", "status.hostIP"));  // before its use: $(VAR) looks back only
  env.push_back(literal("LC_SERVER", url->scheme + "://$(HOST_IP):" + std::to_string(url->port)));
}

/// Upstream sets it for jobs, not for services.
bool sets_job_name(const Worker& worker) {
  return std::any_of(worker.env.begin(), worker.env.end(), [](const EnvVar& var) { return var.name == "JOB_NAME"; });
}

/// What is added to each container: upstream's variables in an order that never changes.
json::array injected_env(const json::object& pod_spec, const api::Object& owner, const Worker& worker, MountEnv mounts,
                         const WorkerOptions& options) {
  json::array out = std::move(mounts.before);
  std::vector<EnvVar> vars = worker.env;
  vars.insert(vars.end(), mounts.paths.begin(), mounts.paths.end());
  std::sort(vars.begin(), vars.end(), [](const EnvVar& a, const EnvVar& b) { return a.name < b.name; });
  for (const auto& var : vars) out.push_back(literal(var.name, var.value));
  if (worker.reports) append_lc_server(out, pod_spec, worker, options);
  if (!worker.additions) return out;
  if (!sets_job_name(worker)) out.push_back(literal("JOB_NAME", api::name_of(owner)));
  out.push_back(from_field("POD_UID", "metadata.uid"));
  if (options.plaintext) out.push_back(literal("SEDNA_SERVE_PLAINTEXT", "1"));
  return out;
}

/// Ours win over the user's of the same name, but for what upstream does not set: there the user's stays.
bool user_wins(std::string_view name, const Worker& worker) {
  if (name == "JOB_NAME") return !sets_job_name(worker);
  return name == "POD_UID" || name == "HOST_IP" || name == "SEDNA_SERVE_PLAINTEXT";
}

void add_env(json::object& container, const json::array& injected, const Worker& worker) {
  const json::value* present = container.if_contains("env");
  json::array users = present != nullptr && present->is_array() ? present->get_array() : json::array();
  const auto has = [](const json::array& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(), [&](const json::value& e) { return name_of_entry(e) == name; });
  };
  json::array env;
  for (auto& entry : users) {
    const auto name = name_of_entry(entry);
    if (!has(injected, name) || user_wins(name, worker)) env.push_back(entry);
  }
  for (const auto& entry : injected) {
    const auto name = name_of_entry(entry);
    if (!user_wins(name, worker) || !has(users, name)) env.push_back(entry);
  }
  container["env"] = std::move(env);
}

}  // namespace

Credential read_credential(const api::Object& secret) {
  const std::string name(api::name_of(secret));
  const auto fail = [&](const std::string& what) { return Error(ErrorCode::kInvalidArgument, what, "secret/" + name); };
  const auto endpoint = api::annotation(secret, "s3-endpoint");
  if (!endpoint || endpoint->empty()) {
    throw fail("lacks the annotation s3-endpoint (host[:port] of the S3 service)");
  }
  for (const std::string_view key : {"ACCESS_KEY_ID", "SECRET_ACCESS_KEY"}) {
    if (api::find(secret, {"data", key}) == nullptr && api::find(secret, {"stringData", key}) == nullptr) {
      throw fail("lacks the key " + std::string(key));
    }
  }
  const bool plain = api::annotation(secret, "s3-usehttps") == "0";
  return {name, (plain ? "http://" : "https://") + std::string(*endpoint)};
}

json::object worker_labels(const api::Object& owner, std::string_view worker_type) {
  const std::string prefix = label_prefix(api::kind_of(owner));
  json::object labels;
  labels[prefix + "name"] = api::name_of(owner);
  labels[prefix + "uid"] = api::uid_of(owner);
  if (!worker_type.empty()) labels[prefix + "worker-type"] = to_lower(worker_type);
  return labels;
}

std::string name_label(const api::Kind& kind) {
  return label_prefix(kind.kind) + "name";
}
std::string uid_label(const api::Kind& kind) {
  return label_prefix(kind.kind) + "uid";
}
std::string worker_type_label(const api::Kind& kind) {
  return label_prefix(kind.kind) + "worker-type";
}

json::object build_template(const json::object& user_template, const api::Object& owner, const Worker& worker,
                            const json::object& labels, const WorkerOptions& options) {
  json::object out = user_template;
  auto& metadata = api::make_object(out, {"metadata"});
  metadata.erase("creationTimestamp");
  auto& all_labels = api::make_object(metadata, {"labels"});
  for (const auto& [key, value] : labels) all_labels[key] = value;
  const json::value* spec_value = out.if_contains("spec");
  if (spec_value == nullptr || !spec_value->is_object()) {
    throw Error(ErrorCode::kInvalidArgument, "is missing: a Pod template needs a spec with containers",
                "template.spec");
  }
  auto& spec = out["spec"].get_object();
  const auto* containers = api::array_at(spec, {"containers"});
  if (containers == nullptr || containers->empty()) {
    throw Error(ErrorCode::kInvalidArgument, "needs at least one container", "template.spec.containers");
  }
  // A worker speaks to its LC and to its peers, never to the API server.
  if (spec.if_contains("automountServiceAccountToken") == nullptr && worker.additions) {
    spec["automountServiceAccountToken"] = false;
  }
  MountEnv mounts = add_mounts(spec, worker.mounts, options);
  const json::array env = injected_env(spec, owner, worker, std::move(mounts), options);
  for (auto& container : spec["containers"].get_array()) {
    if (container.is_object()) add_env(container.get_object(), env, worker);
  }
  return out;
}

std::string random_worker_name(std::string_view prefix) {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string out = std::string(prefix) + "-";
  std::uniform_int_distribution<std::size_t> pick(0, kLetters.size() - 1);
  for (int i = 0; i < 5; ++i) out.push_back(kLetters[pick(thread_random())]);
  return out;
}

std::optional<std::string> env_value(const json::object& pod_template, std::string_view name) {
  const auto* containers = api::array_at(pod_template, {"spec", "containers"});
  if (containers == nullptr) return std::nullopt;
  for (const auto& container : *containers) {
    if (!container.is_object()) continue;
    const auto* env = api::array_at(container.get_object(), {"env"});
    if (env == nullptr) continue;
    for (const auto& entry : *env) {
      if (name_of_entry(entry) != name) continue;
      if (const json::value* value = entry.get_object().if_contains("value"); value != nullptr && value->is_string()) {
        return std::string(value->get_string());
      }
    }
  }
  return std::nullopt;
}

bool has_env(const json::object& pod_template, std::string_view name) {
  const auto* containers = api::array_at(pod_template, {"spec", "containers"});
  if (containers == nullptr) return false;
  return std::any_of(containers->begin(), containers->end(), [&](const json::value& container) {
    if (!container.is_object()) return false;
    const auto* env = api::array_at(container.get_object(), {"env"});
    return env != nullptr && std::any_of(env->begin(), env->end(),
                                         [&](const json::value& entry) { return name_of_entry(entry) == name; });
  });
}

void neutralise_template(json::object& pod_template) {
  const auto walk = [](json::object& spec, std::string_view list, bool init) {
    json::value* containers = spec.if_contains(list);
    if (containers == nullptr || !containers->is_array()) return;
    for (auto& entry : containers->get_array()) {
      if (!entry.is_object()) continue;
      auto& container = entry.get_object();
      if (init && api::string_at(container, {"name"}) == "storage-initializer") container.erase("image");
      json::value* env = container.if_contains("env");
      if (env == nullptr || !env->is_array()) continue;
      for (auto& variable : env->get_array()) {
        if (!variable.is_object()) continue;
        auto& var = variable.get_object();
        const auto name = api::string_at(var, {"name"});
        if (name == "WORKER_NAME" || name == "ACCESS_KEY_ID" || name == "SECRET_ACCESS_KEY") {
          var.erase("value");
          var.erase("valueFrom");
        }
      }
    }
  };
  if (json::value* spec = pod_template.if_contains("spec"); spec != nullptr && spec->is_object()) {
    walk(spec->get_object(), "containers", false);
    walk(spec->get_object(), "initContainers", true);
  }
}

}  // namespace sedna::gm
