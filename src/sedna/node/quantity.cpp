// Resource quantities and base64, as far as the agent reads them.
#include <array>
#include <charconv>
#include <cmath>

#include "sedna/node/environment.hpp"

namespace sedna::node {

std::optional<std::int64_t> quantity_millis(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::string_view suffix(end, text.data() + text.size());
  static constexpr std::array<std::pair<std::string_view, double>, 15> kScale{{{"", 1},
                                                                               {"n", 1e-9},
                                                                               {"u", 1e-6},
                                                                               {"m", 1e-3},
                                                                               {"k", 1e3},
                                                                               {"M", 1e6},
                                                                               {"G", 1e9},
                                                                               {"T", 1e12},
                                                                               {"P", 1e15},
                                                                               {"E", 1e18},
                                                                               {"Ki", 1024.0},
                                                                               {"Mi", 1048576.0},
                                                                               {"Gi", 1073741824.0},
                                                                               {"Ti", 1099511627776.0},
                                                                               {"Pi", 1125899906842624.0}}};
  for (const auto& [name, scale] : kScale) {
    if (name != suffix) continue;
    const double millis = std::ceil(number * scale * 1000 - 1e-6);
    if (millis > 9.2e18) return INT64_MAX;
    return static_cast<std::int64_t>(millis);
  }
  return std::nullopt;
}

std::optional<std::int64_t> quantity_value(std::string_view text) {
  const auto millis = quantity_millis(text);
  if (!millis) return std::nullopt;
  return *millis / 1000 + (*millis % 1000 != 0 ? 1 : 0);
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int have = 0, padding = 0;
  for (const char c : text) {
    int v = -1;
    if (c >= 'A' && c <= 'Z') v = c - 'A';
    if (c >= 'a' && c <= 'z') v = c - 'a' + 26;
    if (c >= '0' && c <= '9') v = c - '0' + 52;
    if (c == '+') v = 62;
    if (c == '/') v = 63;
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    if (v < 0 || padding > 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(v);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(bits >> have & 0xFF);
    }
  }
  if (padding > 2 || have >= 6) return std::nullopt;
  return out;
}

}  // namespace sedna::node
