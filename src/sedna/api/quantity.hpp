// Kubernetes quantities ("500m", "64Mi", "1.5", "2e3"): resource requests and limits. The server stores them in their
// canonical form; the node agent needs the number.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/json/json.hpp"

namespace sedna::api {

class Quantity {
 public:
  /// Nothing when the text is not a quantity. What is finer than a nano is rounded up; what is too large is held at the
  /// largest that fits.
  static std::optional<Quantity> parse(std::string_view text);
  /// Of a text or a number of JSON.
  static std::optional<Quantity> from_json(const json::value& v);

  /// The number, rounded up ("1500m" is 2); held at the ends of int64.
  std::int64_t value() const;
  /// In thousandths, rounded up: what CPU is counted in.
  std::int64_t milli_value() const;
  double as_double() const;
  bool negative() const { return nanos_ < 0; }
  /// As Kubernetes prints it: "1000m" is "1", "1536Mi" stays, "0.5" is "500m".
  std::string canonical() const;

  friend bool operator==(const Quantity& a, const Quantity& b) { return a.nanos_ == b.nanos_; }
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
    return a.nanos_ < b.nanos_   ? std::strong_ordering::less
           : a.nanos_ > b.nanos_ ? std::strong_ordering::greater
                                 : std::strong_ordering::equal;
  }

 private:
  enum class Format : std::uint8_t { kDecimal, kBinary, kExponent };
  __extension__ using Int = __int128;

  Int nanos_ = 0;
  Format format_ = Format::kDecimal;
};

}  // namespace sedna::api
