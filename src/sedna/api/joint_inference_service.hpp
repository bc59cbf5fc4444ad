// JointInferenceService: a small model at the edge, a big one in the cloud, and the rule that says which frames are
// hard.
#pragma once

#include "sedna/api/common.hpp"
#include "sedna/api/typed.hpp"

namespace sedna::api {

struct JointInferenceEdgeWorker {
  NameReference model{};
  HardExampleMining hard_example_mining{};
  json::object template_{};
  std::optional<Hpa> hpa{};
  json::object extra{};
};

struct JointInferenceCloudWorker {
  NameReference model{};
  json::object template_{};
  std::optional<Hpa> hpa{};
  json::object extra{};
};

struct JointInferenceServiceSpec {
  JointInferenceEdgeWorker edge_worker{};
  JointInferenceCloudWorker cloud_worker{};
  json::object extra{};
};

/// Figures of inference, of one edge worker or of all.
struct InferenceFigures {
  std::int64_t inferences = 0;
  std::int64_t hard_examples = 0;
  double upload_ratio = 0;                               ///< hard examples sent to the cloud by inferences
  std::int64_t upload_bytes = 0;                         ///< sent and received
  std::map<std::string, double> latency_milliseconds{};  ///< "p50", "p90", "p99"
  std::map<std::string, std::int64_t> errors{};          ///< by cause
  std::int64_t fallbacks = 0;
  json::object extra{};
};

struct EdgeWorkerStatus {
  std::string name;  ///< of the Pod
  std::string uid;
  std::string node{};
  bool ready = false;
  std::int64_t sequence = 0;  ///< of the last report taken in
  InferenceFigures figures{};
  std::optional<std::string> update_time{};
  json::object extra{};
};

struct WorkerCounts {
  std::int32_t ready = 0;
  std::int32_t wanted = 0;
  json::object extra{};
};

struct JointInferenceServiceStatus {
  std::vector<Condition> conditions{};
  std::optional<std::string> start_time{};
  std::int32_t active = 0;
  std::int32_t failed = 0;
  std::vector<KeyValue> metrics{};  ///< upstream's three totals
  std::vector<EdgeWorkerStatus> edge_workers{};
  std::optional<InferenceFigures> total{};
  std::optional<InferenceFigures> ended{};  ///< of workers that are gone and no longer listed
  std::optional<WorkerCounts> edge{};
  std::optional<WorkerCounts> cloud{};
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

struct JointInferenceService {
  JointInferenceServiceSpec spec{};
  std::optional<JointInferenceServiceStatus> status{};
  json::object extra{};
};

extern template Result<JointInferenceService> decode<JointInferenceService>(const json::object&, std::string_view);
extern template json::object encode<JointInferenceService>(const JointInferenceService&);
extern template json::object encode<JointInferenceServiceSpec>(const JointInferenceServiceSpec&);
extern template json::object encode<JointInferenceServiceStatus>(const JointInferenceServiceStatus&);

}  // namespace sedna::api
