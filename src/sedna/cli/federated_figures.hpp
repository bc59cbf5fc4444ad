// How a FederatedLearningJob gets on, from its status: for `describe` and `top`.
#pragma once

#include <string>

#include "sedna/api/object.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

/// "round 3 of 10, 1 of 2 updates in, waiting for trainworker-b"; "" before the first report.
std::string federated_progress_line(const api::Object& job);
/// The progress in lines, then a table of the workers with their rounds; "" without either.
std::string render_federated_figures(const Console& console, const api::Object& job);
/// status.progress and status.workers, for programs.
json::object federated_figures_json(const api::Object& job);

}  // namespace sedna::cli
