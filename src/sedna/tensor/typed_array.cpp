#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "sedna/tensor/json_tensor.hpp"
#include "sedna/tensor/list_walk.hpp"

namespace sedna::tensor {
namespace {

using namespace detail;  // NOLINT(google-build-using-namespace)

/// The text of the value at p, cut to a length fit for a message.
std::string excerpt(const char* p, const char* end) {
  const char* q = p;
  while (q != end && *q != ',' && *q != ']' && *q != ' ' && *q != '\n') ++q;
  return q - p > 40 ? std::string(p, p + 40) + "…" : std::string(p, q);
}

template <class T>
std::string range_text() {
  if constexpr (std::is_integral_v<T>) {
    return std::to_string(std::numeric_limits<T>::min()) + " … " + std::to_string(std::numeric_limits<T>::max());
  } else {
    return "±3.4028235e38";
  }
}

/// Numbers into a buffer of T; refuses what does not fit.
template <class T>
class TypedSink {
 public:
  TypedSink(DType dtype, std::size_t capacity) : dtype_(dtype), buffer_(capacity * sizeof(T)), capacity_(capacity) {}

  const char* take(Scanner& scanner, const char* p) {
    const char* const end = scanner.end();
    if (p != end) {
      std::int64_t integer = 0;
      if (const char* next = fast_integer(p, end, integer)) return put_integer(integer, p, end) ? next : nullptr;
      if constexpr (std::is_floating_point_v<T>) {
        double fraction = 0;
        if (const char* next = fast_fraction(p, end, fraction)) return put(static_cast<T>(fraction)) ? next : nullptr;
      }
    }
    return take_slowly(scanner, p);
  }

  std::size_t count() const { return count_; }
  Bytes finish() && { return std::move(buffer_).freeze(count_ * sizeof(T)); }
  std::string refusal;
  bool too_many = false;

 private:
  bool put(T value) {
    if (count_ == capacity_) {
      too_many = true;
      return false;
    }
    std::memcpy(buffer_.data() + count_++ * sizeof(T), &value, sizeof(T));
    return true;
  }

  bool out_of_range(const char* p, const char* end) {
    refusal = excerpt(p, end) + " does not fit " + std::string(dtype_name(dtype_)) + " (" + range_text<T>() + ")";
    return false;
  }

  bool put_integer(std::int64_t value, const char* p, const char* end) {
    if constexpr (std::is_integral_v<T>) {
      if (!std::in_range<T>(value)) return out_of_range(p, end);
    }
    return put(static_cast<T>(value));
  }

  const char* take_slowly(Scanner& scanner, const char* p) {
    scanner.move_to(p);
    const Token token = scanner.peek();
    if (token == Token::kNone) return nullptr;
    if (token == Token::kNumber) {
      json::Number number;
      if (!scanner.read_number(number)) return nullptr;
      return put_number(number, p, scanner.end()) ? scanner.here() : nullptr;
    }
    if constexpr (std::is_floating_point_v<T>) {
      if (is_numeric(token)) {
        scanner.take_literal(token);
        return put(static_cast<T>(special_value(token))) ? scanner.here() : nullptr;
      }
    }
    refusal = "is " + std::string(token_name(token)) + ", not a number";
    return nullptr;
  }

  bool put_number(const json::Number& number, const char* p, const char* end) {
    using Kind = json::Number::Kind;
    if constexpr (std::is_floating_point_v<T>) {
      const auto value = static_cast<T>(number.d);
      if (value > std::numeric_limits<T>::max() || value < std::numeric_limits<T>::lowest()) {
        if (number.d <= std::numeric_limits<double>::max() && number.d >= std::numeric_limits<double>::lowest()) {
          return out_of_range(p, end);
        }
        refusal = excerpt(p, end) + " is beyond " + std::string(dtype_name(dtype_));
        return false;
      }
      return put(value);
    } else {
      if (number.kind == Kind::kDouble) {
        refusal = excerpt(p, end) + " is not an integer, as " + std::string(dtype_name(dtype_)) + " needs";
        return false;
      }
      if (number.kind == Kind::kInt) return put_integer(number.i, p, end);
      if (number.kind == Kind::kUint && std::in_range<T>(number.u)) return put(static_cast<T>(number.u));
      return out_of_range(p, end);
    }
  }

  DType dtype_;
  AlignedBuffer buffer_;
  std::size_t capacity_;
  std::size_t count_ = 0;
};

class BoolSink {
 public:
  explicit BoolSink(std::size_t capacity) : buffer_(capacity), capacity_(capacity) {}

  const char* take(Scanner& scanner, const char* p) {
    scanner.move_to(p);
    const Token token = scanner.peek();
    if (token != Token::kTrue && token != Token::kFalse) {
      if (token != Token::kNone) refusal = "is " + std::string(token_name(token)) + ", not true or false";
      return nullptr;
    }
    if (count_ == capacity_) {
      too_many = true;
      return nullptr;
    }
    buffer_.data()[count_++] = static_cast<std::byte>(token == Token::kTrue ? 1 : 0);
    scanner.take_literal(token);
    return scanner.here();
  }

  std::size_t count() const { return count_; }
  Bytes finish() && { return std::move(buffer_).freeze(count_); }
  std::string refusal;
  bool too_many = false;

