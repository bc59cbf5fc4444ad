// What a cloud of upstream's kind answers: {"result": …}. Whatever comes, a result or an error, and tensors that hold
// together.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/inference/cloud_wire.hpp"
#include "sedna/inference/result_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto outputs = sedna::inference::read_predict_answer(text);
  if (!outputs) return 0;
  for (const auto& tensor : *outputs) {
    if (!tensor.validate()) std::abort();
  }
  static_cast<void>(sedna::inference::label_of(*outputs));
  return 0;
}
