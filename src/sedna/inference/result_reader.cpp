#include "sedna/inference/result_reader.hpp"

#include <algorithm>
#include <utility>

namespace sedna::inference {
namespace {

using tensor::DType;
using tensor::Tensor;

bool is_float(DType dtype) {
  return dtype == DType::kFp32 || dtype == DType::kFp64;
}

bool is_integer(DType dtype) {
  switch (dtype) {
    case DType::kUint8:
    case DType::kUint16:
    case DType::kUint32:
    case DType::kUint64:
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
      return true;
    default:
      return false;
  }
}

/// Calls `use` with the elements as a span of the dtype's C++ type; false for dtypes that have none here.
template <class Use>
bool with_elements(const Tensor& tensor, Use&& use) {
  switch (tensor.dtype) {
    case DType::kBool:
    case DType::kUint8:
      use(tensor.as<std::uint8_t>());
      return true;
    case DType::kUint16:
      use(tensor.as<std::uint16_t>());
      return true;
    case DType::kUint32:
      use(tensor.as<std::uint32_t>());
      return true;
    case DType::kUint64:
      use(tensor.as<std::uint64_t>());
      return true;
    case DType::kInt8:
      use(tensor.as<std::int8_t>());
      return true;
    case DType::kInt16:
      use(tensor.as<std::int16_t>());
      return true;
    case DType::kInt32:
      use(tensor.as<std::int32_t>());
      return true;
    case DType::kInt64:
      use(tensor.as<std::int64_t>());
      return true;
    case DType::kFp32:
      use(tensor.as<float>());
      return true;
    case DType::kFp64:
      use(tensor.as<double>());
      return true;
    default:
      return false;
  }
}

const Tensor* find_output(std::span<const Tensor> tensors, std::string_view name) {
  const auto it = std::ranges::find(tensors, name, &Tensor::name);
  return it == tensors.end() ? nullptr : &*it;
}

const Tensor* first_float(std::span<const Tensor> tensors) {
  const auto it = std::ranges::find_if(tensors, [](const Tensor& t) { return is_float(t.dtype); });
  return it == tensors.end() ? nullptr : &*it;
}

/// One sample only: every dimension but the last is 1.
bool is_row(const Tensor& tensor) {
  return tensor.shape.empty() ||
         std::all_of(tensor.shape.begin(), tensor.shape.end() - 1, [](std::int64_t d) { return d == 1; });
}

bool read_classes(std::span<const Tensor> tensors, const std::string& output, std::vector<double>& values) {
  const Tensor* tensor = output.empty() ? first_float(tensors) : find_output(tensors, output);
  return tensor != nullptr && is_row(*tensor) && append_doubles(*tensor, values);
}

bool read_boxes(std::span<const Tensor> tensors, const std::string& output, std::vector<double>& values) {
  if (const Tensor* scores = find_output(tensors, output.empty() ? "scores" : output);
      scores != nullptr && is_row(*scores)) {
    return append_doubles(*scores, values);
  }
  for (const Tensor& tensor : tensors) {
    const std::size_t rank = tensor.shape.size();
    if (!output.empty() && tensor.name != output) continue;
    const bool boxes = is_float(tensor.dtype) && (rank == 2 || (rank == 3 && tensor.shape[0] == 1)) &&
                       tensor.shape[rank - 1] >= 5 && tensor.shape[rank - 2] >= 0;
    if (!boxes) continue;
    const auto columns = static_cast<std::size_t>(tensor.shape[rank - 1]);
    const auto rows = static_cast<std::size_t>(tensor.shape[rank - 2]);
    return with_elements(tensor, [&](const auto& elements) {
      for (std::size_t row = 0; row < rows && row * columns + 4 < elements.size(); ++row) {
        values.push_back(static_cast<double>(elements[row * columns + 4]));
      }
    });
  }
  return false;
}

}  // namespace

bool append_doubles(const Tensor& tensor, std::vector<double>& values) {
  return with_elements(tensor, [&](const auto& elements) {
    for (const auto element : elements) values.push_back(static_cast<double>(element));
  });
}

ResultReader default_reader(algo::EdgeResult::Form form, std::string output) {
  if (form == algo::EdgeResult::Form::kBoxScores) {
    return [output = std::move(output)](std::span<const Tensor> tensors, std::vector<double>& values) {
      return read_boxes(tensors, output, values);
    };
  }
  return [output = std::move(output)](std::span<const Tensor> tensors, std::vector<double>& values) {
    return read_classes(tensors, output, values);
  };
}

std::optional<std::int64_t> label_of(std::span<const Tensor> outputs) {
  std::optional<std::int64_t> label;
  for (const Tensor& tensor : outputs) {
    if (!is_integer(tensor.dtype) || tensor.data.size() != tensor::dtype_size(tensor.dtype)) continue;
    with_elements(tensor, [&](const auto& elements) { label = static_cast<std::int64_t>(elements[0]); });
    return label;
  }
  const Tensor* scores = first_float(outputs);
  if (scores == nullptr || !is_row(*scores)) return label;
  with_elements(*scores, [&](const auto& elements) {
    if (elements.size() > 1) label = std::distance(elements.begin(), std::ranges::max_element(elements));
  });
  return label;
}

std::vector<Tensor> take_sample(std::span<const Tensor> batch, std::int64_t index, std::int64_t count) {
  std::vector<Tensor> sample;
  sample.reserve(batch.size());
  for (const Tensor& tensor : batch) {
    const std::size_t unit = tensor::dtype_size(tensor.dtype);
    if (count < 1 || tensor.shape.empty() || tensor.shape.front() != count || unit == 0 ||
        tensor.data.size() % static_cast<std::size_t>(count) != 0) {
      sample.push_back(tensor);
      continue;
    }
    Tensor one = tensor;
    one.shape.front() = 1;
    const std::size_t row = tensor.data.size() / static_cast<std::size_t>(count);
    one.data = tensor.data.slice(static_cast<std::size_t>(index) * row, row);
    if (reinterpret_cast<std::uintptr_t>(one.data.data()) % unit != 0) one.data = Bytes::copy_of(one.data.span());
    sample.push_back(std::move(one));
  }
  return sample;
}

}  // namespace sedna::inference
