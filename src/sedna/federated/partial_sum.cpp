#include "sedna/federated/partial_sum.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

using tensor::DType;
using tensor::Tensor;

namespace {

constexpr std::string_view kLow = "sum.low.";
constexpr double kMostClients = 1e9;
constexpr double kMostWeight = 1e18;

std::string plain(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

Error wrong(const char* key, const std::string& why) {
  return {ErrorCode::kInvalidArgument, why, std::string("__metadata__.") + key};
}

Result<double> number_of(const tensor::Metadata& metadata, const char* key, bool required) {
  const auto text = tensor::find_metadata(metadata, key);
  if (!text) {
    if (required) return wrong(key, "is missing");
    return 0.0;
  }
  double value = 0;
  const auto [end, bad] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (bad != std::errc() || end != text->data() + text->size() || !std::isfinite(value)) {
    return wrong(key, "is no number");
  }
  return value;
}

std::vector<std::string_view> split(std::string_view list) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    out.push_back(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return out;
}

/// Lists of arrays have no names of their own: see update_file.cpp.
std::string file_name(const std::string& name, std::size_t index) {
  return name.empty() ? "weights." + std::to_string(index) : name;
}
std::string own_name(const std::string& name, std::size_t index) {
  return name == "weights." + std::to_string(index) ? std::string() : name;
}

Result<void> read_dtypes(const tensor::Metadata& metadata, PartialSum& sum) {
  const auto names = split(tensor::find_metadata(metadata, "sum.dtypes").value_or(""));
  if (names.size() != sum.manifest.tensors.size()) {
    return wrong("sum.dtypes", "names " + std::to_string(names.size()) + " dtypes for " +
                                   std::to_string(sum.manifest.tensors.size()) + " tensors");
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto dtype = tensor::dtype_from_safetensors(names[i]);
    if (!dtype || (*dtype != DType::kFp32 && *dtype != DType::kFp64)) {
      return wrong("sum.dtypes", "has '" + std::string(names[i]) + "'; it must be F32 or F64");
    }
    sum.manifest.tensors[i].dtype = *dtype;
  }
  return {};
}

Result<void> read_scales(const tensor::Metadata& metadata, PartialSum& sum) {
  const auto texts = split(tensor::find_metadata(metadata, "sum.scales").value_or(""));
  for (const std::string_view text : texts) {
    int scale = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), scale);
    if (bad != std::errc() || end != text.data() + text.size()) {
      return wrong("sum.scales", "has '" + std::string(text) + "', which is no whole number");
    }
    sum.scales.push_back(scale);
  }
  const std::size_t want = sum.kind == PartialSum::Kind::kStrict ? sum.manifest.tensors.size() : 0;
  if (sum.scales.size() == want) return {};
  return wrong("sum.scales",
               "has " + std::to_string(sum.scales.size()) + " scales; there must be " + std::to_string(want));
}

