#include "sedna/gm/federated_plan.hpp"

#include <map>

#include "sedna/base/error.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/gm/children.hpp"
#include "sedna/gm/federated_settings.hpp"

namespace sedna::gm {

namespace {

constexpr std::string_view kStateVolume = "sedna-federated-state";
constexpr std::string_view kStateMount = "/var/lib/sedna/federated";

/// Letters and digits as upstream draws them, of any text.
std::string letters_of(std::string_view text) {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  constexpr std::size_t kCount = 5, kDigits = 4;
  const std::string digest = sha256_hex(text);
  std::string out;
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto number = std::stoul(digest.substr(i * kDigits, kDigits), nullptr, 16);
    out.push_back(kLetters[number % kLetters.size()]);
  }
  return out;
}

Mount mount_of(std::string_view env, const DataAccess& access, bool download = true) {
  Mount mount;
  mount.env = env;
  mount.url = access.url;
  mount.credential = access.credential;
  mount.download = download;
  return mount;
}

Worker make_worker(const api::Object& job, const FederatedWorker& which, const FederatedInputs& inputs,
                   const std::string& worker_name, bool additions) {
  Worker worker;
  worker.type = role_worker_type(which.role);
  worker.additions = additions;
  const std::string name(api::name_of(job)), ns(api::namespace_of(job)), port = std::to_string(kAggregationPort);
  const bool s3 = api::object_at(job, {"spec", "transmitter", "s3"}) != nullptr;
  worker.env = {{"NAMESPACE", ns},
                {"JOB_NAME", name},
                {"WORKER_NAME", worker_name},
                {"PARTICIPANTS_COUNT", std::to_string(participants_of(job))},
                {"TRANSMITTER", s3 ? "s3" : "ws"}};
  const auto add = [&worker](std::vector<EnvVar> more) {
    worker.env.insert(worker.env.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  if (which.role == FederatedRole::kAggregation) {
    worker.env.push_back({"AGG_BIND_PORT", port});
    if (additions) {
      add(aggregator_settings(job));
      const FederatedState state = state_of(job, inputs.run);
      if (state.kept) worker.env.push_back({"SEDNA_FL_STATE", std::string(kStateMount) + "/" + state.run_folder});
      worker.reports = true;
    }
  } else {
    worker.env.push_back({"AGG_PORT", port});
    worker.env.push_back({"AGG_IP", service_name(name, "aggregation") + "." + ns});
    worker.env.push_back(
        {"MODEL_NAME", std::string(api::string_at(job, {"spec", "aggregationWorker", "model", "name"}))});
    worker.env.push_back({"DATASET_NAME", which.dataset});
    if (additions) {
      add(client_settings(job));
      const FederatedState state = state_of(job, inputs.run);
      if (state.with_workers) {
        worker.env.push_back({"SEDNA_FL_CLIENT_STATE", std::string(kStateMount) + "/" + state.run_folder});
      }
    }
    worker.reports = true;
  }
  worker.mounts = {mount_of("MODEL_URL", inputs.model)};
  if (inputs.pretrained) worker.mounts.push_back(mount_of("PRETRAINED_MODEL_URL", *inputs.pretrained));
  if (which.role == FederatedRole::kTrain) {
    worker.mounts.push_back(mount_of("TRAIN_DATASET_URL", inputs.datasets.at(which.index)));
  }
  if (s3) {
    DataAccess exchange;
    exchange.url = api::string_at(job, {"spec", "transmitter", "s3", "aggDataPath"});
    exchange.credential = inputs.transmitter;
    worker.mounts.push_back(mount_of("AGG_DATA_PATH", exchange, false));
  }
  return worker;
}

/// A folder of the node's, where every container of a worker finds it.
void add_state(json::object& pod_template, const std::string& host_folder) {
  auto& spec = pod_template["spec"].get_object();
  json::value& volumes = spec["volumes"];
  if (!volumes.is_array()) volumes = json::array();
  json::object volume{{"name", kStateVolume}};
  volume["hostPath"] = json::object{{"path", host_folder}, {"type", "DirectoryOrCreate"}};
  volumes.get_array().push_back(std::move(volume));
  for (auto& container : spec["containers"].get_array()) {
    if (!container.is_object()) continue;
    json::value& mounts = container.get_object()["volumeMounts"];
    if (!mounts.is_array()) mounts = json::array();
    mounts.get_array().push_back(json::object{{"mountPath", kStateMount}, {"name", kStateVolume}});
  }
}

std::string field_of(const FederatedWorker& worker) {
  return worker.role == FederatedRole::kAggregation ? "spec.aggregationWorker"
                                                    : "spec.trainingWorkers[" + std::to_string(worker.index) + "]";
}

json::object access_input(const DataAccess& access) {
  json::object out{{"url", access.url}};
  if (access.credential) {
    out["secret"] = access.credential->secret;
    out["endpoint"] = access.credential->endpoint;
  }
  return out;
}

json::array env_input(const std::vector<EnvVar>& vars) {
  json::array out;
  for (const auto& var : vars) out.push_back(json::value(var.name + "=" + var.value));
  return out;
}

}  // namespace

std::string_view role_name(FederatedRole role) {
  return role == FederatedRole::kAggregation ? "aggregation" : "train";
}
std::string_view role_worker_type(FederatedRole role) {
  return role == FederatedRole::kAggregation ? "Aggregation" : "train";
}

std::vector<FederatedWorker> workers_of(const api::Object& job) {
  static const json::object kNone;
  std::vector<FederatedWorker> out;
  const auto* aggregation = api::object_at(job, {"spec", "aggregationWorker"});
  out.push_back({FederatedRole::kAggregation, "aggregation", {}, 0, aggregation == nullptr ? &kNone : aggregation});
  const auto* list = api::array_at(job, {"spec", "trainingWorkers"});
  if (list == nullptr) return out;
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const json::object& spec = (*list)[i].is_object() ? (*list)[i].get_object() : kNone;
    FederatedWorker worker;
    worker.dataset = api::string_at(spec, {"dataset", "name"});
    worker.index = i;
    worker.spec = &spec;
    worker.key = "train/" + worker.dataset;
    if (const int nth = ++seen[worker.dataset]; nth > 1) worker.key += "/" + std::to_string(nth);
    out.push_back(std::move(worker));
  }
  return out;
}

std::string worker_hash(const api::Object& job, const FederatedWorker& worker, const FederatedInputs& inputs,
                        const WorkerOptions& options) {
  json::object input;
  if (const json::value* value = worker.spec->if_contains("template")) input["template"] = *value;
  input["model"] = access_input(inputs.model);
  input["modelName"] = api::string_at(job, {"spec", "aggregationWorker", "model", "name"});
  if (inputs.pretrained) input["pretrained"] = access_input(*inputs.pretrained);
  if (const auto* s3 = api::object_at(job, {"spec", "transmitter", "s3"})) {
    input["s3"] = *s3;
    if (inputs.transmitter) input["s3Endpoint"] = inputs.transmitter->endpoint;
  }
  input["participants"] = participants_of(job);
  if (worker.role == FederatedRole::kAggregation) {
    input["settings"] = env_input(aggregator_settings(job));
    const FederatedState state = state_of(job, inputs.run);
    input["state"] = state.kept ? state.host_folder + "/" + state.run_folder : std::string();
  } else {
    input["settings"] = env_input(client_settings(job));
    if (const FederatedState state = state_of(job, inputs.run); state.with_workers) {
      input["state"] = state.worker_folder + "/" + state.run_folder;
    }
    input["dataset"] = access_input(inputs.datasets.at(worker.index));
  }
  input["run"] = inputs.run;
  input["lc"] = options.lc_server;
  input["initializer"] = options.storage_initializer_image;
  input["plaintext"] = options.plaintext;
  return canonical_hash(input);
}

std::string steady_worker_name(const api::Object& job, const FederatedWorker& worker) {
  const char* prefix = worker.role == FederatedRole::kAggregation ? "aggworker-" : "trainworker-";
  return prefix + letters_of(std::string(api::uid_of(job)) + "/" + worker.key);
}

std::string pod_name(const api::Object& job, const FederatedWorker& worker, std::string_view hash, int attempt) {
  constexpr std::size_t kLongestBase = 58;  // as the API server cuts it for generateName
  std::string base = std::string(api::name_of(job)) + "-" + std::string(role_name(worker.role)) + "-";
  if (base.size() > kLongestBase) base.resize(kLongestBase);
  return base + letters_of(std::string(api::uid_of(job)) + "/" + worker.key + "/" + std::string(hash) + "/" +
                           std::to_string(attempt));
}

api::Object plan_pod(const api::Object& job, const FederatedWorker& which, const FederatedInputs& inputs,
                     const WorkerOptions& options, const std::string& worker_name, int attempt, bool additions) {
  const std::string where = field_of(which);
  const auto* user_template = api::object_at(*which.spec, {"template"});
  if (user_template == nullptr) throw Error(ErrorCode::kInvalidArgument, "is missing", where + ".template");
  const Worker worker = make_worker(job, which, inputs, worker_name, additions);
  json::object base = *user_template;
  auto& spec = api::make_object(base, {"spec"});
  const auto restart = api::string_at(spec, {"restartPolicy"});
  if (restart == "Always") {
    throw Error(ErrorCode::kInvalidArgument,
                "is Always: a worker that has ended well would begin again, and the job never end. Leave it out",
                where + ".template.spec.restartPolicy");
  }
  if (restart.empty()) spec["restartPolicy"] = "OnFailure";
  if (which.role == FederatedRole::kTrain) spec["hostNetwork"] = true;
  json::object pod_template;
  try {
    pod_template = build_template(base, job, worker, worker_labels(job, worker.type), options);
  } catch (const Error& e) {
    throw e.subject().starts_with("template") ? e.within(where + ".") : e;
  }
  const std::string hash = worker_hash(job, which, inputs, options);
  const FederatedState state = state_of(job, inputs.run);
  const bool aggregates = which.role == FederatedRole::kAggregation;
  if (additions && aggregates && state.kept) add_state(pod_template, state.host_folder);
  if (additions && !aggregates && state.with_workers) add_state(pod_template, state.worker_folder);
  api::Object pod = api::new_object(api::kinds::kPod, api::namespace_of(job), pod_name(job, which, hash, attempt));
  auto& metadata = pod["metadata"].get_object();
  if (const auto* theirs = api::object_at(pod_template, {"metadata"})) {
    for (const std::string_view member : {"labels", "annotations", "finalizers"}) {
      if (const json::value* v = theirs->if_contains(member)) metadata[member] = *v;
    }
  }
  auto& annotations = api::make_object(metadata, {"annotations"});
  annotations[kSpecHash] = hash;
  annotations[kWorkerKey] = which.key;
  json::array owners;
  owners.push_back(api::to_json(api::controller_reference(job)));
  metadata["ownerReferences"] = std::move(owners);
  pod["spec"] = pod_template["spec"];
  return pod;
}

api::Object plan_aggregation_service(const api::Object& job) {
  return make_service(job, "aggregation", kAggregationPort);
}

bool is_upstreams_pod(const api::Object& live, const api::Object& job, const FederatedWorker& worker,
                      const FederatedInputs& inputs, const WorkerOptions& options) {
  const api::Object wanted = plan_pod(job, worker, inputs, options, "any", 0, false);
  json::object a, b;
  a["spec"] = wanted.at("spec");
  if (const json::value* spec = live.if_contains("spec")) b["spec"] = *spec;
  neutralise_template(a);
  neutralise_template(b);
  return is_subset(a, b);
}

}  // namespace sedna::gm
