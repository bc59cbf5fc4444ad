// The small JSON documents around inference in the Open Inference Protocol v2 and Triton's extensions to it: server and
// model metadata, model configuration, repository index, statistics. Called by the model server.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/tensor/oip.hpp"

namespace sedna::tensor::oip {

/// GET /v2: {"name":…,"version":…,"extensions":[…]}
std::string server_metadata_json(std::string_view name, std::string_view version,
                                 std::span<const std::string_view> extensions);

struct ModelDocument {
  std::string name;
  std::vector<std::string> versions = {"1"};
  std::string platform;    ///< "onnxruntime_onnx", "python", …
  std::string backend;     ///< "onnxruntime", "python", …; only in the configuration
  int max_batch_size = 0;  ///< > 0: the first dimension of every tensor is the batch
  std::vector<TensorMetadata> inputs;
  std::vector<TensorMetadata> outputs;
};

/// GET /v2/models/m: shapes include the batch dimension.
std::string model_metadata_json(const ModelDocument& model);
/// GET /v2/models/m/config: dims leave the batch dimension out; data types as TYPE_FP32, TYPE_STRING.
std::string model_config_json(const ModelDocument& model);

struct RepositoryEntry {
  std::string name;
  std::string version;
  std::string state = "READY";  ///< READY, UNAVAILABLE, LOADING, UNLOADING
  std::string reason;
};
/// POST /v2/repository/index
std::string repository_index_json(std::span<const RepositoryEntry> entries);

/// How often and how long in total.
struct Duration {
  std::uint64_t count = 0;
  std::uint64_t ns = 0;
};
struct BatchStatistics {
  std::uint64_t batch_size = 0;
  Duration compute_input, compute_infer, compute_output;
};
struct ModelStatistics {
  std::string name;
  std::string version;
  std::uint64_t last_inference_ms = 0;  ///< since the epoch
  std::uint64_t inference_count = 0;    ///< items, batches counted through
  std::uint64_t execution_count = 0;    ///< calls of the model
  Duration success, fail, queue, compute_input, compute_infer, compute_output, cache_hit, cache_miss;
  std::vector<BatchStatistics> batches;
};
/// GET /v2/models[/m[/versions/v]]/stats
std::string statistics_json(std::span<const ModelStatistics> models);

/// Reads model metadata (what a client does with GET /v2/models/m). Errors name the field.
Result<ModelDocument> parse_model_metadata(std::string_view json);

}  // namespace sedna::tensor::oip
