// What edge workers inferred and sent to the cloud, from the status of a JointInferenceService: for `describe` and
// `top`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

struct EdgeFigures {
  std::string worker, node, updated;
  bool ready = false;
  std::int64_t inferences = 0, hard = 0, upload_bytes = 0, fallbacks = 0, errors = 0;
  double upload_ratio = 0;
  std::optional<double> p50, p90, p99;  ///< milliseconds
  std::string causes;                   ///< "timeout 3, refused 1"
};

/// One a worker, then the total of all (named "total") when there is more than one.
std::vector<EdgeFigures> edge_figures_of(const api::Object& service);

/// The table's text, or "" without figures.
std::string render_edge_figures(const Console& console, const std::vector<EdgeFigures>& figures);

}  // namespace sedna::cli
