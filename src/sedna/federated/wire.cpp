#include "sedna/federated/wire.hpp"

#include <charconv>
#include <cmath>
#include <limits>

#include "sedna/base/buffer.hpp"
#include "sedna/tensor/json_tensor.hpp"

namespace sedna::federated {

using json::Scanner;
using json::Token;
using tensor::DType;
using tensor::Tensor;

namespace {

constexpr json::WriteOptions python_style() {
  json::WriteOptions options;
  options.item_separator = ", ";
  options.key_separator = ": ";
  options.ensure_ascii = true;
  options.allow_nan = true;
  return options;
}

json::Limits limits_for(std::size_t max_bytes) {
  json::Limits limits;
  limits.max_bytes = max_bytes;
  limits.allow_nan = true;
  return limits;
}

/// Integers become floats: JSON does not tell 1 from 1.0 where models are concerned.
Tensor as_floats(Tensor tensor) {
  if (tensor.dtype != DType::kInt64) return tensor;
  AlignedBuffer buffer(tensor.data.size());
  auto* out = reinterpret_cast<double*>(buffer.data());
  for (const std::int64_t value : tensor.as<std::int64_t>()) *out++ = static_cast<double>(value);
  tensor.data = std::move(buffer).freeze();
  tensor.dtype = DType::kFp64;
  return tensor;
}

Tensor scalar(double value) {
  Tensor tensor;
  tensor.dtype = DType::kFp64;
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(&value, 1)));
  return tensor;
}

/// Where the list that begins at `text` ends, taking no notice of strings: only right for lists of numbers.
std::string_view bracketed(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    i = text.find_first_of("[]", i);
    if (i == std::string_view::npos) break;
    depth += text[i] == '[' ? 1 : std::size_t(-1);
    if (depth == 0) return text.substr(0, i + 1);
  }
  return text;
}

/// Reads the whole of "data" of a message that may carry weights.
class DataReader {
 public:
  DataReader(Scanner& scanner, Frame& frame) : scanner_(scanner), frame_(frame) {}

  /// False: the text is not JSON.
  bool read() {
    if (scanner_.peek() != Token::kObject) {
      unusable("data", "must be an object with num_samples and weights");
      return scanner_.skip_value();
    }
    if (!scanner_.enter()) return false;
    bool first = true;
    std::string key;
    while (scanner_.next_member(first, key)) {
      if (key == "weights") {
        if (!read_weights()) return false;
      } else {
        auto value = json::read_value(scanner_, json::ParseOptions::Duplicates::kLastWins);
        if (!value) return false;
        frame_.data[key] = std::move(*value);
      }
    }
    return !scanner_.failed();
  }

 private:
  bool read_weights() {
    frame_.weights.reset();
    const Token token = scanner_.peek();
    if (token == Token::kNull) {
      scanner_.take_literal(token);
      frame_.no_weights = true;
      return true;
    }
    if (token != Token::kArray) {
      unusable("data.weights", "must be a list of arrays");
      return scanner_.skip_value();
    }
    if (!scanner_.enter()) return false;
    Weights weights;
    bool first = true;
    while (scanner_.next_element(first)) {
      if (!read_tensor(weights)) return false;
    }
    if (scanner_.failed()) return false;
    frame_.weights = std::move(weights);
    return true;
  }

  bool read_tensor(Weights& weights) {
    const Token token = scanner_.peek();
    const std::string label = Manifest::label(weights.size(), {});
    switch (token) {
      case Token::kNone:
        return false;
      case Token::kNumber: {
        json::Number number;
        if (!scanner_.read_number(number)) return false;
        weights.push_back(scalar(number.d));
        return true;
      }
      case Token::kNan:
      case Token::kInfinity:
      case Token::kMinusInfinity: {
        scanner_.take_literal(token);
        const double infinity = std::numeric_limits<double>::infinity();
        weights.push_back(scalar(token == Token::kNan        ? std::numeric_limits<double>::quiet_NaN()
                                 : token == Token::kInfinity ? infinity
                                                             : -infinity));
        return true;
      }
      case Token::kArray:
        return read_list(weights, label);
      default:
        unusable("data." + label, "is not an array of numbers");
        weights.emplace_back();
        return scanner_.skip_value();
    }
  }

