#include "sedna/gm/edge_state.hpp"

#include "sedna/base/base64.hpp"
#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"

namespace sedna::gm {

namespace {

using api::kinds::kDataset;
using api::kinds::kFederatedLearningJob;
using api::kinds::kJointInferenceService;
using api::kinds::kModel;

constexpr std::string_view kCredential = "sedna.io/credential";

std::string queue_key(const api::Kind& kind, std::string_view key) {
  return std::string(kind.kind) + "/" + std::string(key);
}

std::vector<std::string> keys_of_job(const api::Object& job) {
  std::vector<std::string> keys{queue_key(kFederatedLearningJob, api::key_of(job))};
  for (const auto& model : index_job_by_model(job)) keys.push_back(queue_key(kModel, model));
  return keys;
}

std::vector<std::string> keys_of_service(const api::Object& service) {
  std::vector<std::string> keys{queue_key(kJointInferenceService, api::key_of(service))};
  for (const auto& model : index_by_model(service)) keys.push_back(queue_key(kModel, model));
  return keys;
}

/// What a local controller needs of an object does not change with its status.
std::string version_of(const api::Object& object) {
  return std::string(api::uid_of(object)) + "/" + std::to_string(api::generation_of(object));
}

/// A Secret as upstream flattens it for local controllers: annotations and data in one JSON object.
std::string flatten(const api::Object& secret) {
  json::object out;
  if (const auto* annotations = api::object_at(secret, {"metadata", "annotations"})) {
    for (const auto& [key, value] : *annotations) {
      if (value.is_string()) out[key] = value;
    }
  }
  if (const auto* data = api::object_at(secret, {"data"})) {
    for (const auto& [key, value] : *data) {
      if (!value.is_string()) continue;
      if (const auto text = base64_decode(std::string_view(value.get_string()))) out[key] = *text;
    }
  }
  return json::write(out);
}

}  // namespace

std::set<std::string> nodes_of_role(const Caches& caches, const api::Object& service, Role role) {
  std::set<std::string> nodes;
  const auto pinned = api::string_at(worker_spec(service, role), {"template", "spec", "nodeName"});
  if (!pinned.empty()) nodes.emplace(pinned);
  const std::string label = worker_type_label(kJointInferenceService);
  for (const auto& pod : caches.pods.cache().by_index("service", api::uid_of(service))) {
    const auto node = api::string_at(*pod, {"spec", "nodeName"});
    if (api::label(*pod, label) == role_name(role) && !node.empty()) nodes.emplace(node);
  }
  return nodes;
}

std::set<std::string> nodes_of_model(const Caches& caches, const api::Object& model) {
  std::set<std::string> nodes;
  for (const auto& service : caches.services.cache().by_index("model", api::key_of(model))) {
    for (const Role role : kRoles) {
      if (model_name(*service, role) == api::name_of(model)) nodes.merge(nodes_of_role(caches, *service, role));
    }
  }
  for (const auto& job : caches.federated_jobs.cache().by_index("model", api::key_of(model))) {
    nodes.merge(nodes_of_job(*job, caches.federated_pods.cache().by_index("owner", api::uid_of(*job))));
  }
  return nodes;
}

EdgeState::EdgeState(store::ApiServer& server, Caches& caches, link::StateBoard& board)
    : server_(server), caches_(caches), board_(board) {}

void EdgeState::watch(control::Controller& controller) {
  controller.watch(caches_.datasets,
                   [](const api::Object& o) { return std::vector<std::string>{queue_key(kDataset, api::key_of(o))}; });
  controller.watch(caches_.models,
                   [](const api::Object& o) { return std::vector<std::string>{queue_key(kModel, api::key_of(o))}; });
  controller.watch(caches_.services, keys_of_service);
  controller.watch(caches_.federated_jobs, keys_of_job);
  control::Informer& jobs = caches_.federated_jobs;
  controller.watch(caches_.federated_pods, [&jobs](const api::Object& pod) -> std::vector<std::string> {
    const auto name = api::label(pod, name_label(kFederatedLearningJob));
    const auto job = name ? jobs.cache().get(api::namespace_of(pod), *name) : nullptr;
    return job == nullptr ? std::vector<std::string>{} : keys_of_job(*job);
  });
  Caches& caches = caches_;
  const std::string label = name_label(kJointInferenceService);
  controller.watch(caches_.pods, [&caches, label](const api::Object& pod) -> std::vector<std::string> {
    const auto name = api::label(pod, label);
    if (!name) return {};
    const auto service = caches.services.cache().get(api::namespace_of(pod), *name);
    if (service == nullptr) return {};
    return keys_of_service(*service);
  });
}

void EdgeState::put(const link::StateKey& subject, const control::ObjectPtr& object,
                    const std::set<std::string>& nodes) {
  if (object == nullptr || api::is_deleting(*object)) {
    board_.set(subject, nullptr, {}, {});
  } else {
    board_.set(subject, object, version_of(*object), nodes);
  }
}

control::ReconcileResult EdgeState::put_dataset(const link::StateKey& subject) {
  const auto dataset = caches_.datasets.cache().get(subject.key);
  const std::string secret_name(dataset == nullptr ? "" : api::string_at(*dataset, {"spec", "credentialName"}));
  if (dataset == nullptr || api::is_deleting(*dataset) || secret_name.empty()) {
    std::set<std::string> nodes;
    if (dataset != nullptr) nodes.emplace(api::string_at(*dataset, {"spec", "nodeName"}));
    put(subject, dataset, nodes);
    return control::ReconcileResult::done();
  }
  const auto secret = server_.get(api::kinds::kSecret, api::namespace_of(*dataset), secret_name);
  if (!secret && !secret.status().is_not_found()) throw secret.status().to_error();
  api::Object with_access = *dataset;
  std::string version = version_of(*dataset);
  if (secret) {
    const std::string access = flatten(*secret);
    api::make_object(with_access, {"metadata", "annotations"})[kCredential] = access;
    constexpr std::size_t kDigits = 16;
    version += "/" + sha256_hex(access).substr(0, kDigits);
  }
  board_.set(subject, std::make_shared<const json::object>(std::move(with_access)), version,
             {std::string(api::string_at(*dataset, {"spec", "nodeName"}))});
  // Secrets are not watched: a new one, or a changed one, is seen the next time.
  constexpr std::chrono::minutes kSecretPeriod(5);
  constexpr std::chrono::seconds kMissingPeriod(30);
  return control::ReconcileResult::after(secret ? SteadyClock::duration(kSecretPeriod)
                                                : SteadyClock::duration(kMissingPeriod));
}

control::ReconcileResult EdgeState::reconcile(const std::string& queued) {
  const auto slash = queued.find('/');
  const link::StateKey subject{queued.substr(0, slash), queued.substr(slash + 1)};
  if (subject.kind == kDataset.kind) return put_dataset(subject);
  if (subject.kind == kModel.kind) {
    const auto model = caches_.models.cache().get(subject.key);
    put(subject, model, model == nullptr ? std::set<std::string>() : nodes_of_model(caches_, *model));
  } else if (subject.kind == kFederatedLearningJob.kind) {
    const auto job = caches_.federated_jobs.cache().get(subject.key);
    std::set<std::string> nodes;
    if (job != nullptr) nodes = nodes_of_job(*job, caches_.federated_pods.cache().by_index("owner", api::uid_of(*job)));
    put(subject, job, nodes);
  } else {
    const auto service = caches_.services.cache().get(subject.key);
    put(subject, service, service == nullptr ? std::set<std::string>() : nodes_of_role(caches_, *service, Role::kEdge));
  }
  return control::ReconcileResult::done();
}

}  // namespace sedna::gm
