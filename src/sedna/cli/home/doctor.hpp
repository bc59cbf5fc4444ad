// `sedna doctor`: what this machine has and lacks for a home, what lacking it costs and how to get it.
#pragma once

#include <string>
#include <vector>

#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"

namespace sedna::cli::home {

struct Finding {
  enum class State : std::uint8_t { kGood, kCosts, kMissing } state = State::kGood;
  std::string what;    ///< "user namespaces"
  std::string detail;  ///< what was found
  std::string cost;    ///< what does not work without it
  std::string remedy;  ///< what to do
};

std::vector<Finding> examine(const std::string& state_folder);

/// 0 when a home can run here, 1 when something it needs is missing.
int doctor(Console& console, const std::string& state_folder, const Output& output);

}  // namespace sedna::cli::home
