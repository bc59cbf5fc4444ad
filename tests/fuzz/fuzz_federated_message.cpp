// Messages of federated clients. What can be read as an update is either refused or averaged, and the model that is
// written reads back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/federated/mean.hpp"
#include "sedna/federated/wire.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna::federated;
  constexpr std::size_t kMax = std::size_t{1} << 20;
  auto frame = parse_frame(std::string_view(reinterpret_cast<const char*>(data), size), kMax);
  if (!frame) {
    if (frame.error().message().empty()) std::abort();
    return 0;
  }
  if (frame->type == "update_weight" && !frame->weights && !frame->unusable) std::abort();
  if (!frame->weights || frame->unusable) return 0;
  const Update update{"a", samples_of(*frame), *frame->weights};
  if (!check_update(update, Manifest())) return 0;
  WeightedMean mean;
  mean.accumulate(update);
  const Aggregate model = mean.report();
  auto back = parse_frame(write_model(frame->members, model, 1, false), 64 * kMax);
  if (!back || !back->weights || back->weights->size() != model.weights.size()) std::abort();
  for (std::size_t i = 0; i < model.weights.size(); ++i) {
    if (back->weights->at(i).data.text() != model.weights[i].data.text()) std::abort();
  }
  return 0;
}
