#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <utility>

#include "sedna/json/json.hpp"
#include "sedna/tensor/json_tensor.hpp"
#include "sedna/tensor/oip.hpp"

namespace sedna::tensor::oip {
namespace {

/// Collects the JSON part and the binary parts of one body.
class BodyWriter {
 public:
  explicit BodyWriter(bool pad) : pad_(pad) {}

  std::string& json() { return json_; }

  void string_member(std::string_view name, std::string_view value) {
    separate();
    json::append_string(json_, name);
    json_ += ':';
    json::append_string(json_, value);
  }
  void raw_member(std::string_view name, std::string_view value) {
    separate();
    json::append_string(json_, name);
    json_ += ':';
    json_ += value;
  }
  void open(char bracket) {
    separate();
    json_ += bracket;
    first_ = true;
  }
  void open_member(std::string_view name, char bracket) {
    separate();
    json::append_string(json_, name);
    json_ += ':';
    json_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    json_ += bracket;
    first_ = false;
  }

  /// The rest of a tensor's object: its data as numbers here or as bytes behind the JSON.
  Result<void> data(const Tensor& tensor, bool binary) {
    if (binary) {
      if (const Result<void> valid = tensor.validate(); !valid) return valid;
      raw_member("parameters", "{\"binary_data_size\":" + std::to_string(tensor.data.size()) + "}");
      binary_ = true;
      if (!tensor.data.empty()) tensors_.push_back(tensor.data);
      return {};
    }
    if (tensor.dtype == DType::kFp16 || tensor.dtype == DType::kBf16) {
      return Error(ErrorCode::kInvalidArgument,
                   std::string(dtype_name(tensor.dtype)) + " has no JSON form; ask for it as binary data", "data");
    }
    separate();
    json_ += "\"data\":";
    return append_lists(json_, tensor, ListStyle{",", false, false});
  }

  static std::string shape_text(const Shape& shape) {
    std::string text = "[";
    for (const std::int64_t dim : shape) text += (text.size() > 1 ? "," : "") + std::to_string(dim);
    return text + "]";
  }

  EncodedBody finish() && {
    EncodedBody body;
    if (binary_) {
      if (pad_ && !tensors_.empty())
        json_.append((kBufferAlignment - json_.size() % kBufferAlignment) % kBufferAlignment, ' ');
      body.header_length = json_.size();
    }
    body.parts.reserve(1 + tensors_.size());
    body.parts.push_back(Bytes::from_string(std::move(json_)));
    for (Bytes& tensor : tensors_) body.parts.push_back(std::move(tensor));
    return body;
  }

 private:
  void separate() {
    if (!first_) json_ += ',';
    first_ = false;
  }

