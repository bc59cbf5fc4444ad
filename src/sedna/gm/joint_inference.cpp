#include "sedna/gm/joint_inference.hpp"

#include <algorithm>

#include "sedna/base/log.hpp"
#include "sedna/gm/child_writes.hpp"
#include "sedna/gm/children.hpp"

namespace sedna::gm {

namespace {

/// Secrets are read, not watched: listing them is a right that GM's account does not have.
constexpr std::chrono::minutes kSecretPeriod(5);
/// What is applied together arrives one after the other: this long a missing Model is only waited for.
constexpr std::chrono::seconds kPatience(10);

std::string quoted_names(const std::vector<control::ObjectPtr>& objects) {
  constexpr std::size_t kMost = 5;
  std::string out;
  for (std::size_t i = 0; i < objects.size() && i < kMost; ++i) {
    out += (i == 0 ? "" : ", ") + std::string(api::name_of(*objects[i]));
  }
  if (objects.size() > kMost) out += ", …";
  return out.empty() ? "none" : out;
}

}  // namespace

std::vector<std::string> index_by_model(const api::Object& service) {
  std::vector<std::string> out;
  for (const Role role : kRoles) out.push_back(api::make_key(api::namespace_of(service), model_name(service, role)));
  return out;
}

std::vector<std::string> index_by_service_uid(const api::Object& pod) {
  static const std::string kLabel = uid_label(api::kinds::kJointInferenceService);
  const auto uid = api::label(pod, kLabel);
  if (!uid) return {};
  return {std::string(*uid)};
}

void trim_deployment(api::Object& deployment) {
  if (json::value* spec = api::find(deployment, {"spec"}); spec != nullptr && spec->is_object()) {
    spec->get_object().erase("template");
  }
}

void trim_pod(api::Object& pod) {
  const std::string node(api::string_at(pod, {"spec", "nodeName"}));
  pod["spec"] = json::object{{"nodeName", node}};
  if (json::value* metadata = api::find(pod, {"metadata"}); metadata != nullptr && metadata->is_object()) {
    metadata->get_object().erase("annotations");
  }
}

/// What is known of a service's Deployments, and what is to be done with them.
struct JointInferenceController::Children {
  enum class Need { kNothing, kCreate, kRollOut, kBlocked };
  struct Side {
    ModelAccess model;
    std::string hash;
    Need need = Need::kBlocked;
    bool additions = true;
  };
  Side cloud, edge;
  Side& of(Role role) { return role == Role::kCloud ? cloud : edge; }
  Side& other(Role role) { return role == Role::kCloud ? edge : cloud; }
  bool made = false;  ///< at least one, in this pass
  bool reads_secret() const { return cloud.model.credential.has_value() || edge.model.credential.has_value(); }
};

JointInferenceController::JointInferenceController(store::ApiServer& server, JointInferenceInformers informers,
                                                   control::EventRecorder& events, WorkerOptions options,
                                                   const Clock& clock)
    : server_(server), informers_(informers), events_(events), options_(std::move(options)), clock_(clock) {}

void JointInferenceController::watch(control::Controller& controller) {
  const auto& kind = api::kinds::kJointInferenceService;
  controller.watch(informers_.services);
  for (control::Informer* children : {&informers_.deployments, &informers_.k8s_services, &informers_.hpas}) {
    controller.watch_owned(*children, kind);
  }
  const std::string label = name_label(kind);
  controller.watch(informers_.pods, [label](const api::Object& pod) -> std::vector<std::string> {
    const auto name = api::label(pod, label);
    if (!name) return {};
    return {api::make_key(api::namespace_of(pod), *name)};
  });
  control::Informer& services = informers_.services;
  controller.watch(informers_.models, [&services](const api::Object& model) {
    std::vector<std::string> keys;
    for (const auto& service : services.cache().by_index("model", api::key_of(model))) {
      keys.push_back(api::key_of(*service));
    }
    return keys;
  });
}

std::optional<JointInferenceController::Obstacle> JointInferenceController::resolve_model(const api::Object& service,
                                                                                          Role role,
                                                                                          ModelAccess& access) {
  const std::string ns(api::namespace_of(service)), name(model_name(service, role));
  const std::string field = std::string("spec.") + std::string(role_name(role)) + "Worker.model.name";
  const auto created = api::parse_time(api::string_at(service, {"metadata", "creationTimestamp"}));
  const bool patient = created && clock_.wall() - *created < kPatience;
  const auto model = informers_.models.cache().get(ns, name);
  if (model == nullptr) {
    return Obstacle{"ModelNotFound",
                    field + ": there is no Model \"" + name + "\" in namespace " + ns +
                        " (there: " + quoted_names(informers_.models.cache().list(ns)) +
                        "). Hint: apply it; the service goes on by itself",
                    !patient};
  }
  access.url = api::string_at(*model, {"spec", "url"});
  const std::string secret_name(api::string_at(*model, {"spec", "credentialName"}));
  if (secret_name.empty() || !access.url.starts_with("s3://")) return std::nullopt;
  auto secret = server_.get(api::kinds::kSecret, ns, secret_name);
  if (!secret) {
    if (!secret.status().is_not_found()) throw secret.status().to_error();
    return Obstacle{"SecretNotFound",
                    "Model " + name + " names the Secret \"" + secret_name +
                        "\" (spec.credentialName), which is not in "
                        "namespace " +
                        ns + ". Hint: apply it; the service goes on by itself",
                    !patient};
  }
  try {
    access.credential = read_credential(*secret);
  } catch (const Error& e) {
    return Obstacle{"InvalidSecret", e.what(), true};
  }
  return std::nullopt;
}

std::optional<JointInferenceController::Obstacle> JointInferenceController::make(control::Informer& informer,
                                                                                 const api::Object& service,
                                                                                 const api::Object& wanted) {
  auto outcome = create_child(server_, informer, service, wanted);
  if (!outcome) {
    // After the first time: somebody or something took it away.
    if (!api::string_at(service, {"status", "startTime"}).empty()) {
      events_.normal(service, "Rebuilt",
                     std::string(api::kind_of(wanted)) + " " + std::string(api::name_of(wanted)) +
                         " was missing and has been made again");
    }
    return std::nullopt;
  }
  return Obstacle{outcome->reason, outcome->message, outcome->failing};
}

std::optional<JointInferenceController::Obstacle> JointInferenceController::roll_out(const api::Object& service,
                                                                                     Role role, Children& children) {
  auto& side = children.of(role);
  const std::string name = deployment_name(api::name_of(service), role_name(role));
  constexpr int kTries = 4;  // its status changes while it rolls: each try reads it anew
  for (int i = 0; i < kTries; ++i) {
    auto live = server_.get(api::kinds::kDeployment, api::namespace_of(service), name);
    if (!live) throw live.status().to_error();
    const auto* live_template = api::object_at(*live, {"spec", "template"});
    static const json::object kNone;
    if (live_template == nullptr) live_template = &kNone;
    const api::Object wanted =
        plan_deployment(service, role, side.model, options_, env_value(*live_template, "WORKER_NAME"), side.additions);
    json::object spec;
    spec["template"] = patch_to(*live_template, *api::object_at(wanted, {"spec", "template"}));
    json::object metadata;
    metadata["annotations"] = json::object{{kSpecHash, side.hash}};
    json::object body;
    body["metadata"] = std::move(metadata);
    body["spec"] = std::move(spec);
    auto answer = server_.merge_patch(api::kinds::kDeployment, api::namespace_of(service), name,
                                      store::MergePatch(std::move(body), api::resource_version_of(*live)));
    if (answer) {
      informers_.deployments.remember(std::move(*answer));
      events_.normal(service, "RollingOut", "the " + std::string(role_name(role)) + " worker's specification changed");
      return std::nullopt;
    }
    if (answer.status().is_conflict()) continue;
    const ChildObstacle told = explain_refusal(wanted, answer.status());
    return Obstacle{told.reason, told.message, told.failing};
  }
  throw Error(ErrorCode::kConflict, "changes too often to be patched", "deployment/" + name);
}

std::optional<JointInferenceController::Obstacle> JointInferenceController::ensure_deployment(
    const api::Object& service, Role role, Children& children) {
  auto& side = children.of(role);
  switch (side.need) {
    case Children::Need::kNothing:
    case Children::Need::kBlocked:
      return std::nullopt;
    case Children::Need::kCreate:
      children.made = true;
      return make(informers_.deployments, service,
                  plan_deployment(service, role, side.model, options_, std::nullopt, side.additions));
    case Children::Need::kRollOut:
      return roll_out(service, role, children);
  }
  return std::nullopt;
}

std::optional<JointInferenceController::Obstacle> JointInferenceController::ensure_service(const api::Object& service) {
  const api::Object wanted = plan_service(service);
  const auto live = informers_.k8s_services.cache().get(api::key_of(wanted));
  if (live == nullptr) return make(informers_.k8s_services, service, wanted);
  if (const auto foreign = foreign_child(*live, service))
    return Obstacle{foreign->reason, foreign->message, foreign->failing};
  const auto& spec = *api::object_at(wanted, {"spec"});
  const auto* live_spec = api::object_at(*live, {"spec"});
  if (live_spec != nullptr && is_subset(json::value(spec), json::value(*live_spec))) return std::nullopt;
  json::object body;
  body["spec"] = spec;
  const auto told = patch_child(server_, informers_.k8s_services, *live, std::move(body));
  if (told) return Obstacle{told->reason, told->message, told->failing};
  return std::nullopt;
}

std::optional<JointInferenceController::Obstacle> JointInferenceController::ensure_hpa(const api::Object& service,
                                                                                       Role role) {
  const auto wanted = plan_hpa(service, role);
  const std::string name = hpa_name(deployment_name(api::name_of(service), role_name(role)));
  const auto live = informers_.hpas.cache().get(api::namespace_of(service), name);
  if (!wanted) {
    if (live == nullptr || foreign_child(*live, service)) return std::nullopt;
    const auto told = remove_child(server_, informers_.hpas, *live);
    if (told) return Obstacle{told->reason, told->message, told->failing};
    return std::nullopt;
  }
  if (live == nullptr) return make(informers_.hpas, service, *wanted);
  if (const auto foreign = foreign_child(*live, service))
    return Obstacle{foreign->reason, foreign->message, foreign->failing};
  const auto told = sync_hashed_spec(server_, informers_.hpas, *live, *wanted);
  if (told) return Obstacle{told->reason, told->message, told->failing};
  return std::nullopt;
}

std::optional<JointInferenceController::Obstacle> JointInferenceController::ensure_children(const api::Object& service,
                                                                                            Children& children) {
  using Need = Children::Need;
  std::optional<Obstacle> first;
  const auto note = [&first](std::optional<Obstacle> obstacle) {
    if (obstacle && (!first || (obstacle->failing && !first->failing))) first = std::move(obstacle);
  };
  for (const Role role : kRoles) {
    auto& side = children.of(role);
    if (auto obstacle = resolve_model(service, role, side.model)) {
      note(std::move(obstacle));
      continue;
    }
    side.hash = worker_hash(service, role, side.model, options_);
    const std::string name = deployment_name(api::name_of(service), role_name(role));
    const auto live = informers_.deployments.cache().get(api::namespace_of(service), name);
    if (live == nullptr) {
      side.need = Need::kCreate;
    } else if (const auto foreign = foreign_child(*live, service)) {
      note(Obstacle{foreign->reason, foreign->message, foreign->failing});
    } else if (const auto hash = api::annotation(*live, kSpecHash); hash) {
      side.need = *hash == side.hash ? Need::kNothing : Need::kRollOut;
    } else {
      auto whole = server_.get(api::kinds::kDeployment, api::namespace_of(service), name);
      if (!whole) throw whole.status().to_error();
      side.need = Need::kRollOut;
      if (is_upstreams(*whole, service, role, side.model, options_)) {
        adopt_child(server_, informers_.deployments, *whole, side.hash);
        log::info("adopted a Deployment as it is", {{"deployment", name}, {"service", api::key_of(service)}});
        side.need = Need::kNothing;
      }
    }
  }
  for (const Role role : kRoles) {
    // Our additions change the path under which edge and cloud find each other: both sides have them, or none.
    auto &side = children.of(role), &other = children.other(role);
    if (side.need != Need::kCreate && side.need != Need::kRollOut) continue;
    if (other.need != Need::kNothing) continue;
    const Role other_role = role == Role::kCloud ? Role::kEdge : Role::kCloud;
    auto whole = server_.get(api::kinds::kDeployment, api::namespace_of(service),
                             deployment_name(api::name_of(service), role_name(other_role)));
    if (!whole) continue;
    const auto* other_template = api::object_at(*whole, {"spec", "template"});
    side.additions = other_template == nullptr || has_env(*other_template, "JOB_NAME");
  }
  note(ensure_deployment(service, Role::kCloud, children));
  note(ensure_hpa(service, Role::kCloud));
  note(ensure_service(service));
  note(ensure_deployment(service, Role::kEdge, children));
  note(ensure_hpa(service, Role::kEdge));
  return first;
}

void JointInferenceController::look_up_events(WorkerHealth& health, std::string_view ns) {
  if (!health.problem || !health.problem->vague || health.problem_pod.empty()) return;
  const auto warning = newest_warning(server_, ns, health.problem_pod);
  if (!warning) return;
  health.problem->reason = warning->reason;
  health.problem->message += "; " + warning->reason + ": " + warning->message;
}

control::ReconcileResult JointInferenceController::reconcile(const std::string& key) {
  const auto service = informers_.services.cache().get(key);
  if (service == nullptr || api::is_deleting(*service)) {
    inbox_.drop(key);  // children go with their owner
    const std::lock_guard lock(mutex_);
    reported_.erase(key);
    return control::ReconcileResult::done();
  }
  Children children;
  std::optional<Obstacle> obstacle;
  try {
    obstacle = ensure_children(*service, children);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kInvalidArgument) throw;
    obstacle = Obstacle{"InvalidSpec", e.what(), true};
  }
  // What can run comes before what is said about it: where many services arrive at once, all have their workers before
  // the first has its status.
  if (children.made && !obstacle) return control::ReconcileResult::after(SteadyClock::duration::zero());
  std::vector<WorkerHealth> health;
  const auto pods = informers_.pods.cache().by_index("service", api::uid_of(*service));
  const std::string type_label = worker_type_label(api::kinds::kJointInferenceService);
  for (const Role role : kRoles) {
    std::vector<control::ObjectPtr> mine;
    std::copy_if(pods.begin(), pods.end(), std::back_inserter(mine),
                 [&](const control::ObjectPtr& pod) { return api::label(*pod, type_label) == role_name(role); });
    const std::string name = deployment_name(api::name_of(*service), role_name(role));
    auto deployment = informers_.deployments.cache().get(api::namespace_of(*service), name);
    if (deployment != nullptr && foreign_child(*deployment, *service)) deployment = nullptr;
    health.push_back(assess_workers(role_name(role), deployment, mine));
    if (!health.back().serves()) look_up_events(health.back(), api::namespace_of(*service));
  }
  auto result = write_status(*service, obstacle, std::move(health));
  // Of a Secret only the endpoint is in the workers' specification; keys are read by the node when a worker starts.
  if (children.reads_secret()) {
    result.requeue_after = std::min<SteadyClock::duration>(result.requeue_after.value_or(kSecretPeriod), kSecretPeriod);
  }
  return result;
}

}  // namespace sedna::gm
