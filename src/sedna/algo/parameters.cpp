#include "sedna/algo/parameters.hpp"

#include <charconv>
#include <cmath>
#include <system_error>

#include "sedna/base/error.hpp"
#include "sedna/base/text.hpp"

namespace sedna::algo {
namespace {

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  const std::string_view trimmed = trim(text);
  std::string digits;
  digits.reserve(trimmed.size());
  for (std::size_t i = 0; i < trimmed.size(); ++i) {
    if (trimmed[i] == '_') {
      // Python allows an underscore between two digits only.
      if (i == 0 || i + 1 == trimmed.size() || !is_digit(trimmed[i - 1]) || !is_digit(trimmed[i + 1]))
        return std::nullopt;
      continue;
    }
    digits.push_back(trimmed[i]);
  }
  std::string_view rest = digits;
  if (rest.starts_with('+')) {
    rest.remove_prefix(1);
    if (rest.starts_with('-') || rest.starts_with('+')) return std::nullopt;
  }
  if (rest.find('(') != std::string_view::npos) return std::nullopt;  // C's "nan(…)"
  double value = 0;
  const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (end != rest.data() + rest.size() || rest.empty()) return std::nullopt;
  if (status == std::errc::result_out_of_range) {
    // Beyond double: Python gives an infinity or zero, from_chars does not say which. long double reaches further;
    // where even that ends, the exponent's sign tells.
    long double wide = 0;
    const bool read = std::from_chars(rest.data(), rest.data() + rest.size(), wide).ec == std::errc();
    const bool tiny = read ? std::fabs(wide) < 1 : rest.find("e-") != rest.npos || rest.find("E-") != rest.npos;
    return std::copysign(tiny ? 0.0 : HUGE_VAL, rest.front() == '-' ? -1.0 : 1.0);
  }
  if (status != std::errc()) return std::nullopt;
  return value;
}

std::string number_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

const std::string* ParameterReader::find(const std::string& key) {
  asked_.insert(key);
  const auto it = parameters_.find(key);
  return it == parameters_.end() ? nullptr : &it->second;
}

void ParameterReader::refuse(const std::string& key, const std::string& value, std::string_view right) const {
  throw Error(ErrorCode::kInvalidArgument,
              "is \"" + value + "\", but the filter " + filter_ + " needs " + std::string(right), key);
}

double ParameterReader::number(const std::string& key, double fallback) {
  const std::string* value = find(key);
  if (value == nullptr) return fallback;
  const auto number = parse_number(*value);
  if (!number) refuse(key, *value, "a number, for example " + number_text(fallback));
  return *number;
}

double ParameterReader::positive(const std::string& key, double fallback) {
  const double value = number(key, fallback);
  if (!(value > 0) || std::isinf(value)) {
    refuse(key, *find(key), "a finite number above 0, for example " + number_text(fallback));
  }
  return value;
}

std::optional<std::uint64_t> ParameterReader::integer(const std::string& key) {
  const std::string* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::string_view digits = trim(*value);
  std::uint64_t number = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (status != std::errc() || end != digits.data() + digits.size()) {
    refuse(key, *value, "a whole number of 0 or more, for example 42");
  }
  return number;
}

bool ParameterReader::flag(const std::string& key, bool fallback) {
  const std::string* value = find(key);
  if (value == nullptr) return fallback;
  const std::string word = to_lower(trim(*value));
  if (word == "true" || word == "1" || word == "yes") return true;
  if (word == "false" || word == "0" || word == "no") return false;
  refuse(key, *value, "\"true\" or \"false\"");
}

EdgeResult::Form ParameterReader::form(EdgeResult::Form fallback) {
  const std::string* value = find("input");
  if (value == nullptr) return fallback;
  const std::string word = to_lower(trim(*value));
  if (word == "probabilities") return EdgeResult::Form::kProbabilities;
  if (word == "logits") return EdgeResult::Form::kLogits;
  refuse("input", *value, "\"probabilities\" or \"logits\"");
}

std::string ParameterReader::text(const std::string& key, std::string fallback) {
  const std::string* value = find(key);
  if (value != nullptr) return *value;
  return fallback;
}

std::vector<std::string> ParameterReader::unknown() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : parameters_) {
    if (!asked_.contains(key)) keys.push_back(key);
  }
  return keys;
}

}  // namespace sedna::algo
