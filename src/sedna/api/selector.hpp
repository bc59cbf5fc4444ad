// Label and field selectors, as clients write them ("a=b,c in (d,e),!f") and as objects carry them (matchLabels,
// matchExpressions). Called by the stores for lists and watches and by every controller that owns Pods.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/base/result.hpp"

namespace sedna::api {

/// A conjunction of requirements on labels. The empty selector matches everything.
class LabelSelector {
 public:
  enum class Operator : std::uint8_t { kEquals, kNotEquals, kIn, kNotIn, kExists, kDoesNotExist, kGreater, kLess };
  struct Requirement {
    std::string key;
    Operator op = Operator::kExists;
    std::vector<std::string> values;
  };

  LabelSelector() = default;
  /// "a=b,c==d,e!=f,g in (h,i),j notin (k),l,!m,n>1,o<2". The error's message is Kubernetes'.
  static Result<LabelSelector> parse(std::string_view text);
  /// metav1.LabelSelector {matchLabels, matchExpressions}. An absent selector (null in Kubernetes) selects nothing:
  /// that is for the caller to know.
  static Result<LabelSelector> from_json(const json::object& selector);
  /// key=value for each member, as Service.spec.selector and nodeSelector.
  static LabelSelector from_map(const json::object& labels);

  bool matches(const Object& object) const;
  /// `labels` may be null.
  bool matches_labels(const json::object* labels) const;
  bool empty() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  /// As Kubernetes prints it ("a=b,c in (d,e),!f"); parse() reads it back.
  std::string to_string() const;

 private:
  std::vector<Requirement> requirements_;
};

/// A conjunction of path=value and path!=value. The empty selector matches everything.
class FieldSelector {
 public:
  struct Requirement {
    std::string path;
    std::string value;
    bool equal = true;
  };

  FieldSelector() = default;
  /// "metadata.name=x,spec.nodeName!=y"; \ before , = and \ takes them as text.
  static Result<FieldSelector> parse(std::string_view text);
  /// Nothing, or Kubernetes' message that says which field can't be selected by.
  std::optional<std::string> unsupported_for(const Kind& kind) const;
  /// An absent field is "".
  bool matches(const Object& object) const;
  bool empty() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  /// The value that metadata.name must have, when the selector says so (a list of one object).
  std::optional<std::string_view> exact_name() const;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace sedna::api
