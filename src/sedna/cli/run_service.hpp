// `sedna run`: a JointInferenceService from two ONNX files, without a line of YAML.
#pragma once

#include <string>
#include <vector>

#include "sedna/cli/manifests.hpp"

namespace sedna::cli {

struct RunServiceOptions {
  RunServiceOptions() {}
  std::string edge, cloud;  ///< .onnx files on this machine
  std::string name;         ///< "": from the edge file's name
  std::string ns;
  std::string filter = "MSP";
  std::vector<std::string> parameters;  ///< KEY=VALUE
  std::string calibration;              ///< what sedna-worker calibrate wrote
  std::string edge_node, cloud_node;
  std::string image = "sedna/worker:v1";
  std::string worker;  ///< the file of sedna-worker, as the containers' command; "": the image's own
};

/// The documents: two Models and the service. Throws Error naming the flag that is wrong.
std::vector<Manifest> service_of(const RunServiceOptions& options);
/// As one YAML text with "---" between.
std::string yaml_of(const std::vector<Manifest>& manifests);

/// A name that Kubernetes takes, made of a file's: "Small Model.onnx" → "small-model".
std::string object_name_of(const std::string& file);

}  // namespace sedna::cli
