// ASCII text as protocols compare it: never by the locale. Called by whatever reads headers, schemes, labels and words
// of configurations.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace sedna {

/// `c` in lower case when it is one of A to Z; every other byte as it is.
constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr bool is_ascii_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// `text` with A to Z in lower case.
inline std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = ascii_lower(c);
  return out;
}

/// Whether two texts are the same but for the case of A to Z.
constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

}  // namespace sedna
