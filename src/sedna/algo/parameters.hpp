// Reads the text parameters of a filter once, with errors that name the key, the value and what would be right. Called
// by the filters' constructors.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/algo/hard_example.hpp"

namespace sedna::algo {

/// A number as Python's float() reads it: blanks around, a sign, "inf", "nan", "1e-3", "1_000".
std::optional<double> parse_number(std::string_view text);
/// The shortest text that reads back as the same number.
std::string number_text(double value);

/// Not thread-safe; lives as long as the constructor that uses it. Every getter throws Error(kInvalidArgument).
class ParameterReader {
 public:
  ParameterReader(std::string_view filter, const Parameters& parameters) : filter_(filter), parameters_(parameters) {}

  double number(const std::string& key, double fallback);
  double positive(const std::string& key, double fallback);
  std::optional<std::uint64_t> integer(const std::string& key);
  bool flag(const std::string& key, bool fallback);
  /// `input: probabilities | logits`.
  EdgeResult::Form form(EdgeResult::Form fallback);
  std::string text(const std::string& key, std::string fallback);
  /// The keys that no getter asked for.
  std::vector<std::string> unknown() const;

 private:
  const std::string* find(const std::string& key);
  [[noreturn]] void refuse(const std::string& key, const std::string& value, std::string_view right) const;

  std::string filter_;
  const Parameters& parameters_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace sedna::algo