  bool read_list(Weights& weights, const std::string& label) {
    // Each array by itself: the reader sizes its buffer by what is left of the text it is given.
    const std::string_view rest(scanner_.here(), static_cast<std::size_t>(scanner_.end() - scanner_.here()));
    Scanner own(bracketed(rest), scanner_.limits());
    std::optional<tensor::JsonArray> array;
    if (own.peek() == Token::kArray) array = tensor::read_array(own);
    if (array && array->kind == tensor::JsonArray::Kind::kNumeric) {
      scanner_.move_to(own.here());
    } else {
      array = tensor::read_array(scanner_);  // not just numbers: here the error has its place in the whole text
      if (!array) return false;
    }
    if (array->kind == tensor::JsonArray::Kind::kNumeric) {
      weights.push_back(as_floats(std::move(array->tensor)));
    } else {
      unusable("data." + label, array->reason);
      weights.emplace_back();
    }
    return true;
  }

  void unusable(std::string subject, std::string message) {
    if (!frame_.unusable) frame_.unusable.emplace(ErrorCode::kInvalidArgument, std::move(message), std::move(subject));
  }

  Scanner& scanner_;
  Frame& frame_;
};

/// The type is needed before "data" is read, and JSON has no order: one quick look ahead.
Result<std::string> type_of(std::string_view text, const json::Limits& limits) {
  Scanner scanner(text, limits);
  const Token token = scanner.peek();
  if (token == Token::kNone) return scanner.error();
  if (token != Token::kObject) {
    return Error(ErrorCode::kInvalidArgument, "a message must be a JSON object");
  }
  if (!scanner.enter()) return scanner.error();
  bool first = true;
  std::string key;
  std::string type;
  while (scanner.next_member(first, key)) {
    if (key == "type" && scanner.peek() == Token::kString) {
      if (!scanner.read_string(type)) return scanner.error();
      return type;  // what follows is checked when it is read
    }
    if (!scanner.skip_value()) return scanner.error();
  }
  if (scanner.failed()) return scanner.error();
  return type;
}

void append_weights(std::string& out, const Weights& weights, bool allow_nan) {
  tensor::ListStyle style;
  style.allow_nan = allow_nan;
  style.separator = ", ";
  out += '[';
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (i > 0) out += ", ";
    if (const auto written = tensor::append_lists(out, weights[i], style); !written) {
      throw written.error().within(Manifest::label(i, weights[i].name));
    }
  }
  out += ']';
}

std::size_t text_size(const Weights& weights) {
  std::size_t bytes = 512;
  for (const Tensor& tensor : weights) bytes += tensor.data.size() / tensor::dtype_size(tensor.dtype) * 22;
  return bytes;
}

}  // namespace

Result<Frame> parse_frame(std::string_view text, std::size_t max_bytes) {
  const json::Limits limits = limits_for(max_bytes);
  auto type = type_of(text, limits);
  if (!type) return type.error();
  Frame frame;
  frame.type = std::move(*type);
  const bool weighty = frame.type == "update_weight" || frame.type == "recv_weight";
  Scanner scanner(text, limits);
  scanner.peek();
  if (!scanner.enter()) return scanner.error();
  bool first = true;
  bool seen_data = false;
  std::string key;
  while (scanner.next_member(first, key)) {
    if (weighty && key == "data") {
      frame.data.clear();
      frame.unusable.reset();
      if (!DataReader(scanner, frame).read()) return scanner.error();
      frame.members[key] = nullptr;
      seen_data = true;
      continue;
    }
    auto value = json::read_value(scanner, json::ParseOptions::Duplicates::kLastWins);
    if (!value) return scanner.error();
    frame.members[key] = std::move(*value);
  }
  if (scanner.failed() || !scanner.finish()) return scanner.error();
  if (frame.type == "update_weight" && !frame.unusable && !frame.weights) {
    frame.unusable.emplace(ErrorCode::kInvalidArgument, "must be a list of arrays",
                           seen_data ? "data.weights" : "data");
  }
  return frame;
}

