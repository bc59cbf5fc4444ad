#include <algorithm>
#include <charconv>
#include <optional>

#include "sedna/api/field_error.hpp"
#include "sedna/api/names.hpp"
#include "sedna/api/selector.hpp"

namespace sedna::api {

namespace {

using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return out;
}

Error fault(std::string message) {
  return {ErrorCode::kInvalidArgument, "unable to parse requirement: " + std::move(message), "labelSelector"};
}

/// The key and values of one requirement, checked as labels.NewRequirement does.
std::optional<std::string> requirement_fault(const Requirement& r) {
  if (const auto f = qualified_name_faults(r.key); !f.empty()) {
    return "<nil>: Invalid value: " + in_quotes(r.key) + ": " + join_faults(f);
  }
  for (const auto& v : r.values) {
    if (r.op == Operator::kGreater || r.op == Operator::kLess) {
      if (!integer(v))
        return "values[0]: Invalid value: " + in_quotes(v) + ": for 'Gt', 'Lt' operators, the value must be an integer";
    } else if (const auto f = label_value_faults(v); !f.empty()) {
      return "values[0][" + r.key + "]: Invalid value: " + in_quotes(v) + ": " + join_faults(f);
    }
  }
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Requirement>> run() {
    std::vector<Requirement> out;
    Token t = next(false);
    while (!t.end()) {
      if (t.symbol && t.text != "!") return fail_between(t, "!, identifier, or 'end of string'");
      auto r = requirement(t);
      if (!r) return std::move(r).error();
      if (auto f = requirement_fault(*r)) return fault(*f);
      out.push_back(std::move(*r));
      t = next(false);
      if (t.end()) break;
      if (!t.is(",")) return fail_between(t, "',' or 'end of string'");
      t = next(false);
      if (t.end() || (t.symbol && t.text != "!")) return fail_between(t, "identifier after ','");
    }
    return out;
  }

 private:
  struct Token {
    std::string_view text;
    bool symbol = false;
    bool end() const { return symbol && text.empty(); }
    bool is(std::string_view s) const { return symbol && text == s; }
  };

  /// Between requirements, where Kubernetes says so without a prefix.
  static Error fail_between(const Token& found, std::string_view expected) {
    return {ErrorCode::kInvalidArgument, "found '" + std::string(found.text) + "', expected: " + std::string(expected),
            "labelSelector"};
  }
  static Error fail(const Token& found, std::string_view expected) {
    return fault("found '" + std::string(found.text) + "', expected: " + std::string(expected));
  }

  static bool special(char c) { return std::string_view("=!(),><").find(c) != std::string_view::npos; }
  static bool space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  /// Words "in" and "notin" are symbols only between key and values.
  Token next(bool operators) {
    while (at_ < text_.size() && space(text_[at_])) ++at_;
    if (at_ == text_.size()) return {{}, true};
    const std::size_t start = at_;
    if (special(text_[at_])) {
      ++at_;
      const char first = text_[start];
      if ((first == '=' || first == '!') && at_ < text_.size() && text_[at_] == '=') ++at_;
      return {text_.substr(start, at_ - start), true};
    }
    while (at_ < text_.size() && !special(text_[at_]) && !space(text_[at_])) ++at_;
    const auto word = text_.substr(start, at_ - start);
    return {word, operators && (word == "in" || word == "notin")};
  }

  Token peek(bool operators) {
    const std::size_t at = at_;
    const Token t = next(operators);
    at_ = at;
    return t;
  }

  Result<Requirement> requirement(Token t) {
    Requirement r;
    const bool absent = t.is("!");
    if (absent) t = next(false);
    if (t.symbol) return fail(t, "identifier");
    r.key = t.text;
    if (const Token after = peek(true); absent || after.end() || after.is(",")) {
      r.op = absent ? Operator::kDoesNotExist : Operator::kExists;
      return r;
    }
    t = next(true);
    if (t.is("in") || t.is("notin")) {
      r.op = t.is("in") ? Operator::kIn : Operator::kNotIn;
      return set_values(std::move(r));
    }
    if (t.is("=") || t.is("==")) {
      r.op = Operator::kEquals;
    } else if (t.is("!=")) {
      r.op = Operator::kNotEquals;
    } else if (t.is(">")) {
      r.op = Operator::kGreater;
    } else if (t.is("<")) {
      r.op = Operator::kLess;
    } else {
      return fail(t, "in, notin, =, ==, !=, gt, lt");
    }
    if (const Token value = peek(false); value.end() || value.is(",")) {
      r.values.emplace_back();
      return r;
    }
    t = next(false);
    if (t.symbol) return fail(t, "identifier");
    r.values.emplace_back(t.text);
    return r;
  }

  Result<Requirement> set_values(Requirement r) {
    Token t = next(false);
    if (!t.is("(")) return fault("found '" + std::string(t.text) + "' expected: '('");  // no comma there
    while (true) {
      t = next(false);
      if (!t.symbol) {
        r.values.emplace_back(t.text);
        t = next(false);
      } else {
        r.values.emplace_back();  // "(a,,b)" and "()" hold the empty value
      }
      if (t.is(")")) break;
      if (!t.is(",")) return fail(t, "',' or ')'");
    }
    std::ranges::sort(r.values);
    r.values.erase(std::ranges::unique(r.values).begin(), r.values.end());
    return r;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool holds(const Requirement& r, const json::object* labels) {
  const auto* v = labels == nullptr ? nullptr : labels->if_contains(r.key);
  const bool present = v != nullptr && v->is_string();
  const std::string_view value = present ? std::string_view(v->get_string()) : std::string_view();
  const auto listed = [&] { return std::ranges::find(r.values, value) != r.values.end(); };
  switch (r.op) {
    case Operator::kEquals:
    case Operator::kIn:
      return present && listed();
    case Operator::kNotEquals:
    case Operator::kNotIn:
      return !present || !listed();
    case Operator::kExists:
      return present;
    case Operator::kDoesNotExist:
      return !present;
    case Operator::kGreater:
    case Operator::kLess: {
      if (!present) return false;
      const auto have = integer(value), bound = integer(r.values.front());
      if (!have || !bound) return false;
      return r.op == Operator::kGreater ? *have > *bound : *have < *bound;
    }
  }
  return false;
}

std::optional<Operator> expression_operator(std::string_view word) {
  if (word == "In") return Operator::kIn;
  if (word == "NotIn") return Operator::kNotIn;
  if (word == "Exists") return Operator::kExists;
  if (word == "DoesNotExist") return Operator::kDoesNotExist;
  if (word == "Gt") return Operator::kGreater;  // node affinity
  if (word == "Lt") return Operator::kLess;
  return std::nullopt;
}

Result<Requirement> read_expression(const json::value& entry, const std::string& where) {
  const auto object = json::as_object(entry, where);
  if (!object) return object.error();
  auto key = json::require_string(**object, "key", where);
  if (!key) return key.error();
  auto word = json::require_string(**object, "operator", where);
  if (!word) return word.error();
  Requirement r;
  r.key = std::move(*key);
  const auto op = expression_operator(*word);
  if (!op)
    return Error(ErrorCode::kInvalidArgument, "not a valid selector operator: " + in_quotes(*word),
                 where + ".operator");
  r.op = *op;
  if (const auto* values = (*object)->if_contains("values"); values != nullptr && values->is_array()) {
    for (const auto& v : values->get_array()) {
      if (!v.is_string()) return Error(ErrorCode::kInvalidArgument, "must be a string", where + ".values");
      r.values.emplace_back(std::string_view(v.get_string()));
    }
  }
  const bool takes_values = r.op != Operator::kExists && r.op != Operator::kDoesNotExist;
  if (takes_values == r.values.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 takes_values ? "must be specified when `operator` is " + *word
                              : "may not be specified when `operator` is " + *word,
                 where + ".values");
  }
  if (auto f = requirement_fault(r)) return Error(ErrorCode::kInvalidArgument, *f, where);
  return r;
}

std::string joined(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& v : values) {
    if (!out.empty()) out.push_back(',');
    out.append(v);
  }
  return out;
}

}  // namespace

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  auto requirements = Parser(text).run();
  if (!requirements) return std::move(requirements).error();
  LabelSelector out;
  out.requirements_ = std::move(*requirements);
  return out;
}

