#include "sedna/cli/json_path.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace sedna::cli {
namespace {

using Values = std::vector<const json::value*>;

Error wrong(std::string message, std::string_view subject) {
  return {ErrorCode::kInvalidArgument, std::move(message), "jsonpath " + std::string(subject)};
}

bool is_name_char(char c) {
  return c != '.' && c != '[' && c != ']' && c != ' ' && c != '{' && c != '}' && c != '=' && c != '!' && c != '<' &&
         c != '>' && c != ')' && c != '(' && c != ',';
}

/// One path, read from the front of `text_`.
class Path {
 public:
  Path(std::string_view text, bool allow_missing) : text_(text), allow_missing_(allow_missing) {}

  Result<Values> run(Values current) {
    skip_spaces();
    if (!rest().empty() && (peek() == '$' || peek() == '@')) ++at_;
    if (!rest().empty() && peek() != '.' && peek() != '[') {
      auto step = name_step(std::move(current));  // "metadata.name" without its leading dot
      if (!step) return step;
      current = std::move(*step);
    }
    while (!rest().empty() && (peek() == '.' || peek() == '[')) {
      Result<Values> step = peek() == '[' ? bracket_step(current) : dot_step(std::move(current));
      if (!step) return step;
      current = std::move(*step);
    }
    return current;
  }
  std::string_view rest() const { return text_.substr(at_); }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

 private:
  char peek() const { return text_[at_]; }

  Result<Values> dot_step(Values current) {
    ++at_;
    if (!rest().empty() && peek() == '.') {
      ++at_;
      current = descendants(current);
    }
    if (rest().empty() || peek() == '[' || peek() == ' ' || peek() == ')') return current;  // "{.}" and "{..[0]}"
    return name_step(std::move(current));
  }

  Result<Values> name_step(Values current) {
    std::string name;
    while (!rest().empty() && is_name_char(peek())) {
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;  // "\." in an annotation's name
      name += text_[at_++];
    }
    if (name.empty()) return wrong("a name is missing after '" + std::string(text_.substr(0, at_)) + "'", text_);
    if (name == "*") return children(current);
    return member(current, name);
  }

  Result<Values> member(const Values& current, std::string_view name) {
    Values out;
    for (const json::value* v : current) {
      if (!v->is_object()) continue;
      if (const json::value* found = v->as_object().if_contains(name)) out.push_back(found);
    }
    if (out.empty() && !allow_missing_) return wrong("nothing is named '" + std::string(name) + "' there", text_);
    return out;
  }

  Result<Values> bracket_step(const Values& current) {
    const std::size_t end = closing_bracket();
    if (end == std::string_view::npos) return wrong("'[' is not closed", text_);
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (inside == "*") return children(current);
    if (inside.starts_with("?(") && inside.ends_with(")")) return filter(current, inside.substr(2, inside.size() - 3));
    Values out;
    std::size_t from = 0;
    while (from <= inside.size()) {  // a union: ['a','b'] or [0,2:4]
      std::size_t comma = inside.find(',', from);
      if (comma == std::string_view::npos) comma = inside.size();
      auto part = element(current, inside.substr(from, comma - from));
      if (!part) return part;
      out.insert(out.end(), part->begin(), part->end());
      from = comma + 1;
    }
    return out;
  }

