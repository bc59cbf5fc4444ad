// A rule's name with its parameters as one text, "FedAdam,learningRate=0.03,tau=1e-3": how flags, the environment and
// resources name rules. Called by the makers of rules.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "sedna/base/error.hpp"

namespace sedna::federated {

/// A name and its parameters. Getters check the value and remember the key; finish() refuses keys nobody asked for.
class Settings {
 public:
  /// Throws Error(kInvalidArgument) for what is not "name[,key=value…]".
  explicit Settings(std::string_view text);

  const std::string& name() const { return name_; }
  /// A number in [min, max]. Throws Error(kInvalidArgument) naming "FedAdam.tau".
  double number(const std::string& key, double fallback, double min, double max);
  /// A whole number in [min, max].
  std::size_t count(const std::string& key, std::size_t fallback, std::size_t min, std::size_t max);
  std::string text(const std::string& key, std::string fallback);
  bool has(const std::string& key) const { return values_.contains(key); }
  /// Throws Error(kInvalidArgument) listing what the rule knows when a key was not asked for.
  void finish() const;

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& why) const;

  std::string name_;
  std::map<std::string, std::string> values_;
  std::set<std::string> asked_;
};

}  // namespace sedna::federated
