// Numbers between JSON text and machine types, exactly as Python's json module reads and prints them. Used by the JSON
// parser and writer and by the tensor codecs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sedna::json {

/// Longest text that write_double() and write_integer() produce.
inline constexpr std::size_t kMaxNumberText = 32;

struct Number {
  enum class Kind : std::uint8_t { kInt, kUint, kBigInteger, kDouble };
  Kind kind = Kind::kInt;
  std::int64_t i = 0;   ///< kInt
  std::uint64_t u = 0;  ///< kUint: above the int64 range
  double d = 0;         ///< always the nearest double (±inf when out of range, as Python)
  const char* end = nullptr;
};

/// Reads the longest prefix of [p, end) that is a JSON number; `number.end` is where it stops. False when there is
/// none.
bool scan_number(const char* p, const char* end, Number& number);

/// The nearest double of a text that is known to be a JSON number; ±inf on overflow, ±0 on underflow.
double to_double(const char* p, const char* end);

/// Python's repr(float): shortest text that reads back the same, "10.0", "1e+16", "5e-324"; NaN, Infinity, -Infinity.
/// Returns the end; `out` has room for kMaxNumberText characters.
char* write_double(char* out, double value);
char* write_integer(char* out, std::int64_t value);
char* write_integer(char* out, std::uint64_t value);

}  // namespace sedna::json