  std::size_t closing_bracket() const {
    int depth = 0;
    char quote = 0;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      const char c = text_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        if (c == quote) quote = 0;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == '[') {
        ++depth;
      } else if (c == ']' && --depth == 0) {
        return i;
      }
    }
    return std::string_view::npos;
  }

  Result<Values> element(const Values& current, std::string_view what) {
    while (what.starts_with(' ')) what.remove_prefix(1);
    while (what.ends_with(' ')) what.remove_suffix(1);
    if (what.size() >= 2 && (what.front() == '\'' || what.front() == '"') && what.back() == what.front()) {
      return member(current, what.substr(1, what.size() - 2));
    }
    return slice(current, what);
  }

  static std::optional<long long> number(std::string_view text) {
    long long n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return n;
  }

  Result<Values> slice(const Values& current, std::string_view what) {
    const std::size_t colon = what.find(':');
    const bool single = colon == std::string_view::npos;
    const std::string_view first = what.substr(0, colon);
    std::string_view last = single ? std::string_view{} : what.substr(colon + 1);
    std::string_view stride;
    if (const std::size_t second = last.find(':'); second != std::string_view::npos) {
      stride = last.substr(second + 1);
      last = last.substr(0, second);
    }
    const auto bad = [&](std::string_view n) { return !n.empty() && !number(n); };
    const long long step = number(stride).value_or(1);
    if ((single && first.empty()) || bad(first) || bad(last) || bad(stride) || step < 1) {
      return wrong("'" + std::string(what) + "' is no index, no slice and no quoted name", text_);
    }
    Values out;
    for (const json::value* v : current) {
      if (!v->is_array()) continue;
      const auto& array = v->as_array();
      const auto size = static_cast<long long>(array.size());
      long long begin = number(first).value_or(0);
      if (begin < 0) begin += size;
      long long end = single ? begin + 1 : number(last).value_or(size);
      if (!single && end < 0) end += size;
      if (single && (begin < 0 || begin >= size)) continue;
      for (long long i = std::max(0LL, begin); i < std::min(size, end); i += step) {
        out.push_back(&array[static_cast<std::size_t>(i)]);
      }
    }
    if (out.empty() && single && !allow_missing_) return wrong("there is no element " + std::string(what), text_);
    return out;
  }

  static Values children(const Values& current) {
    Values out;
    for (const json::value* v : current) {
      if (v->is_array()) {
        for (const auto& e : v->as_array()) out.push_back(&e);
      } else if (v->is_object()) {
        for (const auto& m : v->as_object()) out.push_back(&m.value());
      }
    }
    return out;
  }

  static Values descendants(const Values& current) {
    Values out = current;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const Values below = children({out[i]});
      out.insert(out.end(), below.begin(), below.end());
    }
    return out;
  }

  static std::string text_of(const json::value& v) {
    return v.is_string() ? std::string(v.as_string()) : json::write(v);
  }

  static bool compare(const std::string& a, std::string_view op, const std::string& b) {
    const auto as_number = [](const std::string& s) -> std::optional<double> {
      double d = 0;
      const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), d);
      if (error != std::errc{} || end != s.data() + s.size()) return std::nullopt;
      return d;
    };
    const auto na = as_number(a);
    const auto nb = as_number(b);
    const int order = na && nb ? (*na < *nb ? -1 : *na > *nb ? 1 : 0) : a.compare(b);
    if (op == "==") return order == 0;
    if (op == "!=") return order != 0;
    if (op == "<") return order < 0;
    if (op == ">") return order > 0;
    return op == "<=" ? order <= 0 : order >= 0;
  }

  /// "@.type", "@.type=="Ready"", "@.count > 2".
  Result<Values> filter(const Values& current, std::string_view expression) {
    Values out;
    for (const json::value* candidate : children(current)) {
      Path left(expression, true);
      auto values = left.run({candidate});
      if (!values) return values;
      left.skip_spaces();
      std::string_view rest = left.rest();
      if (rest.empty()) {
        if (!values->empty()) out.push_back(candidate);
        continue;
      }
      std::string_view op;
      for (const std::string_view known : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (rest.starts_with(known)) {
          op = known;
          break;
        }
      }
      if (op.empty()) return wrong("expected ==, !=, <, <=, > or >= at '" + std::string(rest) + "'", text_);
      rest.remove_prefix(op.size());
      while (rest.starts_with(' ')) rest.remove_prefix(1);
      while (rest.ends_with(' ')) rest.remove_suffix(1);
      std::string wanted(rest);
      if (rest.size() >= 2 && (rest.front() == '"' || rest.front() == '\'') && rest.back() == rest.front()) {
        wanted = rest.substr(1, rest.size() - 2);
      }
      if (!values->empty() && compare(text_of(*values->front()), op, wanted)) out.push_back(candidate);
    }
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool allow_missing_;
};

