// What plain scalars mean to kubectl: the rules of go-yaml v2, which knows YAML 1.1's words, Go's integer prefixes and
// neither base 60 nor dates.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "sedna/base/text.hpp"
#include "sedna/json/number.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/json/yaml_style.hpp"

namespace sedna::json {

namespace {

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

/// strconv.ParseInt(text, 0, 64) and ParseUint: a sign (not for what needs 64 bits), 0x, 0o, 0b or a leading zero.
std::optional<value> integer(std::string_view text) {
  std::string_view digits = text;
  const bool sign = !digits.empty() && (digits.front() == '-' || digits.front() == '+');
  const bool negative = sign && digits.front() == '-';
  if (sign) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 1 && digits.front() == '0') {
    const char prefix = digits[1];
    base = prefix == 'x' || prefix == 'X' ? 16 : prefix == 'b' || prefix == 'B' ? 2 : 8;
    digits.remove_prefix(base != 8 || prefix == 'o' || prefix == 'O' ? 2 : 1);
  }
  std::uint64_t magnitude = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (ec != std::errc() || digits.empty() || end != digits.data() + digits.size()) return std::nullopt;
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (negative) {
    if (magnitude > kMax + 1) return std::nullopt;
    return value(magnitude > kMax ? std::numeric_limits<std::int64_t>::min() : -static_cast<std::int64_t>(magnitude));
  }
  if (magnitude <= kMax) return value(static_cast<std::int64_t>(magnitude));
  if (sign) return std::nullopt;
  return value(magnitude);
}

/// ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$
bool looks_like_float(std::string_view t) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < t.size() && is_ascii_digit(t[i])) ++i;
    return i - from;
  };
  if (i < t.size() && (t[i] == '-' || t[i] == '+')) ++i;
  const std::size_t whole = digits();
  if (i < t.size() && t[i] == '.') {
    ++i;
    if (digits() == 0 && whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
    ++i;
    if (i < t.size() && (t[i] == '-' || t[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == t.size();
}

std::optional<value> floating(std::string_view text) {
  if (!looks_like_float(text)) return std::nullopt;
  if (text.front() == '+') text.remove_prefix(1);
  double d = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), d);
  if (ec == std::errc::result_out_of_range) {
    // Go calls an overflow an error (the scalar stays text) and an underflow zero.
    const double magnitude = std::fabs(to_double(text.data(), text.data() + text.size()));
    if (!(magnitude < 1)) return std::nullopt;
    d = 0;
  } else if (ec != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value(d);
}

/// A date that go-yaml would call a timestamp, and then keeps as the text it was. Only "2026-01" and the like reach
/// the number rules otherwise, and those fail there too, so the one thing to know is: text.
bool looks_like_date(std::string_view t) {
  return t.size() > 4 && t[4] == '-' && std::all_of(t.begin(), t.begin() + 4, is_ascii_digit);
}

}  // namespace

value resolve_yaml_key(std::string_view plain) {
  if (plain.empty() || one_of(plain, {"~", "null", "Null", "NULL"})) return nullptr;
  if (one_of(plain, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) return true;
  if (one_of(plain, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) return false;
  if (one_of(plain, {".nan", ".NaN", ".NAN"})) return std::numeric_limits<double>::quiet_NaN();
  if (one_of(plain, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"}))
    return std::numeric_limits<double>::infinity();
  if (one_of(plain, {"-.inf", "-.Inf", "-.INF"})) return -std::numeric_limits<double>::infinity();
  const char first = plain.front();
  if (first == '.') {
    if (auto v = floating(plain)) return *v;
  } else if ((is_ascii_digit(first) || first == '-' || first == '+') && !looks_like_date(plain)) {
    std::string text(plain);
    std::erase(text, '_');
    if (auto v = integer(text)) return *v;
    if (!text.empty()) {
      if (auto v = floating(text)) return *v;
    }
  }
  return value(plain);
}

value json_number(value v) {
  if (!v.is_double()) return v;
  const double d = v.get_double();
  if (std::trunc(d) == d && std::fabs(d) < 0x1p63) return value(static_cast<std::int64_t>(d));
  return v;
}

value resolve_yaml_scalar(std::string_view plain) {
  return json_number(resolve_yaml_key(plain));
}

}  // namespace sedna::json
