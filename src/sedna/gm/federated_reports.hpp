// What the workers of a FederatedLearningJob report, merged into its status: the aggregator's progress, each training
// worker's round, the model's address, and upstream's metrics for the Model. Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sedna/gm/inbox.hpp"

namespace sedna::gm {

/// A worker whose Pod exists, by the Pod's uid and by WORKER_NAME.
struct ReportingWorker {
  std::string worker;  ///< WORKER_NAME
  bool aggregates = false;
};

struct FederatedReports {
  /// For the condition Training: "Round 3 reaches at 2026-01-01 10:00:00", upstream's words. Empty: nothing new.
  std::string training;
  /// [{key, value}] for the Model's status; nothing when no worker reported any.
  std::optional<json::array> model_metrics;
  std::string model_url;  ///< where a worker saved the model; empty when none said
};

/// Merges reports into status.progress and status.workers (entries found by WORKER_NAME). `by_uid`: the living Pods;
/// reports of others count for what they say, and for no worker.
FederatedReports merge_federated_reports(json::object& status, const std::vector<Fact>& reports,
                                         const std::map<std::string, ReportingWorker>& by_uid);

/// "accuracy 0.91, loss 0.3": metrics in one line.
std::string metrics_line(const json::object& metrics);

}  // namespace sedna::gm
