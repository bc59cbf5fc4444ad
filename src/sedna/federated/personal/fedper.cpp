// FedPer: a model is base layers, which are averaged, and personalisation layers at its end, which stay with the
// client:
//   (w_base, w_personal,i),   w_base' = FedAvg of the clients' base layers.
// The last two tensors (a dense layer's weights and bias) unless `last` or `tensors=4+5` say otherwise.
// Arivazhagan et al., "Federated Learning with Personalization Layers", 2019.
#include <algorithm>

#include "sedna/federated/personal.hpp"

namespace sedna::federated {

namespace {

class FedPer final : public PersonalRule {
 public:
  FedPer(std::size_t last, std::string tensors) : last_(last), tensors_(std::move(tensors)) {}
  std::string_view name() const override { return "FedPer"; }
  std::vector<bool> personal(const std::vector<std::string>& names) const override {
    std::vector<bool> out(names.size(), false);
    if (tensors_.empty()) {
      if (last_ >= names.size()) {
        throw Error(ErrorCode::kInvalidArgument,
                    "leaves nothing to share of the model's " + std::to_string(names.size()) + " tensors",
                    "FedPer.last");
      }
      std::fill(out.end() - static_cast<std::ptrdiff_t>(last_), out.end(), true);
    } else {
      for (const std::size_t i : tensor_indices(tensors_, names.size(), "FedPer.tensors")) out[i] = true;
      if (std::ranges::count(out, false) == 0) {
        throw Error(ErrorCode::kInvalidArgument, "leaves nothing to share", "FedPer.tensors");
      }
    }
    return out;
  }

 private:
  std::size_t last_;
  std::string tensors_;
};

}  // namespace

std::unique_ptr<PersonalRule> make_fedper(Settings& settings) {
  const std::size_t last = settings.count("last", 2, 1, 1'000'000);
  return std::make_unique<FedPer>(last, settings.text("tensors", ""));
}

}  // namespace sedna::federated