/// The tensors' names, dtypes and shapes as sums of which model they are. `T` is a header's entry or a tensor.
template <class T>
Result<PartialSum> form_of(const tensor::Metadata& metadata, const std::vector<T>& tensors) {
  PartialSum sum;
  const auto kind = tensor::find_metadata(metadata, "sum").value_or("");
  if (kind != "mean" && kind != "strict")
    return wrong("sum", "is '" + std::string(kind) + "'; it must be mean or strict");
  sum.kind = kind == "mean" ? PartialSum::Kind::kMean : PartialSum::Kind::kStrict;
  const auto clients = number_of(metadata, "sum.clients", true);
  if (!clients) return clients.error();
  if (!(*clients >= 1 && *clients <= kMostClients) || *clients != std::floor(*clients)) {
    return wrong("sum.clients", "must be a whole number above 0");
  }
  sum.clients = static_cast<std::size_t>(*clients);
  const auto total = number_of(metadata, "sum.weight", true);
  const auto low = number_of(metadata, "sum.weight_low", false);
  if (!total) return total.error();
  if (!low) return low.error();
  sum.total = *total;
  sum.total_low = *low;
  const double whole = sum.total + sum.total_low;
  if (!(sum.total > 0 && whole > 0 && whole <= kMostWeight) || std::abs(sum.total_low) > sum.total) {
    return wrong("sum.weight", "must be above 0 and at most 1e18");
  }
  const DType wide = sum.kind == PartialSum::Kind::kMean ? DType::kFp64 : DType::kInt64;
  sum.manifest.set = true;
  std::vector<const T*> lows;
  for (const T& tensor : tensors) {
    const std::string label = "'" + tensor.name + "'";
    if (tensor.dtype != wide) {
      return Error(ErrorCode::kInvalidArgument,
                   "is " + std::string(tensor::dtype_name(tensor.dtype)) + "; sums of this kind are " +
                       std::string(tensor::dtype_name(wide)),
                   label);
    }
    if (tensor.name.starts_with(kLow)) {
      lows.push_back(&tensor);
      continue;
    }
    if (!lows.empty()) return Error(ErrorCode::kInvalidArgument, "stands behind the sums' second parts", label);
    sum.manifest.tensors.push_back({own_name(tensor.name, sum.manifest.tensors.size()), wide, tensor.shape});
  }
  if (sum.manifest.tensors.empty()) return Error(ErrorCode::kInvalidArgument, "has no tensors", "update");
  if (const auto read = read_dtypes(metadata, sum); !read) return read.error();
  if (const auto read = read_scales(metadata, sum); !read) return read.error();
  std::size_t next = 0;
  for (std::size_t i = 0; i < sum.manifest.tensors.size() && sum.kind == PartialSum::Kind::kMean; ++i) {
    const Manifest::Entry& entry = sum.manifest.tensors[i];
    if (entry.dtype != DType::kFp64) continue;
    const std::string want = std::string(kLow) + file_name(entry.name, i);
    if (next >= lows.size() || lows[next]->name != want || lows[next]->shape != entry.shape) {
      return Error(ErrorCode::kInvalidArgument, "must be there, in its weight's shape", "'" + want + "'");
    }
    ++next;
  }
  if (next != lows.size()) {
    return Error(ErrorCode::kInvalidArgument, "belongs to no FP64 tensor", "'" + lows[next]->name + "'");
  }
  return sum;
}

Result<void> check_against(const Manifest& sum, const Manifest& model) {
  if (!model.set) return {};
  if (sum.tensors.size() != model.tensors.size()) {
    return Error(
        ErrorCode::kInvalidArgument,
        "has " + std::to_string(sum.tensors.size()) + " tensors, the model has " + std::to_string(model.tensors.size()),
        "weights");
  }
  for (std::size_t i = 0; i < sum.tensors.size(); ++i) {
    const std::string label = Manifest::label(i, sum.tensors[i].name);
    const auto& want = model.tensors[i];
    if (sum.tensors[i].name != want.name) {
      return Error(ErrorCode::kInvalidArgument, "is called so where the model has '" + want.name + "'", label);
    }
    if (sum.tensors[i].shape != want.shape) {
      return Error(ErrorCode::kInvalidArgument, "has another shape than the model's", label);
    }
    if (sum.tensors[i].dtype != want.dtype) {
      return Error(ErrorCode::kInvalidArgument,
                   "is a sum of " + std::string(tensor::dtype_name(sum.tensors[i].dtype)) + ", the model's is " +
                       std::string(tensor::dtype_name(want.dtype)),
                   label);
    }
  }
  return {};
}

Result<void> check_values(const Tensor& tensor, double limit, const std::string& label) {
  std::size_t at = 0;
  const auto values = tensor.as<double>();
  unsigned bad = 0;
  for (const double value : values) bad |= static_cast<unsigned>(!(std::abs(value) <= limit));  // NaN compares false
  if (bad == 0) return {};
  while (std::abs(values[at]) <= limit) ++at;
  const char* const what = std::isnan(values[at])   ? "NaN"
                           : std::isinf(values[at]) ? "infinite"
                                                    : "too large for the weights in the sum";
  return Error(ErrorCode::kInvalidArgument, "element " + std::to_string(at) + " is " + what, label);
}

}  // namespace

