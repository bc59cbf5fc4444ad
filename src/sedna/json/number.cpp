#include "sedna/json/number.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace sedna::json {
namespace {

bool is_digit(char c) {
  return static_cast<unsigned char>(c - '0') < 10;
}

// from_chars says "out of range" for both directions; the decimal exponent of the first non-zero digit tells which.
double out_of_range_value(const char* p, const char* end) {
  const bool negative = p != end && *p == '-';
  if (negative) ++p;
  long exponent = 0;
  long first_digit = 0;
  bool seen_point = false;
  bool seen_digit = false;
  for (; p != end; ++p) {
    if (*p == '.') {
      seen_point = true;
    } else if (is_digit(*p)) {
      if (!seen_digit && *p != '0') seen_digit = true;
      if (seen_digit && !seen_point) ++first_digit;
      if (!seen_digit && seen_point) --first_digit;
    } else {
      ++p;  // e or E
      const bool minus = p != end && *p == '-';
      if (p != end && (*p == '-' || *p == '+')) ++p;
      for (; p != end && exponent < 100000000; ++p) exponent = exponent * 10 + (*p - '0');
      if (minus) exponent = -exponent;
      break;
    }
  }
  const double magnitude = seen_digit && first_digit + exponent > 0 ? std::numeric_limits<double>::infinity() : 0.0;
  return negative ? -magnitude : magnitude;
}

}  // namespace

double to_double(const char* p, const char* end) {
  double value = 0;
  const auto [stop, ec] = std::from_chars(p, end, value);
  if (ec == std::errc::result_out_of_range) return out_of_range_value(p, end);
  return value;
}

bool scan_number(const char* p, const char* end, Number& number) {
  const char* const begin = p;
  const bool negative = p != end && *p == '-';
  if (negative) ++p;
  if (p == end || !is_digit(*p)) return false;
  std::uint64_t value = 0;
  bool overflow = false;
  if (*p == '0') {
    ++p;
  } else {
    const char* const digits = p;
    for (; p != end && is_digit(*p); ++p) {
      const auto digit = static_cast<unsigned>(*p - '0');
      if (p - digits >= 19) {
        overflow = overflow || value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10;
      }
      value = value * 10 + digit;
    }
  }
  bool integer = true;
  if (end - p >= 2 && *p == '.' && is_digit(p[1])) {
    integer = false;
    for (p += 2; p != end && is_digit(*p); ++p) {
    }
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    const char* q = p + 1;
    if (q != end && (*q == '+' || *q == '-')) ++q;
    if (q != end && is_digit(*q)) {
      integer = false;
      for (p = q + 1; p != end && is_digit(*p); ++p) {
      }
    }
  }
  number.end = p;
  if (!integer || overflow) {
    number.kind = integer ? Number::Kind::kBigInteger : Number::Kind::kDouble;
    number.d = to_double(begin, p);
    return true;
  }
  constexpr auto kMaxInt = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value <= kMaxInt) {
    number.kind = Number::Kind::kInt;
    number.i = negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
    number.d = static_cast<double>(number.i);
  } else if (negative && value == kMaxInt + 1) {
    number.kind = Number::Kind::kInt;
    number.i = std::numeric_limits<std::int64_t>::min();
    number.d = static_cast<double>(number.i);
  } else if (negative) {
    number.kind = Number::Kind::kBigInteger;
    number.d = -static_cast<double>(value);
  } else {
    number.kind = Number::Kind::kUint;
    number.u = value;
    number.d = static_cast<double>(value);
  }
  return true;
}

char* write_integer(char* out, std::int64_t value) {
  return std::to_chars(out, out + kMaxNumberText, value).ptr;
}
char* write_integer(char* out, std::uint64_t value) {
  return std::to_chars(out, out + kMaxNumberText, value).ptr;
}

char* write_double(char* out, double value) {
  const auto put = [&out](const char* text, std::size_t size) {
    std::memcpy(out, text, size);
    out += size;
  };
  if (std::isnan(value)) {
    put("NaN", 3);
    return out;
  }
  if (std::isinf(value)) {
    if (value < 0) *out++ = '-';
    put("Infinity", 8);
    return out;
  }
  // Shortest digits come from to_chars ("d.ddde±xx"); Python only differs in when it turns to an exponent.
  char text[kMaxNumberText];
  const char* const text_end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  const char* p = text;
  if (*p == '-') *out++ = *p++;
  char digits[24];
  int count = 0;
  for (; p != text_end && *p != 'e'; ++p) {
    if (*p != '.') digits[count++] = *p;
  }
  int exponent = 0;
  if (p != text_end) std::from_chars(p[1] == '+' ? p + 2 : p + 1, text_end, exponent);
  if (exponent < -4 || exponent >= 16) {
    *out++ = digits[0];
    if (count > 1) {
      *out++ = '.';
      put(digits + 1, static_cast<std::size_t>(count - 1));
    }
    put(p, static_cast<std::size_t>(text_end - p));  // to_chars writes at least two exponent digits, as Python
    return out;
  }
  if (exponent < 0) {
    put("0.", 2);
    for (int i = exponent + 1; i < 0; ++i) *out++ = '0';
    put(digits, static_cast<std::size_t>(count));
    return out;
  }
  for (int i = 0; i <= exponent; ++i) *out++ = i < count ? digits[i] : '0';
  *out++ = '.';
  if (count > exponent + 1) {
    put(digits + exponent + 1, static_cast<std::size_t>(count - exponent - 1));
  } else {
    *out++ = '0';
  }
  return out;
}

}  // namespace sedna::json
