#include <limits>
#include <utility>

#include "sedna/json/json.hpp"

namespace sedna::json {
namespace {

class TreeBuilder {
 public:
  TreeBuilder(Scanner& scanner, ParseOptions::Duplicates duplicates) : scanner_(scanner), duplicates_(duplicates) {}

  // Recursion is bounded by the scanner's depth limit.
  bool build(value& out) {
    const Token token = scanner_.peek();
    switch (token) {
      case Token::kObject:
        return build_object(out.emplace_object());
      case Token::kArray:
        return build_array(out.emplace_array());
      case Token::kString:
        if (!scanner_.read_string(text_)) return false;
        out.emplace_string().assign(text_.data(), text_.size());
        return true;
      case Token::kNumber:
        return build_number(out);
      case Token::kTrue:
        out = true;
        break;
      case Token::kFalse:
        out = false;
        break;
      case Token::kNull:
        out = nullptr;
        break;
      case Token::kNan:
        out = std::numeric_limits<double>::quiet_NaN();
        break;
      case Token::kInfinity:
        out = std::numeric_limits<double>::infinity();
        break;
      case Token::kMinusInfinity:
        out = -std::numeric_limits<double>::infinity();
        break;
      case Token::kNone:
        return false;
    }
    scanner_.take_literal(token);
    return true;
  }

 private:
  bool build_number(value& out) {
    Number number;
    if (!scanner_.read_number(number)) return false;
    switch (number.kind) {
      case Number::Kind::kInt:
        out = number.i;
        break;
      case Number::Kind::kUint:
        out = number.u;
        break;
      case Number::Kind::kBigInteger:
      case Number::Kind::kDouble:
        out = number.d;
        break;
    }
    return true;
  }

  bool build_object(object& out) {
    if (!scanner_.enter()) return false;
    bool first = true;
    std::string key;
    while (true) {
      const char* const at = scanner_.here();
      if (!scanner_.next_member(first, key)) return !scanner_.failed();
      // One look-up, and built where it stays. Of equal keys the last value takes the first one's place.
      const auto [member, is_new] = out.emplace(key, nullptr);
      if (!build(member->value())) return false;
      if (!is_new && duplicates_ == ParseOptions::Duplicates::kRefuse) {
        return scanner_.fail("duplicate key \"" + key + "\"", at);
      }
    }
  }

  bool build_array(array& out) {
    if (!scanner_.enter()) return false;
    bool first = true;
    while (scanner_.next_element(first)) {
      if (!build(out.emplace_back(nullptr))) return false;
    }
    return !scanner_.failed();
  }

  Scanner& scanner_;
  ParseOptions::Duplicates duplicates_;
  std::string text_;
};

}  // namespace

std::optional<value> read_value(Scanner& scanner, ParseOptions::Duplicates duplicates) {
  std::optional<value> out(std::in_place);
  if (!TreeBuilder(scanner, duplicates).build(*out)) out.reset();
  return out;
}

Result<value> parse(std::string_view text, const ParseOptions& options) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Scanner scanner(text, options.limits);
  std::optional<value> tree = read_value(scanner, options.duplicates);
  if (!tree || !scanner.finish()) return scanner.error();
  return std::move(*tree);
}

ParseOptions python_options() {
  ParseOptions options;
  options.limits.allow_nan = true;
  options.duplicates = ParseOptions::Duplicates::kLastWins;
  return options;
}

}  // namespace sedna::json
