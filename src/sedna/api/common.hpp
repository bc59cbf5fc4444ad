// Parts that several of Sedna's kinds share.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sedna/json/json.hpp"

namespace sedna::api {

struct KeyValue {
  std::string key;
  std::string value;
  json::object extra{};
};

/// A Model or a Dataset in the same namespace.
struct NameReference {
  std::string name;
  json::object extra{};
};

/// status.conditions of services, Datasets and Models.
struct Condition {
  std::string type;
  std::string status;  ///< "True", "False", "Unknown"
  std::optional<std::string> last_heartbeat_time{};
  std::optional<std::string> last_transition_time{};
  std::string reason{};
  std::string message{};
  json::object extra{};
};

/// status.conditions of incremental and lifelong learning: a log of stages.
struct StageCondition {
  std::string type;    ///< Waiting, Ready, Starting, Running, Completed, Failed
  std::string status;  ///< "True", "False", "Unknown"
  std::string stage;   ///< Train, Eval, Deploy
  std::optional<std::string> last_heartbeat_time{};
  std::optional<std::string> last_transition_time{};
  std::string reason{};
  std::string message{};
  std::string data{};  ///< a JSON text that carries models between stages
  json::object extra{};
};

struct HardExampleMining {
  std::string name;
  std::vector<KeyValue> parameters{};
  json::object extra{};
};

struct Timer {
  std::string start;  ///< "HH:MM", the node's local time
  std::string end;
  json::object extra{};
};

struct TriggerCondition {
  std::string operator_;  ///< ">", ">=", "=", "==", "<", "<=", …
  double threshold = 0;
  std::string metric;
  json::object extra{};
};

struct Trigger {
  std::optional<std::int64_t> check_period_seconds{};
  std::optional<Timer> timer{};
  TriggerCondition condition{};
  json::object extra{};
};

/// Autoscaling of a worker (autoscaling/v2): metrics and behavior stay raw.
struct Hpa {
  std::optional<std::int32_t> min_replicas{};
  std::int32_t max_replicas = 0;
  std::vector<json::object> metrics{};
  json::object behavior{};
  json::object extra{};
};

/// A worker that is a template alone.
struct TemplateWorker {
  json::object template_{};
  json::object extra{};
};

/// apps/v1 DeploymentSpec, inlined by the multi-edge kinds.
struct DeploymentSpec {
  std::optional<std::int32_t> replicas{};
  json::object selector{};
  json::object template_{};
  json::object strategy{};
  std::optional<std::int32_t> min_ready_seconds{};
  std::optional<std::int32_t> revision_history_limit{};
  bool paused = false;
  std::optional<std::int32_t> progress_deadline_seconds{};
  json::object extra{};
};

/// batch/v1 JobSpec, inlined by VideoAnalyticsJob and ReidJob.
struct JobSpec {
  std::optional<std::int32_t> parallelism{};
  std::optional<std::int32_t> completions{};
  std::optional<std::int64_t> active_deadline_seconds{};
  json::object pod_failure_policy{};
  std::optional<std::int32_t> backoff_limit{};
  json::object selector{};
  std::optional<bool> manual_selector{};
  json::object template_{};
  std::optional<std::int32_t> ttl_seconds_after_finished{};
  std::optional<std::string> completion_mode{};
  std::optional<bool> suspend{};
  std::optional<std::int32_t> backoff_limit_per_index{};
  std::optional<std::int32_t> max_failed_indexes{};
  std::string pod_replacement_policy{};
  std::string managed_by{};
  json::object success_policy{};
  json::object extra{};
};

/// status of the multi-edge services.
struct ServiceStatus {
  std::vector<Condition> conditions{};
  std::optional<std::string> start_time{};
  std::int32_t active = 0;
  std::int32_t failed = 0;
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

}  // namespace sedna::api
