// Features as a MistNet client may send them: whatever comes is refused with a reason, or is something that the server
// can turn into estimates.
#include <cstddef>
#include <cstdint>
#include <span>

#include "sedna/federated/features.hpp"
#include "sedna/federated/local_privacy.hpp"
#include "sedna/federated/update_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna;
  const Bytes file = Bytes::copy_of(std::as_bytes(std::span(data, size)));
  const auto read = tensor::read_safetensors(file);
  if (!read) return 0;
  const bool header = federated::check_features_header(read->header).has_value();
  const auto update = federated::read_update_file(file, "c");
  if (!update) return 0;
  if (!federated::check_features(*update, federated::FeatureForm())) return 0;
  if (!header) __builtin_trap();  // what is whole has a header that is
  const auto layout = federated::FeatureLayout::from_tensor(update->weights[1]).value();
  const auto features = federated::estimate(update->weights[0], layout);
  if (features.shape[0] != static_cast<std::int64_t>(update->weight)) __builtin_trap();
  if (!federated::check_features(*update, federated::FeatureForm::of(*update).value())) __builtin_trap();
  return 0;
}
