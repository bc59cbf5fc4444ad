// Models and updates as safetensors files: names, metadata, and the checks that need only the header, so that an upload
// is refused before its tensors are sent. Called by the routes, by clients, and at a restart.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sedna/federated/algorithm.hpp"
#include "sedna/tensor/safetensors.hpp"

namespace sedna::federated {

/// What an update's metadata says.
struct UpdateInfo {
  std::int64_t round = 0;
  double samples = 0;
  double steps = 0;
  std::map<std::string, double> metrics;
  std::string codec;  ///< of a coded change; empty: weights as they are
};

/// Metadata keys: "round", "num_samples", "steps", "metric.<name>", "codec".
Result<UpdateInfo> read_update_info(const tensor::Metadata& metadata);
/// Tensors without a name are "weights.<i>"; those beside the weights are "extra.<name>".
tensor::Metadata update_metadata(const UpdateInfo& info);
std::vector<Bytes> write_update_file(const UpdateInfo& info, const Weights& weights, const Weights& extra);

/// The header of an update against the model's: names, dtypes (float32 or float64), shapes; before any tensor is here.
/// `extra`: whether there must be tensors beside the weights.
Result<void> check_update_header(const tensor::SafetensorsHeader& header, const Manifest& manifest, bool extra);

/// A whole file as an update of `client`. Its tensors are slices of `file`.
Result<Update> read_update_file(const Bytes& file, const std::string& client);

/// A model as parts for gathered writes.
std::vector<Bytes> write_model_file(const Model& model, const tensor::Metadata& metadata);
/// And back. Throws Error(kDataLoss).
Model read_model_file(const Bytes& file);

/// Float32 and float64 become what the model has; other tensors stay as they are.
void conform(Weights& weights, const Manifest& manifest);

}  // namespace sedna::federated
