// What a FederatedLearningJob asks for: the aggregator's Pod and Service and one Pod per training worker, with
// upstream's names, labels, environment and mounts (docs/compatibility/control-plane.md). Pure functions; the
// controller compares them with what there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sedna/gm/worker_builder.hpp"

namespace sedna::gm {

inline constexpr std::uint16_t kAggregationPort = 7363;

/// Which of the job's workers a Pod is: an annotation, because upstream's labels do not tell training workers apart.
inline constexpr std::string_view kWorkerKey = "sedna.io/worker";

enum class FederatedRole : std::uint8_t { kAggregation, kTrain };
std::string_view role_name(FederatedRole role);         ///< "aggregation", "train": upstream's worker types
std::string_view role_worker_type(FederatedRole role);  ///< "Aggregation", "train": as upstream spells them

/// One of the job's workers. Its key does not change when workers are put in or taken out around it.
struct FederatedWorker {
  FederatedRole role = FederatedRole::kTrain;
  std::string key;        ///< "aggregation", "train/<dataset>", "train/<dataset>/2" for the second on one dataset
  std::string dataset;    ///< of training workers
  std::size_t index = 0;  ///< in spec.trainingWorkers
  const json::object* spec = nullptr;  ///< of the job that it was read from
};
/// The aggregator first.
std::vector<FederatedWorker> workers_of(const api::Object& job);

/// A file that workers read or write, as Models, Datasets and Secrets say.
struct DataAccess {
  std::string url;
  std::optional<Credential> credential;
};

/// What workers_of() needs to know beyond the job.
struct FederatedInputs {
  DataAccess model;
  std::optional<DataAccess> pretrained;
  std::optional<Credential> transmitter;  ///< of spec.transmitter.s3
  std::vector<DataAccess> datasets;       ///< one a training worker
  std::int64_t run = 1;
};

/// What a worker's Pod is made from: when it changes, the Pod is made anew.
std::string worker_hash(const api::Object& job, const FederatedWorker& worker, const FederatedInputs& inputs,
                        const WorkerOptions& options);

/// WORKER_NAME when none is known yet: always the same for a worker of a job, so that it rejoins its round.
std::string steady_worker_name(const api::Object& job, const FederatedWorker& worker);
/// "<job>-<worker type>-<5 letters>": always the same for the same attempt, so that making it twice makes one.
std::string pod_name(const api::Object& job, const FederatedWorker& worker, std::string_view hash, int attempt);

/// Throws Error(kInvalidArgument) with the field.
api::Object plan_pod(const api::Object& job, const FederatedWorker& worker, const FederatedInputs& inputs,
                     const WorkerOptions& options, const std::string& worker_name, int attempt, bool additions = true);
api::Object plan_aggregation_service(const api::Object& job);

/// True when the live Pod is what upstream's GM would have made of the worker (but for the names it draws, the order of
/// its environment and how credentials are passed).
bool is_upstreams_pod(const api::Object& live, const api::Object& job, const FederatedWorker& worker,
                      const FederatedInputs& inputs, const WorkerOptions& options);

}  // namespace sedna::gm
