// YAML as `kubectl -o yaml` prints it, byte for byte (go-yaml v2's emitter with its defaults: two spaces, lists not
// indented, long plain text folded after column 80), so that diffs between the two tools stay empty.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <list>
#include <string>

#include "sedna/json/scanner.hpp"
#include "sedna/json/yaml.hpp"
#include "sedna/json/yaml_style.hpp"

namespace sedna::json {

namespace {

constexpr std::size_t kWidth = 80;
constexpr std::size_t kLongestSimpleKey = 128;

/// Go's strconv.FormatFloat(v, 'g', -1, 64).
std::string go_float(double v) {
  std::array<char, 64> text{};
  char* const begin = text.data();
  auto end = std::to_chars(begin, begin + text.size(), v, std::chars_format::scientific).ptr;
  const std::string_view scientific(begin, static_cast<std::size_t>(end - begin));
  const auto e = scientific.find('e');
  if (e == std::string_view::npos) return v > 0 ? ".inf" : std::isnan(v) ? ".nan" : "-.inf";
  int exponent = 0;
  std::from_chars(begin + e + (scientific[e + 1] == '+' ? 2 : 1), end, exponent);
  if (exponent < -4 || exponent >= 6) return std::string(scientific);
  // The text of the shortest digits in fixed form ("100000", "0.5").
  std::array<char, 400> fixed{};
  end = std::to_chars(fixed.data(), fixed.data() + fixed.size(), v, std::chars_format::fixed).ptr;
  return {fixed.data(), end};
}

/// Keys in go-yaml's order: letters after everything else, runs of digits by their value.
bool key_less(std::string_view a, std::string_view b) {
  const auto digit = [](std::string_view s, std::size_t i) { return i < s.size() && s[i] >= '0' && s[i] <= '9'; };
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
  };
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i] == b[i]) continue;
    const auto ua = static_cast<unsigned char>(a[i]), ub = static_cast<unsigned char>(b[i]);
    if (letter(a[i]) && letter(b[i])) return ua < ub;
    if (letter(a[i]) || letter(b[i])) return letter(b[i]);
    std::uint64_t an = 0, bn = 0;
    if (a[i] == '0' || b[i] == '0') {
      for (std::size_t j = i; j > 0 && digit(a, j - 1); --j) {
        if (a[j - 1] != '0') {
          an = bn = 1;
          break;
        }
      }
    }
    std::size_t ai = i, bi = i;
    for (; digit(a, ai); ++ai) an = an * 10 + static_cast<std::uint64_t>(a[ai] - '0');
    for (; digit(b, bi); ++bi) bn = bn * 10 + static_cast<std::uint64_t>(b[bi] - '0');
    if (an != bn) return an < bn;
    if (ai != bi) return ai < bi;
    return ua < ub;
  }
  return a.size() < b.size();
}

class Writer {
 public:
  std::string run(const value& v) {
    node(v, 0, Place::kRoot);
    if (out_.empty() || out_.back() != '\n') out_.push_back('\n');
    return std::move(out_);
  }

 private:
  enum class Place : std::uint8_t { kRoot, kMapValue, kItem };

  /// `indent`: the column at which the lines of this node's parent start.
  void node(const value& v, std::size_t indent, Place place) {
    if (v.is_object() && !v.get_object().empty()) {
      const std::size_t inner = place == Place::kRoot ? 0 : indent + 2;
      mapping(v.get_object(), inner, place == Place::kItem);
    } else if (v.is_array() && !v.get_array().empty()) {
      // Lists in a mapping stay at its column.
      sequence(v.get_array(), place == Place::kItem ? indent + 2 : indent, place == Place::kItem);
    } else {
      if (place == Place::kMapValue) put(' ');
      scalar(v, indent + 2);
    }
  }

