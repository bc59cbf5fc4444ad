#include "sedna/federated/personal.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "sedna/federated/staging.hpp"
#include "sedna/net/http.hpp"
#include "sedna/storage/file_io.hpp"
#include "sedna/tensor/safetensors.hpp"

namespace sedna::federated {

namespace {

tensor::Tensor copied(const tensor::Tensor& tensor) {
  tensor::Tensor out = tensor;
  out.data = Bytes::copy_of(tensor.data.span());
  return out;
}

bool alike(const tensor::Tensor& a, const tensor::Tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape;
}

}  // namespace

std::filesystem::path personal_file(const std::string& folder, const std::string& client) {
  if (folder.empty()) return {};
  return std::filesystem::path(folder) / (net::percent_encode(client) + ".personal");
}

void save_own_tensors(const std::filesystem::path& file, const Weights& tensors) {
  if (file.empty()) return;
  Weights numbered = tensors;
  for (std::size_t i = 0; i < numbered.size(); ++i) {
    numbered[i].name = std::to_string(i) + (tensors[i].name.empty() ? "" : "." + tensors[i].name);
  }
  storage::make_folder(file.parent_path());
  storage::AtomicFile out(file, 0600);
  for (const Bytes& part : tensor::write_safetensors(numbered, {})) out.write(part.span());
  out.commit();
}

Weights load_own_tensors(const std::filesystem::path& file) {
  if (file.empty() || !std::filesystem::exists(file)) return {};
  const auto read = tensor::read_safetensors(map_file(file));
  if (!read) throw read.error().within(file.string());
  std::vector<std::pair<std::size_t, tensor::Tensor>> numbered;
  for (const auto& tensor : read->tensors) {
    std::size_t index = 0;
    const char* const end = tensor.name.data() + tensor.name.size();
    const auto [stop, bad] = std::from_chars(tensor.name.data(), end, index);
    if (bad != std::errc() || (stop != end && *stop != '.')) {
      throw Error(ErrorCode::kDataLoss, "has a tensor that no client has written: " + tensor.name, file.string());
    }
    tensor::Tensor own = copied(tensor);
    own.name = stop == end ? std::string() : std::string(stop + 1, end);
    numbered.emplace_back(index, std::move(own));
  }
  std::ranges::sort(numbered, {}, [](const auto& entry) { return entry.first; });
  Weights out;
  for (auto& [index, tensor] : numbered) out.push_back(std::move(tensor));
  return out;
}

std::vector<std::size_t> tensor_indices(const std::string& text, std::size_t count, const std::string& subject) {
  std::vector<std::size_t> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::size_t index = 0;
    const auto [stop, bad] = std::from_chars(at, end, index);
    if (bad != std::errc() || (stop != end && *stop != '+') || index >= count) {
      throw Error(ErrorCode::kInvalidArgument,
                  "is '" + text + "'; it must be indices below " + std::to_string(count) + ", as in 2+3", subject);
    }
    out.push_back(index);
    if (stop == end) return out;
    at = stop + 1;
  }
}

std::unique_ptr<PersonalRule> make_personal_rule(std::string_view text) {
  Settings settings(text);
  std::unique_ptr<PersonalRule> made;
  if (settings.name() == "FedBN") made = make_fedbn(settings);
  if (settings.name() == "FedPer") made = make_fedper(settings);
  if (!made) {
    throw Error(ErrorCode::kNotFound, "no such personalisation; there are FedBN, FedPer, and Ditto in the trainer",
                settings.name());
  }
  settings.finish();
  return made;
}

PersonalPart::PersonalPart(const std::string& rule, std::filesystem::path file)
    : rule_(rule.empty() ? nullptr : make_personal_rule(rule)), file_(std::move(file)) {}

void PersonalPart::adopt(const Weights& model) {
  if (!active() || adopted()) return;
  std::vector<std::string> names;
  names.reserve(model.size());
  for (const auto& tensor : model) names.push_back(tensor.name);
  std::vector<bool> flags = rule_->personal(names);
  Weights own;
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (flags[i]) own.push_back(copied(model[i]));
  }
  if (Weights before = load_own_tensors(file_); !before.empty()) {
    if (!std::ranges::equal(before, own, alike)) {
      throw Error(ErrorCode::kDataLoss, "holds the personal tensors of another model", file_.string());
    }
    for (std::size_t i = 0; i < own.size(); ++i) own[i].data = before[i].data;
  }
  own_ = std::move(own);
  flags_ = std::move(flags);
}

std::vector<std::size_t> PersonalPart::indices() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    if (flags_[i]) out.push_back(i);
  }
  return out;
}

Weights PersonalPart::shared(const Weights& model) {
  if (!active()) return model;
  adopt(model);
  if (model.size() != flags_.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "has " + std::to_string(model.size()) + " tensors; it had " + std::to_string(flags_.size()), "model");
  }
  Weights out;
  Weights own;
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (flags_[i]) {
      own.push_back(copied(model[i]));
    } else {
      out.push_back(model[i]);
    }
  }
  own_ = std::move(own);
  save();
  return out;
}

Weights PersonalPart::whole(const Weights& shared) const {
  if (!active()) return shared;
  if (!adopted()) throw Error(ErrorCode::kInvalidArgument, "adopt() comes first", "personal part");
  const auto others = static_cast<std::size_t>(std::ranges::count(flags_, false));
  if (shared.size() != others) {
    throw Error(ErrorCode::kInvalidArgument,
                "shares " + std::to_string(others) + " tensors, the job's model has " + std::to_string(shared.size()) +
                    ": every client must keep the same ones",
                std::string(rule_->name()));
  }
  Weights out;
  std::size_t s = 0;
  std::size_t o = 0;
  for (const bool own : flags_) out.push_back(own ? own_[o++] : shared[s++]);
  return out;
}

void PersonalPart::save() const {
  save_own_tensors(file_, own_);
}

}  // namespace sedna::federated