bool is_partial_sum(const tensor::Metadata& metadata) {
  return tensor::find_metadata(metadata, "sum").has_value();
}

std::vector<Bytes> write_partial_sum(const UpdateInfo& info, const PartialSum& sum) {
  tensor::Metadata metadata = update_metadata(info);
  metadata.emplace_back("sum", sum.kind == PartialSum::Kind::kMean ? "mean" : "strict");
  metadata.emplace_back("sum.clients", std::to_string(sum.clients));
  metadata.emplace_back("sum.weight", plain(sum.total));
  if (sum.total_low != 0) metadata.emplace_back("sum.weight_low", plain(sum.total_low));
  std::string dtypes, scales;
  for (const auto& entry : sum.manifest.tensors) {
    dtypes += (dtypes.empty() ? "" : ",") + std::string(tensor::safetensors_dtype(entry.dtype));
  }
  for (const int scale : sum.scales) scales += (scales.empty() ? "" : ",") + std::to_string(scale);
  metadata.emplace_back("sum.dtypes", dtypes);
  if (!scales.empty()) metadata.emplace_back("sum.scales", scales);
  Weights tensors;
  std::vector<std::string> wide;
  for (std::size_t i = 0; i < sum.sums.size(); ++i) {
    tensors.push_back(sum.sums[i]);
    tensors.back().name = file_name(sum.manifest.tensors[i].name, i);
    if (sum.manifest.tensors[i].dtype == DType::kFp64) wide.push_back(std::string(kLow) + tensors.back().name);
  }
  for (std::size_t i = 0; i < sum.lows.size(); ++i) {
    tensors.push_back(sum.lows[i]);
    tensors.back().name = wide.at(i);
  }
  return tensor::write_safetensors(tensors, metadata);
}

Result<void> check_partial_sum_header(const tensor::SafetensorsHeader& header, const Manifest& manifest) {
  const auto form = form_of(header.metadata, header.tensors);
  return form ? check_against(form->manifest, manifest) : Result<void>(form.error());
}

Result<Update> read_partial_sum(const Bytes& file, const std::string& client) {
  auto read = tensor::read_safetensors(file);
  if (!read) return read.error();
  const auto info = read_update_info(read->header.metadata);
  if (!info) return info.error();
  auto form = form_of(read->header.metadata, read->tensors);
  if (!form) return form.error();
  PartialSum sum = std::move(*form);
  const std::size_t count = sum.manifest.tensors.size();
  for (std::size_t i = 0; i < read->tensors.size(); ++i) {
    (i < count ? sum.sums : sum.lows).push_back(std::move(read->tensors[i]));
  }
  Update update;
  update.client = client;
  update.weight = info->samples;
  update.partial = std::make_shared<const PartialSum>(std::move(sum));
  return update;
}

Result<void> check_partial_sum_form(const Update& update, const Manifest& manifest) {
  if (!(update.weight > 0) || !std::isfinite(update.weight)) {
    return Error(ErrorCode::kInvalidArgument, "must be above 0 and finite", "num_samples");
  }
  return check_against(update.partial->manifest, manifest);
}

Result<void> check_partial_sum(const Update& update, const Manifest& manifest) {
  if (const auto fits = check_partial_sum_form(update, manifest); !fits) return fits;
  const PartialSum& sum = *update.partial;
  if (sum.kind == PartialSum::Kind::kStrict) return {};  // what is too large depends on the round's range
  std::size_t low = 0;
  for (std::size_t i = 0; i < sum.sums.size(); ++i) {
    const std::string label = Manifest::label(i, sum.manifest.tensors[i].name);
    const bool wide = sum.manifest.tensors[i].dtype == DType::kFp64;
    // No mean of finite values is larger than the largest of them.
    const double largest = wide ? kMaxProduct : static_cast<double>(std::numeric_limits<float>::max());
    const double limit = std::min(kMaxProduct, sum.total * largest);
    if (const auto finite = check_values(sum.sums[i], limit, label); !finite) return finite;
    if (!wide) continue;
    if (const auto finite = check_values(sum.lows[low++], limit, label); !finite) return finite;
  }
  return {};
}

}  // namespace sedna::federated
