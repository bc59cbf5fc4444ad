// FedBN: the tensors of batch normalisation stay with the client, so that each normalises by the statistics of its own
// data; all others are averaged:   w' = FedAvg over the tensors that are not of a normalisation.
// They are told by their names (Keras', PyTorch's, Paddle's and MindSpore's), or named by their indices: tensors=2+3.
// Li et al., "FedBN: Federated Learning on Non-IID Features via Local Batch Normalization", ICLR 2021.
#include <algorithm>
#include <array>
#include <cctype>

#include "sedna/federated/personal.hpp"

namespace sedna::federated {

namespace {

/// Parts of names that only tensors of a batch normalisation have.
constexpr std::array<std::string_view, 9> kMarks = {"batch_norm",  "batchnorm",           "running_mean",
                                                    "running_var", "moving_mean",         "moving_var",
                                                    "/gamma",      "num_batches_tracked", "/beta"};

bool is_normalisation(const std::string& name) {
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::ranges::any_of(kMarks, [&](std::string_view mark) { return lower.find(mark) != std::string::npos; })) {
    return true;
  }
  // "bn1.weight", "layer1.0.bn2.bias", "block_bn/kernel", but not "subnet.weight".
  for (std::size_t at = lower.find("bn"); at != std::string::npos; at = lower.find("bn", at + 1)) {
    std::size_t after = at + 2;
    while (after < lower.size() && std::isdigit(static_cast<unsigned char>(lower[after])) != 0) ++after;
    const bool begins = at == 0 || std::isalnum(static_cast<unsigned char>(lower[at - 1])) == 0;
    const bool ends = after == lower.size() || std::isalnum(static_cast<unsigned char>(lower[after])) == 0;
    if (begins && ends) return true;
  }
  return false;
}

class FedBn final : public PersonalRule {
 public:
  explicit FedBn(std::string tensors) : tensors_(std::move(tensors)) {}
  std::string_view name() const override { return "FedBN"; }
  std::vector<bool> personal(const std::vector<std::string>& names) const override {
    std::vector<bool> out(names.size(), false);
    if (tensors_.empty()) {
      std::transform(names.begin(), names.end(), out.begin(), is_normalisation);
    } else {
      for (const std::size_t i : tensor_indices(tensors_, names.size(), "FedBN.tensors")) out[i] = true;
    }
    const auto own = static_cast<std::size_t>(std::ranges::count(out, true));
    if (own == 0) {
      throw Error(
          ErrorCode::kInvalidArgument,
          "finds no batch normalisation by the names of the model's tensors; say which they are with tensors=2+3",
          "FedBN");
    }
    if (own == out.size()) throw Error(ErrorCode::kInvalidArgument, "leaves nothing to share", "FedBN");
    return out;
  }

 private:
  std::string tensors_;
};

}  // namespace

std::unique_ptr<PersonalRule> make_fedbn(Settings& settings) {
  return std::make_unique<FedBn>(settings.text("tensors", ""));
}

}  // namespace sedna::federated
