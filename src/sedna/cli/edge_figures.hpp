// What edge workers inferred and sent to the cloud, from the status of a JointInferenceService: for `describe` and
// `top`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

struct EdgeFigures {
  std::string worker, uid, node, updated;
  bool ready = false;
  bool is_total = false;
  bool live = false;  ///< not from the status: as the worker reported it to its local controller
  std::int64_t inferences = 0, hard = 0, uploads = 0, upload_bytes = 0, fallbacks = 0, errors = 0;
  double upload_ratio = 0;
  std::optional<double> p50, p90, p99;         ///< milliseconds
  std::map<std::string, std::int64_t> causes;  ///< of the errors
};

/// status.edgeWorkers[].figures, or what has its form.
EdgeFigures read_figures(const json::object& figures);
/// Adds those of a worker to a total, or takes them out (`sign` -1). Percentiles don't add up: the slowest's stand.
void add_figures(EdgeFigures& total, const EdgeFigures& figures, int sign);

/// One a worker, then the total of all (named "total") when there is more than one.
std::vector<EdgeFigures> edge_figures_of(const api::Object& service);

/// The table's text, or "" without figures.
std::string render_edge_figures(const Console& console, const std::vector<EdgeFigures>& figures);

}  // namespace sedna::cli
