#include "sedna/tensor/json_tensor.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sedna/tensor/list_walk.hpp"

namespace sedna::tensor {
namespace {

using namespace detail;  // NOLINT(google-build-using-namespace)

/// Takes integers as int64 until the first float turns all of them into doubles, in place.
class NumberSink {
 public:
  explicit NumberSink(std::size_t capacity) : buffer_(capacity * 8), out_(buffer_.data()) {}

  const char* take(Scanner& scanner, const char* p) {
    const char* const end = scanner.end();
    if (p != end) {
      std::int64_t integer = 0;
      if (const char* next = fast_integer(p, end, integer)) {
        put_integer(integer);
        return next;
      }
      double fraction = 0;
      if (const char* next = fast_fraction(p, end, fraction)) {
        put_float(fraction);
        return next;
      }
    }
    return take_slowly(scanner, p);
  }

  Tensor finish(Shape shape) && {
    const auto size = static_cast<std::size_t>(out_ - buffer_.data());
    return Tensor{{}, floats_ ? DType::kFp64 : DType::kInt64, std::move(shape), std::move(buffer_).freeze(size)};
  }
  bool mixed() const { return floats_ && integers_; }

  std::string refusal;

 private:
  void put(const void* value) {
    SEDNA_CHECK(out_ + 8 <= buffer_.data() + buffer_.size());
    std::memcpy(out_, value, 8);
    out_ += 8;
  }
  void put_integer(std::int64_t value) {
    integers_ = true;
    if (floats_) {
      const auto d = static_cast<double>(value);
      put(&d);
    } else {
      put(&value);
    }
  }
  void put_float(double value) {
    if (!floats_) {
      floats_ = true;
      for (std::byte* q = buffer_.data(); q != out_; q += 8) {
        std::int64_t integer = 0;
        std::memcpy(&integer, q, 8);
        const auto d = static_cast<double>(integer);
        std::memcpy(q, &d, 8);
      }
    }
    put(&value);
  }

  const char* take_slowly(Scanner& scanner, const char* p) {
    scanner.move_to(p);
    const Token token = scanner.peek();
    switch (token) {
      case Token::kNone:
        return nullptr;
      case Token::kNumber: {
        json::Number number;
        if (!scanner.read_number(number)) return nullptr;
        if (number.kind == json::Number::Kind::kInt) {
          put_integer(number.i);
        } else if (number.kind == json::Number::Kind::kDouble) {
          put_float(number.d);
        } else {
          refusal = " is an integer beyond 64 bits";
          return nullptr;
        }
        return scanner.here();
      }
      case Token::kNan:
      case Token::kInfinity:
      case Token::kMinusInfinity:
        scanner.take_literal(token);
        put_float(special_value(token));
        return scanner.here();
      default:
        refusal = " is " + std::string(token_name(token));
        return nullptr;
    }
  }

  AlignedBuffer buffer_;
  std::byte* out_;
  bool floats_ = false;
  bool integers_ = false;
};

}  // namespace

std::optional<JsonArray> read_array(Scanner& scanner) {
  const char* const start = scanner.here();
  // No numeric array has more elements than commas and one; counting them runs at memory speed.
  const auto commas = static_cast<std::size_t>(std::count(start, scanner.end(), ','));
  NumberSink sink(commas + 1);
  Nesting nesting;
  JsonArray result;
  switch (walk_lists(scanner, sink, nesting, result.reason)) {
    case Walk::kSyntax:
      return std::nullopt;
    case Walk::kDone:
      result.mixed = sink.mixed();
      result.tensor = std::move(sink).finish(nesting.shape());
      return result;
    case Walk::kRagged:
      result.kind = JsonArray::Kind::kRagged;
      break;
    case Walk::kValue:
      result.kind = JsonArray::Kind::kGeneric;
      break;
  }
  // Not numbers: only check the rest.
  scanner.move_to(start);
  if (!scanner.skip_value()) return std::nullopt;
  return result;
}

Result<JsonArray> parse_array(std::string_view text, const json::Limits& limits) {
  Scanner scanner(text, limits);
  const Token token = scanner.peek();
  if (token == Token::kNone) return scanner.error();
  if (token != Token::kArray) {
    return Error(ErrorCode::kInvalidArgument, "must be a list, not " + std::string(token_name(token)));
  }
  std::optional<JsonArray> array = read_array(scanner);
  if (!array || !scanner.finish()) return scanner.error();
  return std::move(*array);
}

}  // namespace sedna::tensor
