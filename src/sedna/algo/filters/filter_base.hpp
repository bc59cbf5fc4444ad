// What the preset filters share: a name, the keys they did not know, and scores that stay finite.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "sedna/algo/filters/builtin.hpp"
#include "sedna/algo/parameters.hpp"

namespace sedna::algo {

class FilterBase : public HardExampleFilter {
 public:
  FilterBase(std::string_view name, EdgeResult::Form form) : name_(name), form_(form) {}
  std::string_view name() const override { return name_; }
  EdgeResult::Form form() const override { return form_; }
  std::span<const std::string> ignored_parameters() const override { return ignored_; }

 protected:
  void set_ignored(std::vector<std::string> keys) { ignored_ = std::move(keys); }

 private:
  std::string_view name_;  // a literal
  EdgeResult::Form form_;
  std::vector<std::string> ignored_;
};

/// A verdict with its score brought into the finite range (policies and metrics add scores up).
inline Verdict verdict(bool hard, double score) {
  constexpr double kLimit = std::numeric_limits<double>::max();
  return {hard, hard ? Reason::kHard : Reason::kEasy, score != score ? 0.0 : std::clamp(score, -kLimit, kLimit)};
}

inline Verdict invalid_verdict() {
  return {false, Reason::kInvalid, 0};
}

}  // namespace sedna::algo
