#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sedna/json/json.hpp"
#include "sedna/tensor/json_tensor.hpp"
#include "sedna/tensor/oip.hpp"

namespace sedna::tensor::oip {
namespace {

using json::Scanner;
using json::Token;

Error bad(std::string message, std::string subject) {
  return Error(ErrorCode::kInvalidArgument, std::move(message), std::move(subject));
}

/// Where a value stands, put together only for a message.
struct Path {
  const std::string& base;
  std::string_view member{};
  std::string text() const { return base + std::string(member); }
};

/// Names seen so far. Nearly always a few: a list until then, so that a request does not pay for a tree's nodes.
class Names {
 public:
  /// False when it is there already.
  bool insert(const std::string& name) {
    if (!many_.empty()) return many_.insert(name).second;
    const auto end = few_.begin() + static_cast<std::ptrdiff_t>(count_);
    if (std::find(few_.begin(), end, name) != end) return false;
    if (count_ == kFew) {
      many_.insert(few_.begin(), end);
      return many_.insert(name).second;
    }
    few_[count_++] = name;
    return true;
  }

 private:
  static constexpr std::size_t kFew = 8;
  std::array<std::string, kFew> few_;
  std::size_t count_ = 0;
  std::set<std::string, std::less<>> many_;
};

/// Parameters of the request or of one tensor, with the known ones taken out.
struct Parameters {
  std::optional<std::uint64_t> binary_data_size;
  std::optional<bool> binary_data;
  std::optional<bool> binary_data_output;
  std::uint64_t classification = 0;
  std::uint64_t priority = 0;
  std::uint64_t timeout = 0;
  bool shared_memory = false;
  json::object rest;
};

/// A message read member by member. Any member function that returns false has left the reason in `error`.
class HeadReader {
 public:
  HeadReader(std::string_view text, const Limits& limits)
      : limits_(limits), scanner_(text, json::Limits{json::Limits().max_depth, limits.max_json_bytes, false}) {}

  Result<RequestHead> read_request() {
    RequestHead head;
    bool seen_inputs = false;
    const bool ok = read_object({kTop}, [&](const std::string& key) {
      if (key == "id") return read_text(head.message.id, {kTop, "id"});
      if (key == "parameters") {
        Parameters parameters;
        if (!read_parameters(parameters, {kTop, "parameters"})) return false;
        head.message.priority = parameters.priority;
        head.message.timeout_us = parameters.timeout;
        head.message.binary_data_output = parameters.binary_data_output.value_or(false);
        if (!parameters.rest.empty()) head.message.parameters = json::write(parameters.rest);
        return true;
      }
      if (key == "inputs") {
        seen_inputs = true;
        return read_tensors(head.message.inputs, head, "inputs");
      }
      if (key == "outputs") return read_outputs(head.message.outputs);
      return skip();
    });
    if (ok && !seen_inputs) error_ = bad("is missing; it must be a list of tensors", "inputs");
    if (ok && seen_inputs && head.message.inputs.empty()) error_ = bad("is empty; a request needs an input", "inputs");
    return finish(std::move(head));
  }

  Result<ResponseHead> read_response() {
    ResponseHead head;
    bool seen_outputs = false;
    const bool ok = read_object({kTop}, [&](const std::string& key) {
      if (key == "id") return read_text(head.message.id, {kTop, "id"});
      if (key == "model_name") return read_text(head.message.model, {kTop, "model_name"});
      if (key == "model_version") return read_text(head.message.version, {kTop, "model_version"});
      if (key == "parameters") {
        std::optional<json::value> v = json::read_value(scanner_, json::ParseOptions::Duplicates::kRefuse);
        if (!v) return false;
        if (!v->is_object()) return refuse("must be an object, not " + std::string(json::kind_name(*v)), "parameters");
        head.message.parameters = json::write(*v);
        return true;
      }
      if (key == "outputs") {
        seen_outputs = true;
        return read_tensors(head.message.outputs, head, "outputs");
      }
      return skip();
    });
    if (ok && !seen_outputs) error_ = bad("is missing; it must be a list of tensors", "outputs");
    return finish(std::move(head));
  }

