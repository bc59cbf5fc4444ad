// One pass over nested JSON lists: finds the shape, checks that it is regular, hands the leaves to a sink. Shared by
// the readers of numeric and of typed arrays; not for others.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "sedna/json/scanner.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::tensor::detail {

using json::Scanner;
using json::Token;

inline constexpr std::size_t kMaxRank = 64;

inline bool is_digit(char c) {
  return static_cast<unsigned char>(c - '0') < 10;
}
inline bool goes_on_as_float(char c) {
  return c == '.' || c == 'e' || c == 'E';
}

/// How many of the 8 characters at p are digits, from the first on, and their value: without a branch, because the
/// lengths of numbers in an image are as good as random to a branch predictor.
inline std::size_t leading_digits(const char* p, std::uint64_t& value) {
  std::uint64_t x = 0;
  std::memcpy(&x, p, 8);
  x ^= 0x3030303030303030U;  // digits become 0 … 9
  const std::uint64_t others = ((x + 0x7676767676767676U) | x) & 0x8080808080808080U;
  const auto count = static_cast<std::size_t>(std::countr_zero(others)) / 8;
  // Zeros in front, then pairs, fours, eights.
  x <<= count == 0 ? 0 : (8 - count) * 8;
  x = ((x & 0x0F0F0F0F0F0F0F0FU) * 2561) >> 8;
  x = ((x & 0x00FF00FF00FF00FFU) * 6553601) >> 16;
  value = ((x & 0x0000FFFF0000FFFFU) * 42949672960001U) >> 32;
  return count;
}

/// An integer of at most 18 digits that ends as an integer; null when the text is anything else.
inline const char* fast_integer(const char* p, const char* end, std::int64_t& value) {
  const bool negative = *p == '-';
  p += negative ? 1 : 0;
  const char* const digits = p;
  std::uint64_t v = 0;
  if (end - p > 8) {
    p += leading_digits(p, v);
    if (p - digits == 8) [[unlikely]] {
      while (p != end && is_digit(*p)) v = v * 10 + static_cast<unsigned>(*p++ - '0');
    }
  } else {
    while (p != end && is_digit(*p)) v = v * 10 + static_cast<unsigned>(*p++ - '0');
  }
  const auto count = static_cast<std::size_t>(p - digits);
  if (count - 1 >= 18 || (count > 1 && *digits == '0') || (p != end && goes_on_as_float(*p))) return nullptr;
  value = negative ? -static_cast<std::int64_t>(v) : static_cast<std::int64_t>(v);
  return p;
}

