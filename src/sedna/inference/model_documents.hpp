// The documents about servers and models of the Open Inference Protocol, as JSON text. Called by OipRoutes.
#pragma once

#include <string>
#include <vector>

#include "sedna/inference/estimator.hpp"

namespace sedna::inference {

/// GET /v2
std::string server_document(bool has_repository);
/// GET /v2/models/{m}
std::string metadata_document(const ModelMetadata& metadata, const std::vector<std::string>& versions);
/// GET /v2/models/{m}/config: Triton's ModelConfig, as much of it as means something here. `instances`: runs at once.
std::string config_document(const ModelMetadata& metadata, int instances);

}  // namespace sedna::inference