 private:
  template <class T>
  Result<T> finish(T head) {
    if (!error_ && !scanner_.failed()) scanner_.finish();
    if (error_) return std::move(*error_);
    if (scanner_.failed()) return scanner_.error();
    return head;
  }

  bool refuse(std::string message, std::string subject) {
    if (!error_) error_ = bad(std::move(message), std::move(subject));
    return false;
  }

  bool skip() { return scanner_.skip_value(); }

  /// Calls on_member(key) before each member's value.
  template <class OnMember>
  bool read_object(Path where, OnMember on_member) {
    const Token token = scanner_.peek();
    if (token == Token::kNone) return false;
    if (token != Token::kObject) return refuse("must be an object", where.text());
    if (!scanner_.enter()) return false;
    Names seen;
    std::string key;
    bool first = true;
    while (scanner_.next_member(first, key)) {
      if (!seen.insert(key)) return refuse("appears twice", json::join_path(where.text(), key));
      if (!on_member(key)) return false;
    }
    return !scanner_.failed();
  }

  /// Calls on_element(index) before each element.
  template <class OnElement>
  bool read_list(const std::string& where, std::size_t max, OnElement on_element) {
    const Token token = scanner_.peek();
    if (token == Token::kNone) return false;
    if (token != Token::kArray) return refuse("must be a list", where);
    if (!scanner_.enter()) return false;
    bool first = true;
    for (std::size_t i = 0; scanner_.next_element(first); ++i) {
      if (i == max) return refuse("has more than " + std::to_string(max) + " elements", where);
      if (!on_element(i)) return false;
    }
    return !scanner_.failed();
  }

  bool read_text(std::string& out, Path where) {
    const Token token = scanner_.peek();
    if (token == Token::kNone) return false;
    if (token != Token::kString) return refuse("must be a string", where.text());
    return scanner_.read_string(out);
  }

  bool read_shape(Shape& shape, const std::string& tensor) {
    shape.reserve(4);
    const auto path = [&](std::size_t i) { return tensor + ".shape[" + std::to_string(i) + "]"; };
    return read_list(tensor + ".shape", limits_.max_rank, [&](std::size_t i) {
      const Token token = scanner_.peek();
      if (token == Token::kNone) return false;
      json::Number number;
      if (token != Token::kNumber) return refuse("must be an integer", path(i));
      if (!scanner_.read_number(number)) return false;
      if (number.kind != json::Number::Kind::kInt) return refuse("must be an integer of 64 bits", path(i));
      if (number.i < 0) return refuse("dimension is " + std::to_string(number.i) + "; it must be 0 or more", path(i));
      shape.push_back(number.i);
      return true;
    });
  }

  /// The known ones are read where they stand; only what is not known becomes a tree.
  bool read_parameters(Parameters& out, Path where) {
    if (const Token token = scanner_.peek(); token != Token::kObject && token != Token::kNone) {
      const auto v = json::read_value(scanner_, json::ParseOptions::Duplicates::kRefuse);
      return v && refuse("must be an object, not " + std::string(json::kind_name(*v)), where.text());
    }
    return read_object(where, [&](const std::string& key) {
      const auto at = [&] { return json::join_path(where.text(), key); };
      if (key == "binary_data_size") return read_unsigned(out.binary_data_size.emplace(), at);
      if (key == "classification") return read_unsigned(out.classification, at);
      if (key == "priority") return read_unsigned(out.priority, at);
      if (key == "timeout") return read_unsigned(out.timeout, at);
      if (key == "binary_data") return read_bool(out.binary_data, at);
      if (key == "binary_data_output") return read_bool(out.binary_data_output, at);
      auto v = json::read_value(scanner_, json::ParseOptions::Duplicates::kRefuse);
      if (!v) return false;
      out.shared_memory = out.shared_memory || key.starts_with("shared_memory");
      out.rest.insert_or_assign(key, std::move(*v));
      return true;
    });
  }

  template <class At>
  bool read_unsigned(std::uint64_t& out, At at) {
    const Token token = scanner_.peek();
    if (token == Token::kNone) return false;
    json::Number number;
    if (token == Token::kNumber && !scanner_.read_number(number)) return false;
    if (token != Token::kNumber || number.kind != json::Number::Kind::kInt || number.i < 0) {
      return refuse("must be an integer of 0 or more", at());
    }
    out = static_cast<std::uint64_t>(number.i);
    return true;
  }

