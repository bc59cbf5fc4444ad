// What the additive fields of a FederatedLearningJob mean for its workers: variables that `sedna-worker aggregate`, the
// Python AggregationServer and the clients read (docs/federated-learning.md). Pure functions; called by federated_plan.
#pragma once

#include <string>
#include <vector>

#include "sedna/gm/worker_builder.hpp"

namespace sedna::gm {

/// Updates that close a round: spec.round.participants, else all training workers.
std::int64_t participants_of(const api::Object& job);

/// EXIT_ROUND and SEDNA_FL_* of the aggregator, without SEDNA_FL_STATE. Only what the job says: everything else is the
/// script's or the program's own default. Throws Error(kInvalidArgument) with the field for what cannot go together.
std::vector<EnvVar> aggregator_settings(const api::Object& job);
/// Of the training workers: AGG_PROTOCOL, when it is not upstream's, and SEDNA_FL_PERSONAL.
std::vector<EnvVar> client_settings(const api::Object& job);

/// Where the aggregator keeps its rounds, and the training workers what stays with them.
struct FederatedState {
  bool kept = true;           ///< spec.durability.mode is not "none"
  std::string host_folder;    ///< of the job, on the aggregator's node
  bool with_workers = false;  ///< the training workers keep something, too
  std::string worker_folder;  ///< of the job, on each training worker's node
  /// Below them, of this run: another algorithm cannot go on where this one was.
  std::string run_folder;
};
FederatedState state_of(const api::Object& job, std::int64_t run);

}  // namespace sedna::gm
