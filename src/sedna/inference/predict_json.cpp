#include "sedna/inference/predict_json.hpp"

#include <algorithm>
#include <bit>
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

constexpr std::size_t kMaxEchoedBody = 1024;  ///< upstream echoes the whole body in its answer to broken JSON

json::object problem(json::array loc, std::string_view message, std::string_view type) {
  return {{"loc", std::move(loc)}, {"msg", message}, {"type", type}};
}

PredictRefusal refusal(json::array problems) {
  return {422, json::write(json::object{{"detail", std::move(problems)}})};
}

PredictRefusal refusal(json::object one) {
  json::array problems;
  problems.emplace_back(std::move(one));
  return refusal(std::move(problems));
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

/// application/json and application/*+json, with any parameters; FastAPI takes a missing header for JSON.
bool is_json_type(std::string_view type) {
  if (type.empty()) return true;
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  constexpr std::string_view kMain = "application/";
  if (type.size() <= kMain.size() || !equal_ignoring_case(type.substr(0, kMain.size()), kMain)) return false;
  const std::string_view sub = type.substr(kMain.size());
  return equal_ignoring_case(sub, "json") ||
         (sub.size() > 5 && equal_ignoring_case(sub.substr(sub.size() - 5), "+json"));
}

bool valid_utf8(std::string_view text) {
  const char* p = text.data();
  const char* end = p + text.size();
  while (p != end) {
    if (static_cast<unsigned char>(*p) < 0x80) {
      ++p;
      continue;
    }
    const std::size_t n = json::utf8_sequence(p, end);
    if (n == 0) return false;
    p += n;
  }
  return true;
}

PredictRefusal syntax_refusal(const json::SyntaxError& error, std::string_view text) {
  if (error.limit) return {422, detail_body(error.to_error(text).message())};
  if (!valid_utf8(text)) return {400, detail_body("There was an error parsing the body")};
  const auto at = error.position(text);
  std::string_view echoed = text;
  if (echoed.size() > kMaxEchoedBody) {
    std::size_t cut = kMaxEchoedBody;
    while (cut > 0 && (static_cast<unsigned char>(echoed[cut]) & 0xC0U) == 0x80U) --cut;  // not inside a character
    echoed = echoed.substr(0, cut);
  }
  json::object problem_ = problem({"body", static_cast<std::int64_t>(at.character)},
                                  error.message + ": line " + std::to_string(at.line) + " column " +
                                      std::to_string(at.column) + " (char " + std::to_string(at.character) + ")",
                                  "value_error.jsondecode");
  problem_["ctx"] = json::object{{"msg", error.message},
                                 {"doc", echoed},
                                 {"pos", static_cast<std::int64_t>(at.character)},
                                 {"lineno", static_cast<std::int64_t>(at.line)},
                                 {"colno", static_cast<std::int64_t>(at.column)}};
  return refusal(std::move(problem_));
}

/// A member's value: where its text lies and what it is.
struct Member {
  json::Token token = json::Token::kNone;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// pydantic's Optional[str]: numbers become text as Python's str() writes them.
bool coerce_callback(std::string_view text, json::Token token, std::optional<std::string>& out) {
  out.reset();
  switch (token) {
    case json::Token::kNull:
      return true;
    case json::Token::kTrue:
      out = "True";
      return true;
    case json::Token::kFalse:
      out = "False";
      return true;
    case json::Token::kNan:
      out = "nan";
      return true;
    case json::Token::kInfinity:
      out = "inf";
      return true;
    case json::Token::kMinusInfinity:
      out = "-inf";
      return true;
    case json::Token::kString: {
      json::Scanner scanner(text);
      std::string value;
      if (scanner.peek() != json::Token::kString || !scanner.read_string(value)) return false;
      out = std::move(value);
      return true;
    }
    case json::Token::kNumber: {
      json::Number number;
      json::scan_number(text.data(), text.data() + text.size(), number);
      char buffer[json::kMaxNumberText];
      switch (number.kind) {
        case json::Number::Kind::kInt:
          out = std::string(buffer, json::write_integer(buffer, number.i));
          break;
        case json::Number::Kind::kUint:
          out = std::string(buffer, json::write_integer(buffer, number.u));
          break;
        case json::Number::Kind::kBigInteger:
          out = std::string(text);
          break;
        case json::Number::Kind::kDouble:
          out = std::string(buffer, json::write_double(buffer, number.d));
          break;
      }
      return true;
    }
    default:
      return false;
  }
}

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
  if (array->kind != tensor::JsonArray::Kind::kNumeric)
    return unfit("the model takes numbers: " + array->reason, where);
  Tensor t = std::move(array->tensor);
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

}  // namespace

std::string detail_body(std::string_view text) {
  return json::write(json::object{{"detail", text}});
}

PredictParse parse_predict(const Bytes& body, std::string_view content_type, std::size_t max_depth) {
  const json::array at_body = {"body"};
  if (body.empty()) return refusal(problem(at_body, "field required", "value_error.missing"));
  if (!is_json_type(content_type)) return refusal(problem(at_body, "value is not a valid dict", "type_error.dict"));
  json::Limits limits;
  limits.allow_nan = true;
  limits.max_depth = max_depth;
  limits.max_bytes = std::numeric_limits<std::size_t>::max();  // the server bounds bodies
  const std::string_view text = body.text();
  json::Scanner scanner(text, limits);
  const json::Token top = scanner.peek();
  Member data;
  Member callback;
  if (top == json::Token::kObject && scanner.enter()) {
    bool first = true;
    std::string key;
    while (scanner.next_member(first, key)) {
      Member member;
      member.token = scanner.peek();
      member.begin = scanner.offset();
      if (!scanner.skip_value()) break;
      member.end = scanner.offset();
      if (key == "data") data = member;  // of duplicates the last one wins, as in Python
      if (key == "callback") callback = member;
    }
  } else if (top != json::Token::kObject && top != json::Token::kNone) {
    scanner.skip_value();
  }
  if (!scanner.failed()) scanner.finish();
  if (scanner.failed()) return syntax_refusal(scanner.failure(), text);
  if (top == json::Token::kNull) return refusal(problem(at_body, "field required", "value_error.missing"));
  if (top != json::Token::kObject) return refusal(problem(at_body, "value is not a valid dict", "type_error.dict"));

  PredictRequest request;
  json::array problems;
  if (data.token == json::Token::kNone) {
    problems.push_back(problem({"body", "data"}, "field required", "value_error.missing"));
  } else if (data.token == json::Token::kNull) {
    problems.push_back(problem({"body", "data"}, "none is not an allowed value", "type_error.none.not_allowed"));
  } else if (data.token != json::Token::kArray) {
    problems.push_back(problem({"body", "data"}, "value is not a valid list", "type_error.list"));
  } else {
    request.data = body.slice(data.begin, data.end - data.begin);
  }
  if (callback.token != json::Token::kNone &&
      !coerce_callback(text.substr(callback.begin, callback.end - callback.begin), callback.token, request.callback)) {
    problems.push_back(problem({"body", "callback"}, "str type expected", "type_error.str"));
  }
  if (!problems.empty()) return refusal(std::move(problems));
  return request;
}

Result<Tensor> convert_numeric(Tensor tensor, DType dtype) {
  if (tensor.dtype == dtype) return tensor;
  if (dtype == DType::kFp16 || dtype == DType::kBf16 || dtype == DType::kBool || dtype == DType::kBytes) {
    return unfit("numbers cannot become " + std::string(tensor::dtype_name(dtype)), {});
  }
  const auto bytes = tensor::element_count(tensor.shape, tensor::dtype_size(dtype));
  if (!bytes) return bytes.error();
  AlignedBuffer buffer(static_cast<std::size_t>(*bytes) * tensor::dtype_size(dtype));
  std::size_t bad = 0;
  const bool fits = tensor.dtype == DType::kInt64 ? convert_to(tensor.as<std::int64_t>(), dtype, buffer.data(), bad)
                                                  : convert_to(tensor.as<double>(), dtype, buffer.data(), bad);
  if (!fits) return unfit("does not fit " + std::string(tensor::dtype_name(dtype)), index_path(tensor.shape, bad));
  tensor.dtype = dtype;
  tensor.data = std::move(buffer).freeze();
  return tensor;
}

Result<std::vector<Tensor>> predict_inputs(const ModelMetadata& metadata, std::string_view data) {
  json::Limits limits;
  limits.allow_nan = true;
  limits.max_bytes = std::numeric_limits<std::size_t>::max();
  json::Scanner scanner(data, limits);
  std::vector<Tensor> inputs;
  if (metadata.inputs.size() == 1) {
    auto t = one_input(metadata.inputs[0], scanner, "data");
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
