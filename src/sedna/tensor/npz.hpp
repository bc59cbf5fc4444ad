// Reads numpy's .npy and .npz files: the sample source of `sedna-worker edge --source npz:FILE`. Strict: only plain
// number, boolean and byte-string arrays; no pickled objects, ever; every size is checked against a limit before memory
// is taken.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/base/result.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::tensor {

struct NpzLimits {
  std::size_t max_file_bytes = std::size_t{4} << 30;
  std::size_t max_total_bytes = std::size_t{4} << 30;  ///< of the arrays, inflated
  std::size_t max_arrays = 4096;
};

/// One .npy file in memory. Big-endian and Fortran-ordered arrays are turned into little-endian row-major; the data is
/// a slice of `file` when it lies aligned there. U and S strings become BYTES (UTF-8; trailing zeros cut, as numpy
/// does).
Result<Tensor> parse_npy(const Bytes& file, const NpzLimits& limits = {});
/// The arrays of an .npz (a zip of .npy files, stored or deflated, checksums verified), in the archive's order, named
/// without ".npy".
Result<std::vector<Tensor>> parse_npz(const Bytes& file, const NpzLimits& limits = {});
/// Reads a file of either kind, told apart by its first bytes. The error's subject is the path.
Result<std::vector<Tensor>> load_npz(const std::filesystem::path& path, const NpzLimits& limits = {});

}  // namespace sedna::tensor