/// The pieces of a template between braces, with {range}s nested.
class Template {
 public:
  Template(std::string_view text, bool allow_missing) : text_(text), allow_missing_(allow_missing) {}

  Result<std::string> render(const json::value& root) {
    std::string out;
    std::size_t at = 0;
    auto done = block(at, &root, false, &out);
    if (!done) return done.error();
    return out;
  }

 private:
  Result<void> block(std::size_t& at, const json::value* current, bool inside_range, std::string* out) {
    while (at < text_.size()) {
      if (text_[at] != '{') {
        if (out != nullptr) *out += text_[at];
        ++at;
        continue;
      }
      const std::size_t close = closing_brace(at);
      if (close == std::string_view::npos) return wrong("'{' is not closed", text_);
      std::string_view inside = text_.substr(at + 1, close - at - 1);
      while (inside.starts_with(' ')) inside.remove_prefix(1);
      while (inside.ends_with(' ')) inside.remove_suffix(1);
      at = close + 1;
      if (inside == "end") {
        if (!inside_range) return wrong("{end} without {range}", text_);
        return {};
      }
      Result<void> done =
          inside.starts_with("range") ? range(inside.substr(5), at, current, out) : expression(inside, current, out);
      if (!done) return done;
    }
    if (inside_range) return wrong("{range} without {end}", text_);
    return {};
  }

  Result<void> range(std::string_view path, std::size_t& at, const json::value* current, std::string* out) {
    Values values;
    if (current != nullptr) {
      auto selected = Path(path, allow_missing_).run({current});
      if (!selected) return selected.error();
      values = std::move(*selected);
    }
    const std::size_t begin = at;
    auto done = block(at, nullptr, true, nullptr);  // finds the end, also of an empty range
    if (!done) return done;
    for (const json::value* v : values) {
      std::size_t inner = begin;
      done = block(inner, v, true, out);
      if (!done) return done;
    }
    return {};
  }

  Result<void> expression(std::string_view inside, const json::value* current, std::string* out) {
    if (inside.size() >= 2 && (inside.front() == '"' || inside.front() == '\'') && inside.back() == inside.front()) {
      if (out != nullptr) append_unescaped(*out, inside.substr(1, inside.size() - 2));
      return {};
    }
    if (current == nullptr) return {};
    auto values = Path(inside, allow_missing_).run({current});
    if (!values) return values.error();
    bool first = true;
    for (const json::value* v : *values) {
      if (!first) *out += ' ';
      first = false;
      if (v->is_string()) {
        *out += std::string_view(v->as_string());
      } else {
        json::append(*out, *v);
      }
    }
    return {};
  }

  static void append_unescaped(std::string& out, std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 == text.size()) {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
    }
  }

  std::size_t closing_brace(std::size_t from) const {
    char quote = 0;
    for (std::size_t i = from + 1; i < text_.size(); ++i) {
      const char c = text_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '}') {
        return i;
      }
    }
    return std::string_view::npos;
  }

  std::string_view text_;
  bool allow_missing_;
};

}  // namespace

Result<std::string> render_json_path(std::string_view text, const json::value& root, bool allow_missing) {
  if (text.find('{') == std::string_view::npos) {  // kubectl takes ".metadata.name" too
    const std::string braced = "{" + std::string(text) + "}";
    return Template(braced, allow_missing).render(root);
  }
  return Template(text, allow_missing).render(root);
}

Result<std::vector<const json::value*>> select_json_path(std::string_view path, const json::value& root) {
  Path parsed(path, true);
  auto out = parsed.run({&root});
  parsed.skip_spaces();
  if (out && !parsed.rest().empty()) {
    return wrong("what follows is not understood: '" + std::string(parsed.rest()) + "'", path);
  }
  return out;
}

}  // namespace sedna::cli
