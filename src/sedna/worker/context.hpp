// What a worker is told by whoever started it: the environment contract of Pods (docs/compatibility/client.md lists
// every variable), read when a job is made, never at import. Also the mark that tells a forked child that it is one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sedna::worker {

/// An algorithm as a resource names it: <PREFIX>_NAME and <PREFIX>_PARAMETERS ([{"key": …, "value": …}]).
struct Algorithm {
  std::string name;
  std::map<std::string, std::string, std::less<>>
      parameters;  ///< values as text: numbers as written, true/false, "" for null
};

/// A snapshot of environment variables. A value type; cheap to pass.
class Context {
 public:
  /// The process's environment now.
  static Context from_environment();
  /// For tests and for programs whose flags stand above the environment.
  explicit Context(std::map<std::string, std::string, std::less<>> variables) : variables_(std::move(variables)) {}
  void set(std::string name, std::string value) { variables_.insert_or_assign(std::move(name), std::move(value)); }

  /// The variable as named, else in upper case; empty counts as missing (upstream's Context.get_parameters).
  std::optional<std::string> get(std::string_view name) const;
  std::string get_or(std::string_view name, std::string_view fallback) const;
  /// Throw Error(kInvalidArgument) whose subject is the variable and whose message says what would be right.
  double get_number(std::string_view name, double fallback, double lowest, double highest) const;
  std::int64_t get_integer(std::string_view name, std::int64_t fallback, std::int64_t lowest,
                           std::int64_t highest) const;
  bool get_flag(std::string_view name, bool fallback) const;

  /// Nothing when <PREFIX>_NAME is missing. Parameters that are not a JSON array of objects are ignored as a whole,
  /// with a warning (upstream ignores them silently); entries without a key are left out.
  std::optional<Algorithm> algorithm(std::string_view prefix) const;

  // The contract, with upstream's defaults.
  std::string job_name() const { return get_or("JOB_NAME", "sedna"); }
  std::string worker_name() const { return get_or("WORKER_NAME", job_name()); }
  std::string namespace_name() const { return get_or("NAMESPACE", job_name()); }
  /// Empty, and set: there is no local controller.
  std::string lc_server() const {
    const auto it = variables_.find("LC_SERVER");
    return it != variables_.end() ? it->second : "http://127.0.0.1:9100";
  }

 private:
  std::map<std::string, std::string, std::less<>> variables_;
};

}  // namespace sedna::worker
