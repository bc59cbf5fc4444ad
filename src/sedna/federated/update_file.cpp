#include "sedna/federated/update_file.hpp"

#include <charconv>
#include <cmath>

#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

using tensor::DType;
using tensor::Tensor;

namespace {

constexpr std::string_view kExtra = "extra.";
constexpr std::string_view kMetric = "metric.";

std::string plain(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

Result<double> number(std::string_view text, std::string_view key) {
  double value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size()) {
    return Error(ErrorCode::kInvalidArgument, "is no number", "__metadata__." + std::string(key));
  }
  return value;
}

std::string file_name(const Tensor& tensor, std::size_t index) {
  return tensor.name.empty() ? "weights." + std::to_string(index) : tensor.name;
}
/// Lists of arrays have no names of their own.
std::string own_name(std::string name, std::size_t index) {
  return name == "weights." + std::to_string(index) ? std::string() : name;
}

std::vector<Tensor> named(const Weights& weights, const Weights& extra) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    out.push_back(weights[i]);
    out.back().name = file_name(weights[i], i);
  }
  for (std::size_t i = 0; i < extra.size(); ++i) {
    out.push_back(extra[i]);
    out.back().name = std::string(kExtra) + file_name(i < weights.size() ? weights[i] : extra[i], i);
  }
  return out;
}

void split(std::vector<Tensor> tensors, Weights& weights, Weights& extra) {
  for (Tensor& tensor : tensors) {
    if (tensor.name.starts_with(kExtra)) {
      tensor.name.clear();  // it stands where its weight stands
      extra.push_back(std::move(tensor));
    } else {
      tensor.name = own_name(std::move(tensor.name), weights.size());
      weights.push_back(std::move(tensor));
    }
  }
}

}  // namespace

Result<UpdateInfo> read_update_info(const tensor::Metadata& metadata) {
  UpdateInfo info;
  for (const auto& [key, value] : metadata) {
    if (key == "codec") info.codec = value;
    const bool metric = key.starts_with(kMetric);
    if (!metric && key != "round" && key != "num_samples" && key != "steps") continue;
    const auto n = number(value, key);
    if (!n) return n.error();
    if (metric) {
      if (std::isfinite(*n) && info.metrics.size() < 64) info.metrics[key.substr(kMetric.size())] = *n;
    } else if (key == "round") {
      if (!(*n >= 0 && *n <= 1e9) || *n != std::floor(*n)) {
        return Error(ErrorCode::kInvalidArgument, "is no round", "__metadata__.round");
      }
      info.round = static_cast<std::int64_t>(*n);
    } else {
      (key == "steps" ? info.steps : info.samples) = *n;
    }
  }
  return info;
}

tensor::Metadata update_metadata(const UpdateInfo& info) {
  tensor::Metadata out = {{"round", std::to_string(info.round)}, {"num_samples", plain(info.samples)}};
  if (info.steps > 0) out.emplace_back("steps", plain(info.steps));
  if (!info.codec.empty()) out.emplace_back("codec", info.codec);
  for (const auto& [name, value] : info.metrics) out.emplace_back(std::string(kMetric) + name, plain(value));
  return out;
}

std::vector<Bytes> write_update_file(const UpdateInfo& info, const Weights& weights, const Weights& extra) {
  return tensor::write_safetensors(named(weights, extra), update_metadata(info));
}

Result<void> check_update_header(const tensor::SafetensorsHeader& header, const Manifest& manifest, bool extra) {
  std::size_t weights = 0;
  std::size_t extras = 0;
  for (const auto& entry : header.tensors) {
    const bool beside = entry.name.starts_with(kExtra);
    const std::size_t index = beside ? extras++ : weights++;
    const std::string label = "'" + entry.name + "'";
    if (entry.dtype != DType::kFp32 && entry.dtype != DType::kFp64) {
      return Error(ErrorCode::kInvalidArgument,
                   "is " + std::string(tensor::dtype_name(entry.dtype)) + "; only FP32 and FP64 can be averaged",
                   label);
    }
    if (!manifest.set) continue;
    if (index >= manifest.tensors.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   "is one more than the model has (" + std::to_string(manifest.tensors.size()) + ")", label);
    }
    const auto& want = manifest.tensors[index];
    if (!beside && own_name(entry.name, index) != want.name) {
      return Error(ErrorCode::kInvalidArgument, "is called so where the model has '" + want.name + "'", label);
    }
    if (entry.shape != want.shape) {
      return Error(ErrorCode::kInvalidArgument, "has another shape than the model's", label);
    }
  }
  if (manifest.set && weights != manifest.tensors.size()) {
    return Error(
        ErrorCode::kInvalidArgument,
        "has " + std::to_string(weights) + " tensors, the model has " + std::to_string(manifest.tensors.size()),
        "weights");
  }
  if ((extra || extras > 0) && extras != weights) {
    return Error(ErrorCode::kInvalidArgument,
                 "has " + std::to_string(extras) + " tensors for " + std::to_string(weights) + " weights", "extra");
  }
  return {};
}

Result<Update> read_update_file(const Bytes& file, const std::string& client) {
  auto read = tensor::read_safetensors(file);
  if (!read) return read.error();
  const auto info = read_update_info(read->header.metadata);
  if (!info) return info.error();
  Update update;
  update.client = client;
  update.weight = info->samples;
  update.steps = info->steps;
  split(std::move(read->tensors), update.weights, update.extra);
  return update;
}

std::vector<Bytes> write_model_file(const Model& model, const tensor::Metadata& metadata) {
  return tensor::write_safetensors(named(model.weights, model.extra), metadata);
}

Model read_model_file(const Bytes& file) {
  auto read = tensor::read_safetensors(file);
  if (!read) throw Error(ErrorCode::kDataLoss, read.error().what(), "model");
  Model model;
  if (const auto text = tensor::find_metadata(read->header.metadata, "round")) {
    const auto n = number(*text, "round");
    if (n) model.round = static_cast<std::int64_t>(*n);
  }
  split(std::move(read->tensors), model.weights, model.extra);
  return model;
}

void conform(Weights& weights, const Manifest& manifest) {
  if (!manifest.set || weights.size() != manifest.tensors.size()) return;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    Tensor& tensor = weights[i];
    const DType want = manifest.tensors[i].dtype;
    const bool floats = (tensor.dtype == DType::kFp32 || tensor.dtype == DType::kFp64) && tensor.validate().has_value();
    if (tensor.dtype == want || !floats) continue;
    const std::size_t count = elements_of(tensor);
    AlignedBuffer buffer(count * tensor::dtype_size(want));
    if (want == DType::kFp32) {
      auto* const to = reinterpret_cast<float*>(buffer.data());
      const auto from = tensor.as<double>();
      for (std::size_t k = 0; k < count; ++k) to[k] = static_cast<float>(from[k]);
    } else {
      auto* const to = reinterpret_cast<double*>(buffer.data());
      const auto from = tensor.as<float>();
      for (std::size_t k = 0; k < count; ++k) to[k] = static_cast<double>(from[k]);
    }
    tensor.dtype = want;
    tensor.data = std::move(buffer).freeze();
  }
}

}  // namespace sedna::federated
