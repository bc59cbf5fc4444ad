#include "sedna/json/yaml_style.hpp"

#include <algorithm>
#include <array>

#include "sedna/base/text.hpp"
#include "sedna/json/scanner.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::json {

namespace {

bool is_break(std::string_view c) {
  return c == "\n" || c == "\r" || c == "\xc2\x85" || c == "\xe2\x80\xa8" || c == "\xe2\x80\xa9";
}

bool is_blank_or_break(std::string_view c) {
  return c == " " || c == "\t" || is_break(c);
}

/// As go-yaml has it: the Basic Multilingual Plane but controls, surrogates, BOM and non-characters.
bool is_printable(std::string_view c) {
  const auto b = [&](std::size_t i) { return static_cast<unsigned char>(c[i]); };
  if (c.size() == 1) return b(0) == 0x0a || (b(0) >= 0x20 && b(0) <= 0x7e);
  if (c.size() == 2) return b(0) > 0xc2 || b(1) >= 0xa0;
  if (c.size() == 3) {
    if (b(0) == 0xef) return !(b(1) == 0xbb && b(2) == 0xbf) && !(b(1) == 0xbf && (b(2) == 0xbe || b(2) == 0xbf));
    return true;
  }
  return false;
}

struct Traits {
  bool plain = true, single_quoted = true, literal = true;
};

std::string_view character_at(std::string_view s, std::size_t i) {
  return s.substr(i, std::max<std::size_t>(1, utf8_sequence(s.data() + i, s.data() + s.size())));
}

/// What go-yaml's yaml_emitter_analyze_scalar finds out.
Traits analyse(std::string_view s) {
  if (s.empty()) return {true, true, false};
  bool indicators = s.starts_with("---") || s.starts_with("...");
  bool special = false, breaks = false, lead = false, trail = false, trailing_space = false;
  bool break_space = false, space_break = false;
  bool after_blank = true, previous_space = false, previous_break = false;
  for (std::size_t i = 0; i < s.size();) {
    const auto c = character_at(s, i);
    const std::size_t next = i + c.size();
    const bool last = next >= s.size();
    const bool before_blank = last || s[next] == ' ' || s[next] == '\t';
    if (i == 0) {
      indicators |= std::string_view("#,[]{}&*!|>'\"%@`").find(c[0]) != std::string_view::npos;
      indicators |= (c == "?" || c == ":" || c == "-") && before_blank;
    } else {
      indicators |= (c == ":" && before_blank) || (c == "#" && after_blank);
    }
    special |= !is_printable(c);
    if (c == " ") {
      lead |= i == 0;
      trail |= last;
      trailing_space |= last;
      break_space |= previous_break;
      previous_space = true;
      previous_break = false;
    } else if (is_break(c)) {
      breaks = true;
      lead |= i == 0;
      trail |= last;
      space_break |= previous_space;
      previous_space = false;
      previous_break = true;
    } else {
      previous_space = previous_break = false;
    }
    after_blank = is_blank_or_break(c);
    i = next;
  }
  Traits t;
  t.plain = !(lead || trail || break_space || space_break || special || breaks || indicators);
  t.single_quoted = !(break_space || space_break || special);
  t.literal = !(trailing_space || space_break || special);
  return t;
}

/// Takes one or two digits; -1 when there are none.
int number(std::string_view& s) {
  std::size_t n = 0;
  int v = 0;
  while (n < 2 && n < s.size() && is_ascii_digit(s[n])) v = v * 10 + (s[n++] - '0');
  s.remove_prefix(n);
  return n == 0 ? -1 : v;
}

bool take(std::string_view& s, std::string_view one_of) {
  if (s.empty() || one_of.find(s.front()) == std::string_view::npos) return false;
  s.remove_prefix(1);
  return true;
}

/// What go-yaml reads as a timestamp: a date, or one with a time.
bool is_timestamp(std::string_view s) {
  if (s.size() < 8 || !std::all_of(s.begin(), s.begin() + 4, is_ascii_digit) || s[4] != '-') return false;
  const int year = (s[0] - '0') * 1000 + (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');
  s.remove_prefix(5);
  const int month = number(s);
  if (month < 1 || month > 12 || !take(s, "-")) return false;
  const int day = number(s);
  static constexpr std::array<int, 12> kDays{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day < 1 || day > kDays[static_cast<std::size_t>(month - 1)] || (month == 2 && day == 29 && !leap)) return false;
  if (s.empty()) return true;
  const bool zoned = s.front() != ' ';
  if (!take(s, "Tt ")) return false;
  const int hour = number(s);
  if (hour < 0 || hour > 23 || !take(s, ":")) return false;
  const int minute = number(s);
  if (minute < 0 || minute > 59 || !take(s, ":")) return false;
  const int second = number(s);
  if (second < 0 || second > 59) return false;
  if (take(s, ".,")) {
    if (s.empty() || !is_ascii_digit(s.front())) return false;
    while (!s.empty() && is_ascii_digit(s.front())) s.remove_prefix(1);
  }
  if (!zoned) return s.empty();
  if (s == "Z") return true;
  return s.size() == 6 && (s[0] == '+' || s[0] == '-') && is_ascii_digit(s[1]) && is_ascii_digit(s[2]) && s[3] == ':' &&
         is_ascii_digit(s[4]) && is_ascii_digit(s[5]) && (s[1] - '0') * 10 + (s[2] - '0') <= 24 && s[4] < '6';
}

/// ^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$: YAML 1.1's base 60, which older readers take for a number.
bool is_base60(std::string_view s) {
  take(s, "-+");
  if (s.empty() || !is_ascii_digit(s.front())) return false;
  while (!s.empty() && (is_ascii_digit(s.front()) || s.front() == '_')) s.remove_prefix(1);
  bool any = false;
  while (take(s, ":")) {
    const bool two = s.size() > 1 && is_ascii_digit(s[1]);
    if (s.empty() || !is_ascii_digit(s[0]) || (two && s[0] > '5')) return false;
    s.remove_prefix(two ? 2 : 1);
    any = true;
  }
  if (take(s, ".")) {
    while (!s.empty() && (is_ascii_digit(s.front()) || s.front() == '_')) s.remove_prefix(1);
  }
  return any && s.empty();
}

bool reads_as_text(std::string_view s) {
  return s != "<<" && resolve_yaml_scalar(s).is_string() && !is_timestamp(s) && !is_base60(s);
}

}  // namespace

bool has_break(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = character_at(text, i);
    if (is_break(c)) return true;
    i += c.size();
  }
  return false;
}