inline constexpr std::array<double, 23> kPowersOfTen{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/// A decimal fraction without exponent whose digits are exact in a double: then one division rounds correctly (Clinger
/// 1990). Null for everything else.
inline const char* fast_fraction(const char* p, const char* end, double& value) {
  const bool negative = *p == '-';
  p += negative ? 1 : 0;
  const char* const digits = p;
  std::uint64_t v = 0;
  while (p != end && is_digit(*p)) v = v * 10 + static_cast<unsigned>(*p++ - '0');
  const auto whole = static_cast<std::size_t>(p - digits);
  if (whole == 0 || (whole > 1 && *digits == '0') || p == end || *p != '.') return nullptr;
  const char* const point = p++;
  while (p != end && is_digit(*p)) v = v * 10 + static_cast<unsigned>(*p++ - '0');
  const auto fraction = static_cast<std::size_t>(p - point - 1);
  if (fraction == 0 || whole + fraction > 18 || v > (std::uint64_t{1} << 53) ||
      (p != end && (*p == 'e' || *p == 'E'))) {
    return nullptr;
  }
  const double d = static_cast<double>(v) / kPowersOfTen[fraction];
  value = negative ? -d : d;
  return p;
}

/// Where a walk through nested lists stands and what it has learnt about the shape.
struct Nesting {
  std::array<std::int64_t, kMaxRank> counts{};
  std::array<std::int64_t, kMaxRank> dims{};
  std::size_t depth = 0;
  std::size_t rank = 0;      ///< deepest list seen
  bool leaves_seen = false;  ///< then leaves are at depth `rank`

  std::string path(std::size_t levels) const {
    std::string text;
    for (std::size_t i = 0; i < levels; ++i) text += "[" + std::to_string(counts[i]) + "]";
    return text;
  }
  Shape shape() const { return Shape(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(rank)); }
};

inline std::string_view token_name(Token token) {
  switch (token) {
    case Token::kObject:
      return "an object";
    case Token::kArray:
      return "a list";
    case Token::kString:
      return "a string";
    case Token::kNumber:
      return "a number";
    case Token::kTrue:
      return "true";
    case Token::kFalse:
      return "false";
    case Token::kNull:
      return "null";
    case Token::kNan:
      return "NaN";
    case Token::kInfinity:
      return "Infinity";
    case Token::kMinusInfinity:
      return "-Infinity";
    case Token::kNone:
      break;
  }
  return "nothing";
}

inline bool is_numeric(Token token) {
  return token == Token::kNumber || token == Token::kNan || token == Token::kInfinity || token == Token::kMinusInfinity;
}

inline double special_value(Token token) {
  if (token == Token::kNan) return std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  return token == Token::kInfinity ? infinity : -infinity;
}

enum class Walk : std::uint8_t {
  kDone,
  kSyntax,  ///< the scanner has failed
  kRagged,  ///< `reason`
  kValue,   ///< the sink has refused a value; `reason`
};

/// Goes through nested lists once; the sink takes the leaves. Sink: `const char* take(Scanner&, const char* p)` reads
/// one leaf and returns where it ends; null with the scanner failed (syntax) or with sink.refusal set (a value of no
/// use).
template <class Sink>
Walk walk_lists(Scanner& scanner, Sink& sink, Nesting& at, std::string& reason) {
  const char* const end = scanner.end();
  const char* p = scanner.here();
  const auto skip_space = [&p, end] {
    while (p != end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) ++p;
  };
  const std::size_t max_depth = scanner.limits().max_depth - std::min(scanner.depth(), scanner.limits().max_depth);
  while (true) {
    // p stands at '['.
    if (at.leaves_seen && at.depth == at.rank) {
      reason = at.path(at.depth) + " is a list, the elements before it are not";
      return Walk::kRagged;
    }
    if (at.depth == max_depth || at.depth == kMaxRank) {
      scanner.fail("nested deeper than " + std::to_string(std::min(scanner.limits().max_depth, kMaxRank)) + " levels",
                   p, true);
      return Walk::kSyntax;
    }
    at.counts[at.depth] = 0;
    if (++at.depth > at.rank) {
      at.rank = at.depth;
      at.dims[at.depth - 1] = -1;
    }
    ++p;
    skip_space();
    bool open = false;
    if (p == end || *p != ']') {
      while (true) {
        skip_space();
        if (p != end && *p == '[') {
          open = true;
          break;
        }
        const char* const next = sink.take(scanner, p);
        if (next == nullptr) {
          if (scanner.failed()) return Walk::kSyntax;
          reason = at.path(at.depth) + sink.refusal;
          return Walk::kValue;
        }
        if (at.depth != at.rank) {
          reason = at.path(at.depth) + " is not a list, the elements before it are";
          return Walk::kRagged;
        }
        at.leaves_seen = true;
        p = next;
        ++at.counts[at.depth - 1];
        if (p != end && *p > ' ') [[likely]] {
          if (*p == ',') {
            ++p;
            continue;
          }
        } else {
          skip_space();
          if (p != end && *p == ',') {
            ++p;
            continue;
          }
        }
        break;
      }
    }
    // Close the lists that end here; then a comma leads to the next element.
    while (!open) {
      if (p == end || *p != ']') {
        scanner.fail("Expecting ',' delimiter", p);
        return Walk::kSyntax;
      }
      ++p;
      const std::size_t level = at.depth - 1;
      if (at.dims[level] < 0) {
        at.dims[level] = at.counts[level];
      } else if (at.dims[level] != at.counts[level]) {
        reason = (level == 0 ? std::string("the list") : at.path(level)) + " has " + std::to_string(at.counts[level]) +
                 " elements, the lists before it have " + std::to_string(at.dims[level]);
        return Walk::kRagged;
      }
      if (--at.depth == 0) {
        scanner.move_to(p);
        return Walk::kDone;
      }
      ++at.counts[at.depth - 1];
      skip_space();
      if (p != end && *p == ',') {
        ++p;
        skip_space();
        if (p == end || *p != '[') {
          // A leaf beside lists; or no value at all, which is the scanner's to say.
          scanner.move_to(p);
          const Token token = scanner.peek();
          if (token == Token::kNone) return Walk::kSyntax;
          if (!is_numeric(token)) {
            reason = at.path(at.depth) + " is " + std::string(token_name(token));
            return Walk::kValue;
          }
          reason = at.path(at.depth) + " is not a list, the elements before it are";
          return Walk::kRagged;
        }
        open = true;
      }
    }
  }
}

}  // namespace sedna::tensor::detail