  template <class At>
  bool read_bool(std::optional<bool>& out, At at) {
    const Token token = scanner_.peek();
    if (token == Token::kNone) return false;
    if (token != Token::kTrue && token != Token::kFalse) return refuse("must be true or false", at());
    scanner_.take_literal(token);
    out = token == Token::kTrue;
    return true;
  }

  bool read_outputs(std::vector<RequestedOutput>& outputs) {
    Names names;
    return read_list("outputs", limits_.max_tensors, [&](std::size_t i) {
      const std::string where = "outputs[" + std::to_string(i) + "]";
      RequestedOutput output;
      bool named = false;
      const bool ok = read_object({where}, [&](const std::string& key) {
        if (key == "name") {
          named = true;
          return read_text(output.name, {where, ".name"});
        }
        if (key != "parameters") return skip();
        Parameters parameters;
        if (!read_parameters(parameters, {where, ".parameters"})) return false;
        if (parameters.shared_memory) return refuse_shared_memory(where + ".parameters");
        if (parameters.classification > UINT32_MAX) return refuse("is too large", where + ".parameters.classification");
        output.binary_data = parameters.binary_data;
        output.classification = static_cast<std::uint32_t>(parameters.classification);
        return true;
      });
      if (!ok) return false;
      if (!named) return refuse("is missing; it must be a string", where + ".name");
      if (!names.insert(output.name)) return refuse("\"" + output.name + "\" is requested twice", where + ".name");
      outputs.push_back(std::move(output));
      return true;
    });
  }

  bool refuse_shared_memory(std::string where) {
    if (!error_)
      error_ = Error(ErrorCode::kUnimplemented, "shared memory is not supported; send the data", std::move(where));
    return false;
  }

  template <class HeadType>
  bool read_tensors(std::vector<Tensor>& tensors, HeadType& head, const std::string& list) {
    Names names;
    return read_list(list, limits_.max_tensors, [&](std::size_t i) {
      const std::string where = list + "[" + std::to_string(i) + "]";
      TensorFields fields;
      if (!read_tensor_fields(fields, where) || !complete_tensor(fields, where)) return false;
      if (!names.insert(fields.tensor.name)) {
        return refuse("\"" + fields.tensor.name + "\" is the name of an earlier tensor", where + ".name");
      }
      if (fields.binary_size) {
        head.binary.push_back({tensors.size(), static_cast<std::size_t>(*fields.binary_size)});
        if (*fields.binary_size > SIZE_MAX - head.binary_size) {
          return refuse("is larger than can be addressed", where + ".parameters.binary_data_size");
        }
        head.binary_size += static_cast<std::size_t>(*fields.binary_size);
      }
      tensors.push_back(std::move(fields.tensor));
      return true;
    });
  }

  struct TensorFields {
    Tensor tensor;
    bool named = false;
    bool shaped = false;
    std::optional<DType> dtype;
    std::optional<std::uint64_t> binary_size;
    bool has_data = false;
    const char* data_at = nullptr;  ///< a "data" that came before shape or datatype, to be read later
  };

  bool read_tensor_fields(TensorFields& fields, const std::string& where) {
    return read_object({where}, [&](const std::string& key) {
      if (key == "name") {
        fields.named = true;
        return read_text(fields.tensor.name, {where, ".name"});
      }
      if (key == "shape") {
        fields.shaped = true;
        return read_shape(fields.tensor.shape, where);
      }
      if (key == "datatype") {
        std::string name;
        if (!read_text(name, {where, ".datatype"})) return false;
        fields.dtype = dtype_from_name(name);
        return fields.dtype ? true
                            : refuse("\"" + name +
                                         "\" is not a datatype; it must be one of BOOL, UINT8, UINT16, UINT32, "
                                         "UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES",
                                     where + ".datatype");
      }
      if (key == "parameters") {
        Parameters parameters;
        if (!read_parameters(parameters, {where, ".parameters"})) return false;
        if (parameters.shared_memory) return refuse_shared_memory(where + ".parameters");
        fields.binary_size = parameters.binary_data_size;
        return true;
      }
      if (key != "data") return skip();
      fields.has_data = true;
      if (fields.shaped && fields.dtype) return read_data(fields, where);
      scanner_.peek();
      fields.data_at = scanner_.here();
      return skip();
    });
  }