 private:
  AlignedBuffer buffer_;
  std::size_t capacity_;
  std::size_t count_ = 0;
};

class StringSink {
 public:
  explicit StringSink(std::size_t capacity) : capacity_(capacity) {}

  const char* take(Scanner& scanner, const char* p) {
    scanner.move_to(p);
    const Token token = scanner.peek();
    if (token != Token::kString) {
      if (token != Token::kNone) refusal = "is " + std::string(token_name(token)) + ", not a string";
      return nullptr;
    }
    if (count_ == capacity_) {
      too_many = true;
      return nullptr;
    }
    if (!scanner.read_string(text_)) return nullptr;
    const auto length = static_cast<std::uint32_t>(text_.size());
    for (int i = 0; i < 4; ++i) packed_ += static_cast<char>(length >> (8 * i));
    packed_ += text_;
    ++count_;
    return scanner.here();
  }

  std::size_t count() const { return count_; }
  Bytes finish() && { return Bytes::from_string(std::move(packed_)); }
  std::string refusal;
  bool too_many = false;

 private:
  std::string packed_;
  std::string text_;
  std::size_t capacity_;
  std::size_t count_ = 0;
};

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t dim : shape) text += (text.size() > 1 ? "," : "") + std::to_string(dim);
  return text + "]";
}

template <class Sink>
Result<Bytes> read_with(Scanner& scanner, Sink sink, const Shape& shape, std::uint64_t expected) {
  Nesting nesting;
  std::string reason;
  switch (walk_lists(scanner, sink, nesting, reason)) {
    case Walk::kSyntax:
      return scanner.error();
    case Walk::kRagged: {
      // "[1] has 3 elements, …": the index is the subject.
      const std::size_t space = reason.find(' ');
      const bool indexed = reason.starts_with('[');
      return Error(ErrorCode::kInvalidArgument, indexed ? reason.substr(space + 1) : reason,
                   indexed ? reason.substr(0, space) : std::string());
    }
    case Walk::kValue:
      if (sink.too_many) {
        return Error(ErrorCode::kInvalidArgument,
                     "holds more than the " + std::to_string(expected) + " values of shape " + shape_text(shape));
      }
      return Error(ErrorCode::kInvalidArgument, sink.refusal, nesting.path(nesting.depth));
    case Walk::kDone:
      break;
  }
  if (sink.count() != expected) {
    return Error(ErrorCode::kInvalidArgument, "holds " + std::to_string(sink.count()) + " values; shape " +
                                                  shape_text(shape) + " needs " + std::to_string(expected));
  }
  if (nesting.rank > 1 && expected > 0 && nesting.shape() != shape) {
    return Error(ErrorCode::kInvalidArgument, "is nested as " + shape_text(nesting.shape()) +
                                                  "; it must be flat or nested as shape " + shape_text(shape));
  }
  return std::move(sink).finish();
}

}  // namespace

Result<Bytes> read_typed_array(Scanner& scanner, DType dtype, const Shape& shape) {
  const Token token = scanner.peek();
  if (token == Token::kNone) return scanner.error();
  if (token != Token::kArray) {
    return Error(ErrorCode::kInvalidArgument, "must be a list, not " + std::string(token_name(token)));
  }
  const auto expected = element_count(shape, std::max<std::size_t>(dtype_size(dtype), 1));
  if (!expected) return expected.error();
  const std::uint64_t count = *expected / std::max<std::size_t>(dtype_size(dtype), 1);
  // A shape may promise more than the text can hold: a value and its comma take two bytes.
  const auto room = static_cast<std::uint64_t>(scanner.end() - scanner.here()) / 2 + 1;
  const auto capacity = static_cast<std::size_t>(std::min(count, room));
  switch (dtype) {
    case DType::kBool:
      return read_with(scanner, BoolSink(capacity), shape, count);
    case DType::kUint8:
      return read_with(scanner, TypedSink<std::uint8_t>(dtype, capacity), shape, count);
    case DType::kUint16:
      return read_with(scanner, TypedSink<std::uint16_t>(dtype, capacity), shape, count);
    case DType::kUint32:
      return read_with(scanner, TypedSink<std::uint32_t>(dtype, capacity), shape, count);
    case DType::kUint64:
      return read_with(scanner, TypedSink<std::uint64_t>(dtype, capacity), shape, count);
    case DType::kInt8:
      return read_with(scanner, TypedSink<std::int8_t>(dtype, capacity), shape, count);
    case DType::kInt16:
      return read_with(scanner, TypedSink<std::int16_t>(dtype, capacity), shape, count);
    case DType::kInt32:
      return read_with(scanner, TypedSink<std::int32_t>(dtype, capacity), shape, count);
    case DType::kInt64:
      return read_with(scanner, TypedSink<std::int64_t>(dtype, capacity), shape, count);
    case DType::kFp32:
      return read_with(scanner, TypedSink<float>(dtype, capacity), shape, count);
    case DType::kFp64:
      return read_with(scanner, TypedSink<double>(dtype, capacity), shape, count);
    case DType::kBytes:
      return read_with(scanner, StringSink(capacity), shape, count);
    case DType::kFp16:
    case DType::kBf16:
      break;
  }
  return Error(ErrorCode::kInvalidArgument,
               std::string(dtype_name(dtype)) + " has no JSON form: send it as binary data (binary_data_size)");
}

}  // namespace sedna::tensor