YamlStyle choose_yaml_style(std::string_view text, bool key) {
  const Traits traits = analyse(text);
  if (text.find('\n') != std::string_view::npos) {
    return traits.literal && !key ? YamlStyle::kLiteral : YamlStyle::kDoubleQuoted;
  }
  if (!reads_as_text(text)) return YamlStyle::kDoubleQuoted;
  if (traits.plain) return YamlStyle::kPlain;
  return traits.single_quoted ? YamlStyle::kSingleQuoted : YamlStyle::kDoubleQuoted;
}

bool needs_yaml_escape(std::string_view c) {
  return !is_printable(c) || is_break(c) || c == "\"" || c == "\\";
}

std::string yaml_escape(std::string_view c) {
  const auto lead = static_cast<unsigned char>(c[0]);
  std::uint32_t v = c.size() == 1 ? lead : c.size() == 2 ? lead & 0x1fU : c.size() == 3 ? lead & 0x0fU : lead & 0x07U;
  for (const char follow : c.substr(1)) v = v << 6 | (static_cast<unsigned char>(follow) & 0x3fU);
  switch (v) {
    case 0x00:
      return "\\0";
    case 0x07:
      return "\\a";
    case 0x08:
      return "\\b";
    case 0x09:
      return "\\t";
    case 0x0a:
      return "\\n";
    case 0x0b:
      return "\\v";
    case 0x0c:
      return "\\f";
    case 0x0d:
      return "\\r";
    case 0x1b:
      return "\\e";
    case 0x22:
      return "\\\"";
    case 0x5c:
      return "\\\\";
    case 0x85:
      return "\\N";
    case 0xa0:
      return "\\_";
    case 0x2028:
      return "\\L";
    case 0x2029:
      return "\\P";
    default:
      break;
  }
  const int digits = v <= 0xff ? 2 : v <= 0xffff ? 4 : 8;
  std::string out = digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out.push_back("0123456789ABCDEF"[v >> shift & 15]);
  return out;
}

}  // namespace sedna::json
