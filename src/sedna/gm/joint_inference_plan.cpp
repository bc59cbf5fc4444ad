#include "sedna/gm/joint_inference_plan.hpp"

#include <algorithm>

#include "sedna/base/error.hpp"
#include "sedna/gm/children.hpp"

namespace sedna::gm {

namespace {

std::string_view member_of(Role role) {
  return role == Role::kCloud ? "cloudWorker" : "edgeWorker";
}

/// As Go writes a nil slice, and a slice of {key, value}.
std::string hem_parameters(const json::object& worker) {
  const auto* list = api::array_at(worker, {"hardExampleMining", "parameters"});
  if (list == nullptr || list->empty()) return "null";
  json::array out;
  for (const auto& entry : *list) {
    if (!entry.is_object()) continue;
    const auto& parameter = entry.get_object();
    out.push_back(
        json::object{{"key", api::string_at(parameter, {"key"})}, {"value", api::string_at(parameter, {"value"})}});
  }
  return json::write(out);
}

Worker make_worker(const api::Object& service, Role role, const ModelAccess& model, bool additions,
                   const std::optional<std::string>& worker_name) {
  Worker worker;
  worker.type = role_worker_type(role);
  worker.additions = additions;
  const std::string name(api::name_of(service)), ns(api::namespace_of(service));
  const std::string prefix = std::string(role_name(role)) + "worker";
  const std::string port = std::to_string(kBigModelPort);
  worker.env = {{"NAMESPACE", ns},
                {"SERVICE_NAME", name},
                {"WORKER_NAME", worker_name ? *worker_name : random_worker_name(prefix)}};
  if (role == Role::kCloud) {
    worker.env.push_back({"BIG_MODEL_BIND_PORT", port});
  } else {
    worker.env.push_back({"BIG_MODEL_IP", service_name(name, "cloud") + "." + ns});
    worker.env.push_back({"BIG_MODEL_PORT", port});
    const auto& spec = worker_spec(service, role);
    worker.env.push_back({"HEM_NAME", std::string(api::string_at(spec, {"hardExampleMining", "name"}))});
    worker.env.push_back({"HEM_PARAMETERS", hem_parameters(spec)});
    worker.reports = true;
  }
  Mount mount;
  mount.env = "MODEL_URL";
  mount.url = model.url;
  mount.credential = model.credential;
  worker.mounts = {mount};
  return worker;
}

}  // namespace

std::string_view role_name(Role role) {
  return role == Role::kCloud ? "cloud" : "edge";
}
std::string_view role_worker_type(Role role) {
  return role == Role::kCloud ? "Cloud" : "Edge";
}

const json::object& worker_spec(const api::Object& service, Role role) {
  static const json::object kNone;
  const auto* found = api::object_at(service, {"spec", member_of(role)});
  return found == nullptr ? kNone : *found;
}

std::string_view model_name(const api::Object& service, Role role) {
  return api::string_at(worker_spec(service, role), {"model", "name"});
}

std::string worker_hash(const api::Object& service, Role role, const ModelAccess& model, const WorkerOptions& options) {
  const auto& spec = worker_spec(service, role);
  json::object input;
  for (const std::string_view member : {"template", "hardExampleMining"}) {
    if (const json::value* value = spec.if_contains(member)) input[member] = *value;
  }
  input["modelUrl"] = model.url;
  if (model.credential) {
    input["secret"] = model.credential->secret;
    input["endpoint"] = model.credential->endpoint;
  }
  if (role == Role::kEdge) input["lc"] = options.lc_server;
  input["initializer"] = options.storage_initializer_image;
  input["plaintext"] = options.plaintext;
  return canonical_hash(input);
}

api::Object plan_deployment(const api::Object& service, Role role, const ModelAccess& model,
                            const WorkerOptions& options, const std::optional<std::string>& worker_name,
                            bool additions) {
  const auto& spec = worker_spec(service, role);
  const auto* user_template = api::object_at(spec, {"template"});
  const std::string where = "spec." + std::string(member_of(role));
  if (user_template == nullptr) throw Error(ErrorCode::kInvalidArgument, "is missing", where + ".template");
  const Worker worker = make_worker(service, role, model, additions, worker_name);
  json::object labels = deployment_labels(service, worker.type);
  json::object pod_template;
  try {
    pod_template = build_template(*user_template, service, worker, labels, options);
  } catch (const Error& e) {
    // A URL's subject is the URL; a field's is its path below the worker.
    throw e.subject().starts_with("template") ? e.within(where + ".") : e;
  }
  return make_deployment(service, worker.type, std::move(pod_template), worker_hash(service, role, model, options));
}

api::Object plan_service(const api::Object& service) {
  return make_service(service, "cloud", kBigModelPort);
}

std::optional<api::Object> plan_hpa(const api::Object& service, Role role) {
  const auto* hpa = api::object_at(worker_spec(service, role), {"hpa"});
  if (hpa == nullptr) return std::nullopt;
  return make_hpa(service, role_name(role), deployment_name(api::name_of(service), role_name(role)), *hpa,
                  canonical_hash(*hpa));
}

bool is_upstreams(const api::Object& live_deployment, const api::Object& service, Role role, const ModelAccess& model,
                  const WorkerOptions& options) {
  const auto* live = api::object_at(live_deployment, {"spec", "template"});
  if (live == nullptr) return false;
  api::Object wanted = plan_deployment(service, role, model, options, "any", false);
  json::object a = *api::object_at(wanted, {"spec", "template"}), b = *live;
  neutralise_template(a);
  neutralise_template(b);
  return is_subset(a, b);
}

}  // namespace sedna::gm
