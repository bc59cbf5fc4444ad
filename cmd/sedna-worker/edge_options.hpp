// What `sedna-worker edge` was told, by flags first and by the environment of Pods else; and the parts made from it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sedna/algo/hard_example.hpp"
#include "sedna/inference/joint_inference.hpp"
#include "sedna/inference/onnx_estimator.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::worker_program {

struct EdgeFlags {
  std::string model;  ///< NAME=FILE or FILE
  std::string cloud;  ///< HOST[:PORT]; "none": every sample stays
  std::string cloud_model;
  std::string filter;
  std::vector<std::string> parameters;  ///< key=value
  std::string calibration;
  std::string source;  ///< npz:FILE
  std::string array;   ///< the array of samples in it
  std::string labels;  ///< the array of true labels in it
  std::string report;  ///< JSON lines; "-" is standard output
  std::string mining_mode;
  std::string score_output;
  std::optional<double> deadline_ms;
  double budget_requests = 0, budget_bytes = 0, target_ratio = 0;
  int bind = -1;
  std::string host;
  bool keep_rate = false;
  bool stay = false;
  bool wait_estimate = false;
  int in_flight = 0;
};

std::shared_ptr<inference::OnnxEstimator> load_edge_model(const EdgeFlags& flags, const worker::Context& context);

/// KEY=VALUE texts of --param. Throws Error.
algo::Parameters parse_parameters(const std::vector<std::string>& texts);

/// The filter by name. Throws Error naming --filter or --param when it was they that were wrong.
std::unique_ptr<algo::HardExampleFilter> checked_filter(const EdgeFlags& flags, const std::string& name,
                                                        const algo::Parameters& parameters);

/// --filter, else HEM_NAME, else the calibration's; --param over HEM_PARAMETERS over the calibration's. Throws Error
/// when the calibration was made for another model or filter.
std::unique_ptr<algo::HardExampleFilter> make_edge_filter(const EdgeFlags& flags, const worker::Context& context,
                                                          const std::string& model_checksum);

inference::CloudClientOptions make_cloud_options(const EdgeFlags& flags, const worker::Context& context);
inference::JointOptions make_joint_options(const EdgeFlags& flags, const worker::Context& context,
                                           const inference::CloudClientOptions& cloud);

}  // namespace sedna::worker_program
