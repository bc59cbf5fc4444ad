// .npy and .npz files. Limits are small, so that the fuzzer finds what takes memory before it is checked.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/tensor/npz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sedna::Bytes file = sedna::Bytes::copy_of(std::string_view(reinterpret_cast<const char*>(data), size));
  sedna::tensor::NpzLimits limits;
  limits.max_total_bytes = 1 << 20;
  limits.max_arrays = 16;
  const auto arrays = sedna::tensor::parse_npz(file, limits);
  if (arrays) {
    for (const auto& array : *arrays) {
      if (!array.validate()) std::abort();
    }
  }
  const auto array = sedna::tensor::parse_npy(file, limits);
  if (array && !array->validate()) std::abort();
  return 0;
}