  bool read_data(TensorFields& fields, const std::string& where) {
    Result<Bytes> data = read_typed_array(scanner_, *fields.dtype, fields.tensor.shape);
    if (scanner_.failed()) return false;
    if (!data) {
      if (!error_) error_ = data.error().within(where + ".data");
      return false;
    }
    fields.tensor.data = std::move(*data);
    return true;
  }

  bool complete_tensor(TensorFields& fields, const std::string& where) {
    if (!fields.named) return refuse("is missing; it must be a string", where + ".name");
    if (!fields.dtype) return refuse("is missing; it must be a datatype such as FP32", where + ".datatype");
    if (!fields.shaped) return refuse("is missing; it must be a list of dimensions", where + ".shape");
    fields.tensor.dtype = *fields.dtype;
    const auto bytes = element_count(fields.tensor.shape, std::max<std::size_t>(dtype_size(*fields.dtype), 1));
    if (!bytes) {
      if (!error_) error_ = bytes.error().within(where);
      return false;
    }
    if (fields.binary_size && fields.has_data) {
      return refuse("has both data and binary_data_size; it must have one", where);
    }
    if (!fields.binary_size && !fields.has_data) {
      return refuse("has neither data nor parameters.binary_data_size", where);
    }
    if (fields.binary_size && *fields.dtype != DType::kBytes && *fields.binary_size != *bytes) {
      return refuse("is " + std::to_string(*fields.binary_size) + "; " + std::string(dtype_name(*fields.dtype)) +
                        " of this shape has " + std::to_string(*bytes) + " bytes",
                    where + ".parameters.binary_data_size");
    }
    if (fields.data_at != nullptr) {
      const char* const resume = scanner_.here();
      scanner_.move_to(fields.data_at);
      if (!read_data(fields, where)) return false;
      scanner_.move_to(resume);
    }
    return true;
  }

  inline static const std::string kTop;

