// A sum of some clients' updates as it goes from an aggregator to the one above it, without a rounding: what
// Aggregation::take_sum() gives and merge_sum() takes. On the wire and on disk it is an update's safetensors file whose
// tensors are the sums and whose metadata says so. Written by sites, read by the server's upload routes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sedna/federated/update_file.hpp"

namespace sedna::federated {

struct PartialSum {
  enum class Kind : std::uint8_t {
    kMean,    ///< WeightedMean's: float64, and a second float64 for what the first could not hold of FP64 models
    kStrict,  ///< FixedPointMean's: int64 and a scale for each tensor
  };
  Kind kind = Kind::kMean;
  Manifest manifest;  ///< the model's, not that of the sums
  Weights sums;       ///< one for each of the model's tensors; FP64 or INT64
  Weights lows;       ///< kMean: one for each FP64 tensor of the model, in order
  std::vector<int> scales;
  double total = 0;  ///< of the weights in the sum
  double total_low = 0;
  std::size_t clients = 0;
};

/// Whether a file's metadata calls it a sum. Metadata: "sum" ("mean", "strict"), "sum.clients", "sum.weight",
/// "sum.weight_low", "sum.dtypes" ("F32,F64"), "sum.scales" ("38,40"); tensors of a model's names, and
/// "sum.low.<name>".
bool is_partial_sum(const tensor::Metadata& metadata);
std::vector<Bytes> write_partial_sum(const UpdateInfo& info, const PartialSum& sum);

/// A sum's header, before any tensor is here: what can be wrong with it alone and against the model's `manifest`.
Result<void> check_partial_sum_header(const tensor::SafetensorsHeader& header, const Manifest& manifest);
/// A whole file as what `client` brings. Its tensors are slices of `file`.
Result<Update> read_partial_sum(const Bytes& file, const std::string& client);

/// Everything that can be wrong with a sum whatever it is merged into: names, dtypes and shapes against `manifest`,
/// number of clients, weights, values. One pass over the values.
Result<void> check_partial_sum(const Update& update, const Manifest& manifest);
/// The part of it that looks at no value.
Result<void> check_partial_sum_form(const Update& update, const Manifest& manifest);

}  // namespace sedna::federated
