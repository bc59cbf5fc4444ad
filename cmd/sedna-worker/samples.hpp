// The samples of a file, for `sedna-worker edge` and `sedna-worker calibrate`: arrays whose first dimension counts
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sedna/inference/estimator.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::worker_program {

struct Samples {
  std::vector<tensor::Tensor> inputs;  ///< named as the model's inputs
  std::int64_t count = 0;
  std::vector<std::int64_t> labels;    ///< true ones; empty when the file has none
  std::vector<tensor::Tensor> arrays;  ///< all of the file
};

/// `source`: npz:FILE. `array`: the one of samples; empty: the input's name, else "input", else the only one. `labels`:
/// that of labels; empty: "label" if there is one. Throws Error naming the flag or the file.
Samples read_samples(const char* flag, const std::string& source, const std::string& array, const std::string& labels,
                     const inference::ModelMetadata& model);

/// The named array as one integer a sample. Throws Error.
std::vector<std::int64_t> integer_array(const Samples& samples, const std::string& name, const std::string& file);

}  // namespace sedna::worker_program