std::string text_member(const json::object& members, std::string_view name) {
  const auto* value = members.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::optional<std::int64_t> integer_member(const json::object& members, std::string_view name) {
  const auto* value = members.if_contains(name);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->as_int64();
}

double samples_of(const Frame& frame) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const auto* value = frame.data.if_contains("num_samples");
  if (value == nullptr) return kNone;
  if (value->is_int64()) return static_cast<double>(value->as_int64());
  if (value->is_uint64()) return static_cast<double>(value->as_uint64());
  if (value->is_double()) return value->as_double();
  if (!value->is_string()) return kNone;
  const auto& text = value->as_string();
  std::int64_t number = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  return bad == std::errc() && end == text.data() + text.size() ? static_cast<double>(number) : kNone;
}

std::string write_subscribe(const std::string& client, std::optional<std::int64_t> seen) {
  json::object members;
  members["type"] = "subscribe";
  members["client_id"] = client;
  if (seen) members["round_number"] = *seen;
  return json::write(members, python_style());
}

std::string write_joined(const std::string& client) {
  json::object members;
  members["type"] = "CLIENT_JOIN";
  members["data"] = client;
  return json::write(members, python_style());
}

std::string write_update(const std::string& client, std::int64_t samples, const Weights& weights,
                         const std::string& job_name, std::optional<std::int64_t> round) {
  std::string out;
  out.reserve(text_size(weights));
  out += R"({"type": "update_weight", "client": )";
  json::append_string(out, client, true);
  out += R"(, "data": {"num_samples": )";
  json::append_number(out, samples);
  out += R"(, "weights": )";
  append_weights(out, weights, true);  // the server's to refuse: then the client goes on with the round's model
  out += R"(}, "job_name": )";
  json::append_string(out, job_name, true);
  if (round) {
    out += R"(, "round_number": )";
    json::append_number(out, *round);
  }
  out += '}';
  return out;
}

std::string write_model(const json::object& envelope, const Aggregate& model, std::int64_t round, bool last) {
  std::string out;
  out.reserve(text_size(model.weights));
  out += R"({"type": "recv_weight")";
  const auto data = [&] {
    out += R"({"total_sample": )";
    if (model.total_weight == std::floor(model.total_weight) && std::abs(model.total_weight) < 9e15) {
      json::append_number(out, static_cast<std::int64_t>(model.total_weight));
    } else {
      json::append_number(out, model.total_weight);
    }
    out += R"(, "round_number": )";
    json::append_number(out, round);
    out += R"(, "weights": )";
    if (model.none) {
      out += "null";
    } else {
      append_weights(out, model.weights, false);
    }
    out += last ? R"(, "exit_flag": "ok"})" : R"(, "exit_flag": "continue"})";
  };
  bool written = false;
  for (const auto& [key, value] : envelope) {
    if (key == "type" || key == "round_number") continue;
    out += ", ";
    json::append_string(out, key, true);
    out += ": ";
    if (key == "data") {
      data();
      written = true;
    } else {
      json::append(out, value, python_style());
    }
  }
  if (!written) {
    out += R"(, "data": )";
    data();
  }
  out += R"(, "round_number": )";
  json::append_number(out, round);
  out += '}';
  return out;
}

std::string write_refusal(const std::string& client, std::string_view outcome, std::string_view reason,
                          std::int64_t round) {
  json::object members;
  members["type"] = "update_refused";
  members["client"] = client;
  members["data"] = json::object{{"result", outcome}, {"reason", reason}, {"round_number", round}};
  return json::write(members, python_style());
}

}  // namespace sedna::federated
