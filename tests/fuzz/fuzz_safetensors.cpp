// Safetensors files: models and updates. What is read has its tensors inside the file, and written again reads the
// same; what is an update is refused or averaged.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sedna/federated/codec.hpp"
#include "sedna/federated/mean.hpp"
#include "sedna/federated/update_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna;
  const Bytes file = Bytes::copy_of(std::as_bytes(std::span(data, size)));
  const auto read = tensor::read_safetensors(file);
  if (!read) {
    if (read.error().message().empty()) std::abort();
    return 0;
  }
  std::string again;
  for (const Bytes& part : tensor::write_safetensors(read->tensors, read->header.metadata)) again += part.text();
  const auto back = tensor::read_safetensors(Bytes::copy_of(again));
  if (!back || back->tensors.size() != read->tensors.size()) std::abort();
  for (std::size_t i = 0; i < back->tensors.size(); ++i) {
    if (back->tensors[i].data.text() != read->tensors[i].data.text()) std::abort();
    if (!read->tensors[i].validate()) std::abort();
  }
  // As a coded change of a model: refused, or as many values as the model has.
  static const federated::Weights base = [] {
    tensor::Tensor t;
    t.dtype = tensor::DType::kFp32;
    t.shape = {2};
    t.data = Bytes::copy_of(std::string(8, '\0'));
    return federated::Weights{t};
  }();
  for (const char* name : {"bf16", "fp16", "int8", "int4", "topk,share=0.5", "sign"}) {
    const auto weights = federated::decode_change(read->tensors, base, federated::Codec(name));
    if (weights && (weights->size() != 1 || weights->front().data.size() != 8)) std::abort();
  }
  auto update = federated::read_update_file(file, "a");
  if (!update || !federated::check_update(*update, federated::Manifest())) return 0;
  if (!federated::check_update_header(read->header, federated::Manifest::of(update->weights), false)) std::abort();
  federated::WeightedMean mean;
  mean.accumulate(*update);
  if (mean.report().weights.size() != update->weights.size()) std::abort();
  return 0;
}
