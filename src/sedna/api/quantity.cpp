#include "sedna/api/quantity.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace sedna::api {

namespace {

__extension__ using Int = __int128;

constexpr Int kNano = 1'000'000'000;
// Nanos of 2^63 fit an Int with room for a factor of a thousand millions.
constexpr Int kMax = static_cast<Int>(std::numeric_limits<std::int64_t>::max()) * kNano;

constexpr std::array<std::string_view, 10> kDecimal{"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
constexpr std::array<std::string_view, 6> kBinary{"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

Int power(Int base, int exponent) {
  Int out = 1;
  for (int i = 0; i < exponent; ++i) out *= base;
  return out;
}

std::string to_text(Int v) {
  const bool negative = v < 0;
  if (negative) v = -v;
  std::string out;
  do {
    out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(v % 10)));
    v /= 10;
  } while (v != 0);
  return negative ? "-" + out : out;
}

Int divide_up(Int v, Int by) {
  return v >= 0 ? (v + by - 1) / by : -(-v / by);
}

std::int64_t clamp(Int v) {
  constexpr Int kLow = std::numeric_limits<std::int64_t>::min(), kHigh = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(v < kLow ? kLow : v > kHigh ? kHigh : v);
}

/// digits × 10^exponent in nanos, times `factor`; held at kMax, rounded up.
Int scaled(std::string_view digits, int exponent, Int factor) {
  Int v = 0;
  bool inexact = false;
  exponent += 9;
  for (const char c : digits) {
    if (v > kMax) return kMax;
    v = v * 10 + (c - '0');
  }
  if (v == 0) return 0;
  // The factor first, while there is room, so that 0.5Ki loses nothing.
  if (v > kMax * 10 / factor) return exponent < -20 ? 1 : kMax;
  v *= factor;
  for (; exponent > 0; --exponent) {
    v *= 10;
    if (v > kMax) return kMax;
  }
  for (; exponent < 0 && v > 0; ++exponent) {
    inexact |= v % 10 != 0;
    v /= 10;
  }
  if (inexact) ++v;
  return v > kMax ? kMax : v;
}

}  // namespace

std::optional<Quantity> Quantity::parse(std::string_view text) {
  Quantity out;
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  std::string digits;
  int exponent = 0;
  std::size_t i = 0;
  bool point = false;
  for (; i < text.size() && (text[i] == '.' || (text[i] >= '0' && text[i] <= '9')); ++i) {
    if (text[i] == '.') {
      if (std::exchange(point, true)) return std::nullopt;
    } else {
      // Digits beyond what the largest quantity has are dropped, but counted.
      if (digits.size() < 30) {
        if (!digits.empty() || text[i] != '0') digits.push_back(text[i]);
        exponent -= point ? 1 : 0;
      } else {
        exponent += point ? 0 : 1;
      }
    }
  }
  if (i == 0 || (i == 1 && point)) return std::nullopt;
  const std::string_view suffix = text.substr(i);
  Int factor = 1;
  bool known = false;
  for (std::size_t k = 0; k < kDecimal.size(); ++k) {
    if (suffix == kDecimal[k]) {
      exponent += static_cast<int>(k) * 3 - 9;
      known = true;
    }
  }
  for (std::size_t k = 0; k < kBinary.size() && !known; ++k) {
    if (suffix == kBinary[k]) {
      factor = power(1024, static_cast<int>(k) + 1);
      out.format_ = Format::kBinary;
      known = true;
    }
  }
  if (!known) {
    if (suffix.size() < 2 || (suffix.front() != 'e' && suffix.front() != 'E')) return std::nullopt;
    std::string_view number = suffix.substr(1);
    if (number.front() == '+') number.remove_prefix(1);
    int e = 0;
    const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), e);
    if (ec != std::errc() || end != number.data() + number.size() || e < -1000 || e > 1000) return std::nullopt;
    exponent += e;
    out.format_ = Format::kExponent;
  }
  out.nanos_ = scaled(digits, exponent, factor);
  if (negative) out.nanos_ = -out.nanos_;
  return out;
}

std::optional<Quantity> Quantity::from_json(const json::value& v) {
  if (v.is_string()) return parse(v.get_string());
  if (v.is_number()) return parse(json::write(v));
  return std::nullopt;
}

std::int64_t Quantity::value() const {
  return clamp(divide_up(nanos_, kNano));
}
std::int64_t Quantity::milli_value() const {
  return clamp(divide_up(nanos_, kNano / 1000));
}
double Quantity::as_double() const {
  return static_cast<double>(nanos_) / 1e9;
}

std::string Quantity::canonical() const {
  if (nanos_ == 0) return "0";
  if (format_ == Format::kBinary && (nanos_ >= 1024 * kNano || nanos_ <= -1024 * kNano)) {
    Int v = divide_up(nanos_, kNano);
    std::size_t k = 0;
    for (; k < kBinary.size() && v % 1024 == 0; ++k) v /= 1024;
    return to_text(v) + std::string(k == 0 ? "" : kBinary[k - 1]);
  }
  for (std::size_t k = kDecimal.size(); k-- > 0;) {
    const Int unit = power(1000, static_cast<int>(k));
    if (nanos_ % unit != 0) continue;
    const int exponent = static_cast<int>(k) * 3 - 9;
    std::string out = to_text(nanos_ / unit);
    if (format_ != Format::kExponent) return out.append(kDecimal[k]);
    return exponent == 0 ? out : out + "e" + std::to_string(exponent);
  }
  return to_text(nanos_) + "n";
}

}  // namespace sedna::api