  void mapping(const object& map, std::size_t indent, bool inline_first) {
    std::vector<const object::value_type*> members;
    members.reserve(map.size());
    for (const auto& member : map) members.push_back(&member);
    // go-yaml's order has circles ("500" before "1200" before "1x" before "500"), so what comes out must not depend on
    // how the members stood, and only a sort by merging keeps within its bounds.
    std::ranges::sort(members, {}, [](const auto* member) { return std::string_view(member->key()); });
    std::list<const object::value_type*> ordered(members.begin(), members.end());
    ordered.sort([](const auto* a, const auto* b) { return key_less(a->key(), b->key()); });
    bool first = inline_first;
    for (const auto* member : ordered) {
      if (!std::exchange(first, false)) line(indent);
      const std::string_view key = member->key();
      const bool complex = key.size() > kLongestSimpleKey || has_break(key);
      if (complex) {
        put('?');
        put(' ');
        text(key, indent + 2, false);
        line(indent);
      } else {
        text(key, indent, true);
      }
      put(':');
      if (complex) put(' ');
      node(member->value(), indent, complex ? Place::kItem : Place::kMapValue);
    }
  }

  void sequence(const array& list, std::size_t indent, bool inline_first) {
    bool first = inline_first;
    for (const auto& item : list) {
      if (!std::exchange(first, false)) line(indent);
      put('-');
      put(' ');
      node(item, indent, Place::kItem);
    }
  }

  void scalar(const value& v, std::size_t indent) {
    if (v.is_null()) return append("null");
    if (v.is_bool()) return append(v.get_bool() ? "true" : "false");
    if (v.is_double()) return append(go_float(v.get_double()));
    if (v.is_object()) return append("{}");
    if (v.is_array()) return append("[]");
    if (v.is_string()) return text(v.get_string(), indent, false);
    append(write(v));
  }

  void text(std::string_view s, std::size_t indent, bool key) {
    const YamlStyle style = choose_yaml_style(s, key);
    switch (style) {
      case YamlStyle::kPlain:
        folded(s, indent, key, style);
        break;
      case YamlStyle::kSingleQuoted:
        put('\'');
        folded(s, indent, key, style);
        put('\'');
        break;
      case YamlStyle::kDoubleQuoted:
        put('"');
        folded(s, indent, key, style);
        put('"');
        break;
      case YamlStyle::kLiteral:
        literal(s, indent);
        break;
    }
  }

  void folded(std::string_view s, std::size_t indent, bool key, YamlStyle style) {
    const bool quoted = style != YamlStyle::kPlain;
    const bool doubled = style == YamlStyle::kDoubleQuoted;
    bool spaces = false;
    for (std::size_t i = 0; i < s.size();) {
      if (s[i] == ' ') {
        const bool inside = !quoted || (i > 0 && i + 1 < s.size());
        const bool next_space = i + 1 < s.size() && s[i + 1] == ' ';
        if (!key && !spaces && column_ > kWidth && inside && (doubled || !next_space)) {
          line(indent);
          if (doubled && next_space) put('\\');
        } else {
          put(' ');
        }
        ++i;
        spaces = true;
        continue;
      }
      spaces = false;
      const std::size_t length = std::max<std::size_t>(1, utf8_sequence(s.data() + i, s.data() + s.size()));
      const auto c = s.substr(i, length);
      if (doubled && needs_yaml_escape(c)) {
        append(yaml_escape(c));
      } else {
        if (style == YamlStyle::kSingleQuoted && c == "'") put('\'');
        out_.append(c);
        ++column_;
      }
      i += length;
    }
  }

  void literal(std::string_view s, std::size_t indent) {
    put('|');
    if (s.front() == ' ' || s.front() == '\n') put('2');
    if (s.back() != '\n') {
      put('-');
    } else if (s.size() == 1 || s[s.size() - 2] == '\n') {
      put('+');
    }
    out_.push_back('\n');
    for (std::size_t i = 0; i < s.size();) {
      const auto end = std::min(s.find('\n', i), s.size());
      if (end > i) out_.append(indent, ' ').append(s.substr(i, end - i));
      if (end < s.size()) out_.push_back('\n');
      i = end + 1;
    }
  }

  /// A new line (unless one was just begun) and its indentation.
  void line(std::size_t indent) {
    if (!out_.empty() && out_.back() != '\n') out_.push_back('\n');
    out_.append(indent, ' ');
    column_ = indent;
  }
  void put(char c) {
    out_.push_back(c);
    ++column_;
  }
  void append(std::string_view ascii) {
    out_.append(ascii);
    column_ += ascii.size();
  }

  std::string out_;
  std::size_t column_ = 0;
};

}  // namespace

std::string write_yaml(const value& v) {
  return Writer().run(v);
}

}  // namespace sedna::json
