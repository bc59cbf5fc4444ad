#include "sedna/inference/predict_json.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "sedna/inference/onnx_estimator.hpp"
#include "sedna/json/json.hpp"
#include "sedna/tensor/json_tensor.hpp"

namespace sedna::inference {

using tensor::DType;
using tensor::Tensor;

namespace {

template <class To, class From>
bool convert_all(std::span<const From> from, std::byte* to, std::size_t& bad) {
  To* out = reinterpret_cast<To*>(to);
  for (std::size_t i = 0; i < from.size(); ++i) {
    const From v = from[i];
    if constexpr (std::is_floating_point_v<To>) {
      out[i] = static_cast<To>(v);
    } else if constexpr (std::is_floating_point_v<From>) {
      // 2^63 and 2^64 are exact doubles; the maximum of the type itself may not be.
      constexpr double kLow = static_cast<double>(std::numeric_limits<To>::min());
      const double high = std::ldexp(1.0, std::numeric_limits<To>::digits);
      if (!(v >= kLow && v < high) || std::trunc(v) != v) {
        bad = i;
        return false;
      }
      out[i] = static_cast<To>(v);
    } else {
      if (!std::in_range<To>(v)) {
        bad = i;
        return false;
      }
      out[i] = static_cast<To>(v);
    }
  }
  return true;
}

template <class From>
bool convert_to(std::span<const From> from, DType dtype, std::byte* to, std::size_t& bad) {
  switch (dtype) {
    case DType::kUint8:
      return convert_all<std::uint8_t>(from, to, bad);
    case DType::kUint16:
      return convert_all<std::uint16_t>(from, to, bad);
    case DType::kUint32:
      return convert_all<std::uint32_t>(from, to, bad);
    case DType::kUint64:
      return convert_all<std::uint64_t>(from, to, bad);
    case DType::kInt8:
      return convert_all<std::int8_t>(from, to, bad);
    case DType::kInt16:
      return convert_all<std::int16_t>(from, to, bad);
    case DType::kInt32:
      return convert_all<std::int32_t>(from, to, bad);
    case DType::kInt64:
      return convert_all<std::int64_t>(from, to, bad);
    case DType::kFp32:
      return convert_all<float>(from, to, bad);
    case DType::kFp64:
      return convert_all<double>(from, to, bad);
    default:
      return false;
  }
}

std::string index_path(const tensor::Shape& shape, std::size_t flat) {
  std::string path;
  for (std::size_t i = shape.size(); i-- > 0;) {
    const auto d = static_cast<std::size_t>(std::max<std::int64_t>(shape[i], 1));
    path.insert(0, "[" + std::to_string(flat % d) + "]");
    flat /= d;
  }
  return path;
}

Error unfit(std::string message, std::string subject) {
  return Error(ErrorCode::kInvalidArgument, std::move(message), std::move(subject));
}

/// Numbers that were read already, as the model's type and shape.
Result<Tensor> numeric_input(const TensorSpec& spec, tensor::JsonArray array, const std::string& where) {
  if (array.kind != tensor::JsonArray::Kind::kNumeric) return unfit("the model takes numbers: " + array.reason, where);
  Tensor t = std::move(array.tensor);
  t.name = spec.name;
  if (t.shape.size() + 1 == spec.shape.size() && (spec.shape[0] == -1 || spec.shape[0] == 1)) {
    t.shape.insert(t.shape.begin(), 1);
  }
  if (!shape_fits(spec.shape, t.shape)) {
    return unfit("has the shape " + shape_text(t.shape) + ", the model's input '" + spec.name + "' takes " +
                     shape_text(spec.shape),
                 where);
  }
  auto converted = convert_numeric(std::move(t), spec.dtype);
  if (!converted) return unfit(converted.error().message(), where + converted.error().subject());
  return converted;
}

/// One array for one input of the model.
Result<Tensor> one_input(const TensorSpec& spec, json::Scanner& scanner, const std::string& where) {
  if (scanner.peek() != json::Token::kArray) return unfit("must be a list", where);
  if (spec.dtype == DType::kBytes || spec.dtype == DType::kBool) {
    // Strings and booleans have no untyped form: the shape is the model's, with its one variable dimension counted.
    json::Scanner counting = scanner;
    bool first = true;
    std::int64_t n = 0;
    if (!counting.enter()) return counting.error();
    while (counting.next_element(first)) {
      if (!counting.skip_value()) break;
      ++n;
    }
    if (counting.failed()) return counting.error();
    tensor::Shape shape = spec.shape;
    if (!shape.empty() && shape[0] < 0) shape[0] = n;
    if (std::ranges::count(shape, -1) > 0)
      return unfit("needs one variable dimension at most for lists of this type", where);
    auto bytes = tensor::read_typed_array(scanner, spec.dtype, shape);
    if (!bytes) return unfit(bytes.error().message(), where + bytes.error().subject());
    return Tensor{spec.name, spec.dtype, std::move(shape), std::move(*bytes)};
  }
  auto array = tensor::read_array(scanner);
  if (!array) return scanner.error();
  return numeric_input(spec, std::move(*array), where);
}

}  // namespace

std::string detail_body(std::string_view text) {
  return json::write(json::object{{"detail", text}});
}

Result<Tensor> convert_numeric(Tensor tensor, DType dtype) {
  if (tensor.dtype == dtype) return tensor;
  if (dtype == DType::kFp16 || dtype == DType::kBf16 || dtype == DType::kBool || dtype == DType::kBytes) {
    return unfit("numbers cannot become " + std::string(tensor::dtype_name(dtype)), {});
  }
  const auto bytes = tensor::element_count(tensor.shape, tensor::dtype_size(dtype));
  if (!bytes) return bytes.error();
  AlignedBuffer buffer(static_cast<std::size_t>(*bytes));
  std::size_t bad = 0;
  const bool fits = tensor.dtype == DType::kInt64 ? convert_to(tensor.as<std::int64_t>(), dtype, buffer.data(), bad)
                                                  : convert_to(tensor.as<double>(), dtype, buffer.data(), bad);
  if (!fits) return unfit("does not fit " + std::string(tensor::dtype_name(dtype)), index_path(tensor.shape, bad));
  tensor.dtype = dtype;
  tensor.data = std::move(buffer).freeze();
  return tensor;
}

Result<std::vector<Tensor>> predict_inputs(const ModelMetadata& metadata, tensor::PredictBody body) {
  json::Limits limits;
  limits.allow_nan = true;
  limits.max_bytes = std::numeric_limits<std::size_t>::max();
  json::Scanner scanner(body.data_text.text(), limits);
  std::vector<Tensor> inputs;
  if (metadata.inputs.size() == 1) {
    const TensorSpec& spec = metadata.inputs[0];
    const bool typed = spec.dtype != DType::kBytes && spec.dtype != DType::kBool;
    auto t = typed ? numeric_input(spec, std::move(body.data), "data") : one_input(spec, scanner, "data");
    if (!t) return t.error();
    inputs.push_back(std::move(*t));
    return inputs;
  }
  bool first = true;
  if (scanner.peek() != json::Token::kArray || !scanner.enter()) return unfit("must be a list", "data");
  while (scanner.next_element(first)) {
    const std::string where = "data[" + std::to_string(inputs.size()) + "]";
    if (inputs.size() == metadata.inputs.size()) break;
    auto t = one_input(metadata.inputs[inputs.size()], scanner, where);
    if (!t) return t.error();
    inputs.push_back(std::move(*t));
  }
  if (scanner.failed()) return scanner.error();
  if (inputs.size() != metadata.inputs.size() || scanner.peek() != json::Token::kNone) {
    return unfit(
        "must be a list of " + std::to_string(metadata.inputs.size()) + " arrays, one for each input of the model",
        "data");
  }
  return inputs;
}

Result<std::string> predict_result(std::span<const Tensor> outputs) {
  std::string text = "{\"result\":";
  if (outputs.size() != 1) text += '[';
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) text += ',';
    if (auto r = tensor::append_lists(text, outputs[i]); !r) return r.error().within(outputs[i].name);
  }
  if (outputs.size() != 1) text += ']';
  text += '}';
  return text;
}

}  // namespace sedna::inference