  std::string json_;
  std::vector<Bytes> tensors_;
  bool pad_;
  bool binary_ = false;
  bool first_ = true;
};

/// A number as a class's score is printed.
Result<std::vector<double>> as_doubles(const Tensor& tensor) {
  std::vector<double> values;
  const auto fill = [&]<class T>(T) {
    values.resize(tensor.data.size() / sizeof(T));
    for (std::size_t i = 0; i < values.size(); ++i) {
      T value;
      std::memcpy(&value, tensor.data.data() + i * sizeof(T), sizeof(T));
      values[i] = static_cast<double>(value);
    }
  };
  switch (tensor.dtype) {
    case DType::kUint8:
      fill(std::uint8_t{});
      break;
    case DType::kUint16:
      fill(std::uint16_t{});
      break;
    case DType::kUint32:
      fill(std::uint32_t{});
      break;
    case DType::kUint64:
      fill(std::uint64_t{});
      break;
    case DType::kInt8:
      fill(std::int8_t{});
      break;
    case DType::kInt16:
      fill(std::int16_t{});
      break;
    case DType::kInt32:
      fill(std::int32_t{});
      break;
    case DType::kInt64:
      fill(std::int64_t{});
      break;
    case DType::kFp32:
      fill(float{});
      break;
    case DType::kFp64:
      fill(double{});
      break;
    default:
      return Error(ErrorCode::kInvalidArgument,
                   std::string(dtype_name(tensor.dtype)) + " has no classification; ask for the tensor itself");
  }
  return values;
}

/// The top classes of each row (of the whole tensor when it has one dimension) as strings "score:index".
Result<Tensor> classify(const Tensor& tensor, std::uint32_t top) {
  if (const Result<void> valid = tensor.validate(); !valid) return valid.error();
  const Result<std::vector<double>> scores = as_doubles(tensor);
  if (!scores) return scores.error();
  const std::size_t rows = tensor.shape.size() > 1 ? static_cast<std::size_t>(tensor.shape.front()) : 1;
  const std::size_t classes = rows == 0 ? 0 : scores->size() / rows;
  const std::size_t wanted = std::min<std::size_t>(top, classes);
  std::vector<std::string> texts;
  std::vector<std::size_t> order(classes);
  for (std::size_t row = 0; row < rows; ++row) {
    const double* const score = scores->data() + row * classes;
    std::iota(order.begin(), order.end(), std::size_t{0});
    // NaN last, equal scores by index: an ordering must stay one.
    const auto better = [score](std::size_t a, std::size_t b) {
      const bool a_is_number = score[a] == score[a];
      const bool b_is_number = score[b] == score[b];
      if (a_is_number != b_is_number) return a_is_number;
      return a_is_number && score[a] != score[b] ? score[a] > score[b] : a < b;
    };
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(wanted), order.end(), better);
    for (std::size_t i = 0; i < wanted; ++i) {
      char number[64];
      std::snprintf(number, sizeof number, "%f", score[order[i]]);
      texts.push_back(std::string(number) + ":" + std::to_string(order[i]));
    }
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  Tensor result = make_bytes_tensor(tensor.name, views);
  if (tensor.shape.size() > 1) result.shape = {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(wanted)};
  return result;
}

}  // namespace

std::size_t EncodedBody::size() const {
  std::size_t total = 0;
  for (const Bytes& part : parts) total += part.size();
  return total;
}

std::string EncodedBody::to_string() const {
  std::string text;
  text.reserve(size());
  for (const Bytes& part : parts) text += part.text();
  return text;
}

Result<EncodedBody> encode_response(const InferResponse& response, const InferRequest& request,
                                    const EncodeOptions& options) {
  BodyWriter body(options.pad_header);
  body.open('{');
  if (!request.id.empty()) body.string_member("id", request.id);
  body.string_member("model_name", response.model);
  body.string_member("model_version", response.version);
  if (!response.parameters.empty()) body.raw_member("parameters", response.parameters);
  body.open_member("outputs", '[');
  const auto write_output = [&](const Tensor& tensor, bool binary) -> Result<void> {
    body.open('{');
    body.string_member("name", tensor.name);
    body.string_member("datatype", dtype_name(tensor.dtype));
    body.raw_member("shape", BodyWriter::shape_text(tensor.shape));
    if (const Result<void> written = body.data(tensor, binary); !written) {
      return written.error().within("outputs." + tensor.name);
    }
    body.close('}');
    return {};
  };
  if (request.outputs.empty()) {
    for (const Tensor& tensor : response.outputs) {
      if (const Result<void> written = write_output(tensor, request.binary_data_output); !written)
        return written.error();
    }
  }
  for (const RequestedOutput& wanted : request.outputs) {
    const auto found = std::find_if(response.outputs.begin(), response.outputs.end(),
                                    [&](const Tensor& tensor) { return tensor.name == wanted.name; });
    if (found == response.outputs.end()) {
      return Error(ErrorCode::kInvalidArgument,
                   "unexpected inference output '" + wanted.name + "' for model '" + response.model + "'");
    }
    const bool binary = wanted.binary_data.value_or(request.binary_data_output);
    if (wanted.classification == 0) {
      if (const Result<void> written = write_output(*found, binary); !written) return written.error();
      continue;
    }
    const Result<Tensor> classes = classify(*found, wanted.classification);
    if (!classes) return classes.error().within("outputs." + wanted.name);
    if (const Result<void> written = write_output(*classes, binary); !written) return written.error();
  }
  body.close(']');
  body.close('}');
  return std::move(body).finish();
}

Result<EncodedBody> encode_request(const InferRequest& request, const EncodeOptions& options) {
  BodyWriter body(options.pad_header);
  body.open('{');
  if (!request.id.empty()) body.string_member("id", request.id);
  body.open_member("inputs", '[');
  for (std::size_t i = 0; i < request.inputs.size(); ++i) {
    const Tensor& tensor = request.inputs[i];
    body.open('{');
    body.string_member("name", tensor.name);
    body.raw_member("shape", BodyWriter::shape_text(tensor.shape));
    body.string_member("datatype", dtype_name(tensor.dtype));
    if (const Result<void> written = body.data(tensor, options.binary); !written) {
      return written.error().within("inputs[" + std::to_string(i) + "]");
    }
    body.close('}');
  }
  body.close(']');
  if (!request.outputs.empty()) {
    body.open_member("outputs", '[');
    for (const RequestedOutput& output : request.outputs) {
      body.open('{');
      body.string_member("name", output.name);
      body.open_member("parameters", '{');
      if (output.classification > 0) body.raw_member("classification", std::to_string(output.classification));
      body.raw_member("binary_data", output.binary_data.value_or(true) ? "true" : "false");
      body.close('}');
      body.close('}');
    }
    body.close(']');
  }
  const bool announce = request.outputs.empty() && request.binary_data_output;
  if (request.priority > 0 || request.timeout_us > 0 || announce || !request.parameters.empty()) {
    body.open_member("parameters", '{');
    if (request.priority > 0) body.raw_member("priority", std::to_string(request.priority));
    if (request.timeout_us > 0) body.raw_member("timeout", std::to_string(request.timeout_us));
    if (announce) body.raw_member("binary_data_output", "true");
    if (!request.parameters.empty()) {
      const Result<json::value> others = json::parse(request.parameters);
      if (!others) return others.error().within("parameters");
      const Result<const json::object*> object = json::as_object(*others, "parameters");
      if (!object) return object.error();
      for (const auto& member : **object) {
        body.raw_member({member.key().data(), member.key().size()}, json::write(member.value()));
      }
    }
    body.close('}');
  }
  body.close('}');
  return std::move(body).finish();
}

std::string error_json(std::string_view message) {
  std::string text = "{\"error\":";
  json::append_string(text, message);
  return text + "}";
}

}  // namespace sedna::tensor::oip