  Limits limits_;
  Scanner scanner_;
  std::optional<Error> error_;
};

std::vector<Tensor>& tensors_of(InferRequest& request) {
  return request.inputs;
}
std::vector<Tensor>& tensors_of(InferResponse& response) {
  return response.outputs;
}
std::string_view list_of(const InferRequest&) {
  return "inputs";
}
std::string_view list_of(const InferResponse&) {
  return "outputs";
}

/// Users of a tensor read it as an array of its C++ type.
Bytes aligned_for(DType dtype, Bytes bytes) {
  const std::size_t unit = std::max<std::size_t>(dtype_size(dtype), 1);
  if (bytes.empty() || reinterpret_cast<std::uintptr_t>(bytes.data()) % unit == 0) return bytes;
  return Bytes::copy_of(bytes.span());
}

template <class Message>
Result<Message> attach_parts(Head<Message> head, std::vector<Bytes> parts) {
  std::vector<Tensor>& tensors = tensors_of(head.message);
  if (parts.size() != head.binary.size()) {
    return bad("has " + std::to_string(parts.size()) + " binary parts; the header announces " +
                   std::to_string(head.binary.size()),
               "body");
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Tensor& tensor = tensors[head.binary[i].tensor];
    const std::string where = std::string(list_of(head.message)) + "[" + std::to_string(head.binary[i].tensor) + "]";
    if (parts[i].size() != head.binary[i].size) {
      return bad("has " + std::to_string(parts[i].size()) + " bytes; the header announces " +
                     std::to_string(head.binary[i].size),
                 where + ".data");
    }
    tensor.data = aligned_for(tensor.dtype, std::move(parts[i]));
    if (const Result<void> valid = tensor.validate(); !valid) return valid.error().within(where);
  }
  return std::move(head.message);
}

template <class Message, class ReadHead>
Result<Message> decode_body(const Bytes& body, std::optional<std::size_t> header_length, ReadHead read_head) {
  const std::size_t json_size = header_length.value_or(body.size());
  if (json_size > body.size()) {
    return bad("says " + std::to_string(json_size) + "; the body has " + std::to_string(body.size()) + " bytes",
               std::string(kHeaderLengthField));
  }
  Result<Head<Message>> head = read_head(body.text().substr(0, json_size));
  if (!head) return std::move(head).error();
  const std::size_t left = body.size() - json_size;
  if (head->binary_size != left) {
    return bad(std::to_string(left) + " bytes follow the JSON; the tensors' binary_data_size add up to " +
                   std::to_string(head->binary_size),
               "body");
  }
  std::vector<Bytes> parts;
  parts.reserve(head->binary.size());
  std::size_t at = json_size;
  for (const auto& part : head->binary) {
    parts.push_back(body.slice(at, part.size));
    at += part.size;
  }
  return attach_parts(std::move(*head), std::move(parts));
}

}  // namespace

Result<RequestHead> decode_request_head(std::string_view json, const Limits& limits) {
  return HeadReader(json, limits).read_request();
}

Result<ResponseHead> decode_response_head(std::string_view json, const Limits& limits) {
  return HeadReader(json, limits).read_response();
}

Result<InferRequest> attach(RequestHead head, std::vector<Bytes> parts) {
  return attach_parts(std::move(head), std::move(parts));
}

Result<InferResponse> attach(ResponseHead head, std::vector<Bytes> parts) {
  return attach_parts(std::move(head), std::move(parts));
}

Result<InferRequest> decode_request(const Bytes& body, std::optional<std::size_t> header_length, const Limits& limits) {
  if (header_length == std::size_t{0}) {
    return bad("is 0: a raw request needs the model's metadata", std::string(kHeaderLengthField));
  }
  return decode_body<InferRequest>(body, header_length,
                                   [&](std::string_view json) { return decode_request_head(json, limits); });
}

Result<InferResponse> decode_response(const Bytes& body, std::optional<std::size_t> header_length,
                                      const Limits& limits) {
  return decode_body<InferResponse>(body, header_length,
                                    [&](std::string_view json) { return decode_response_head(json, limits); });
}

Result<InferRequest> decode_raw_request(const Bytes& body, const TensorMetadata& input, bool batched) {
  Tensor tensor{input.name, input.dtype, input.shape, {}};
  if (batched && !tensor.shape.empty() && tensor.shape.front() < 0) tensor.shape.front() = 1;
  const auto variable = std::count_if(tensor.shape.begin(), tensor.shape.end(), [](std::int64_t d) { return d < 0; });
  if (variable > 1) {
    return bad("has " + std::to_string(variable) + " variable dimensions; a raw request can fill one", input.name);
  }
  if (input.dtype == DType::kBytes) {
    // One element: the body as it is, without a length field.
    for (std::int64_t& dim : tensor.shape) dim = dim < 0 ? 1 : dim;
    const auto count = element_count(tensor.shape);
    if (!count) return count.error().within(input.name);
    if (*count != 1)
      return bad("holds " + std::to_string(*count) + " elements; a raw request can fill one", input.name);
    const std::string_view whole[] = {body.text()};
    tensor.data = make_bytes_tensor({}, whole).data;
  } else {
    if (variable == 1) {
      const auto at = std::find_if(tensor.shape.begin(), tensor.shape.end(), [](std::int64_t d) { return d < 0; });
      *at = 1;
      const auto unit = element_count(tensor.shape, dtype_size(input.dtype));
      if (!unit) return unit.error().within(input.name);
      if (*unit == 0 || body.size() % *unit != 0) {
        return bad(std::to_string(body.size()) + " bytes are not a multiple of the " + std::to_string(*unit) +
                       " bytes that one step of the variable dimension takes",
                   input.name);
      }
      *at = static_cast<std::int64_t>(body.size() / *unit);
    }
    tensor.data = aligned_for(input.dtype, body);
    if (const Result<void> valid = tensor.validate(); !valid) return valid.error().within(input.name);
  }
  InferRequest request;
  request.binary_data_output = true;
  request.inputs.push_back(std::move(tensor));
  return request;
}

}  // namespace sedna::tensor::oip