Result<LabelSelector> LabelSelector::from_json(const json::object& selector) {
  LabelSelector out;
  if (const auto* labels = selector.if_contains("matchLabels"); labels != nullptr && labels->is_object()) {
    out = from_map(labels->get_object());
    for (const auto& r : out.requirements_) {
      if (auto f = requirement_fault(r)) return Error(ErrorCode::kInvalidArgument, *f, "matchLabels");
    }
  }
  if (const auto* list = selector.if_contains("matchExpressions"); list != nullptr && list->is_array()) {
    std::size_t i = 0;
    for (const auto& entry : list->get_array()) {
      auto r = read_expression(entry, "matchExpressions[" + std::to_string(i++) + "]");
      if (!r) return std::move(r).error();
      out.requirements_.push_back(std::move(*r));
    }
  }
  return out;
}

LabelSelector LabelSelector::from_map(const json::object& labels) {
  LabelSelector out;
  for (const auto& member : labels) {
    Requirement r;
    r.key = member.key();
    r.op = Operator::kEquals;
    r.values.emplace_back(member.value().is_string() ? std::string_view(member.value().get_string())
                                                     : std::string_view());
    out.requirements_.push_back(std::move(r));
  }
  std::ranges::sort(out.requirements_, {}, &Requirement::key);
  return out;
}

bool LabelSelector::matches(const Object& object) const {
  return requirements_.empty() || matches_labels(object_at(object, {"metadata", "labels"}));
}

bool LabelSelector::matches_labels(const json::object* labels) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& r) { return holds(r, labels); });
}

std::string LabelSelector::to_string() const {
  std::string out;
  for (const auto& r : requirements_) {
    if (!out.empty()) out.push_back(',');
    switch (r.op) {
      case Operator::kEquals:
        out.append(r.key).append("=").append(r.values.front());
        break;
      case Operator::kNotEquals:
        out.append(r.key).append("!=").append(r.values.front());
        break;
      case Operator::kIn:
        out.append(r.key).append(" in (").append(joined(r.values)).append(")");
        break;
      case Operator::kNotIn:
        out.append(r.key).append(" notin (").append(joined(r.values)).append(")");
        break;
      case Operator::kExists:
        out.append(r.key);
        break;
      case Operator::kDoesNotExist:
        out.append("!").append(r.key);
        break;
      case Operator::kGreater:
        out.append(r.key).append(">").append(r.values.front());
        break;
      case Operator::kLess:
        out.append(r.key).append("<").append(r.values.front());
        break;
    }
  }
  return out;
}

}  // namespace sedna::api
