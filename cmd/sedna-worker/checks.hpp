// What the flags check beyond CLI11's own: its ranges let NaN pass and print bounds to 300 digits.
#pragma once

#include <cmath>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>

namespace sedna::worker_program {

/// A finite number between the bounds, both included.
inline CLI::Validator number_between(double lowest, double highest) {
  std::ostringstream bounds;
  bounds << lowest << " to " << highest;
  return {[=, text = bounds.str()](const std::string& given) -> std::string {
            double value = 0;
            const bool number = CLI::detail::lexical_cast(given, value);
            if (number && std::isfinite(value) && value >= lowest && value <= highest) return {};
            return "is '" + given + "'; it must be a number from " + text;
          },
          "in [" + bounds.str() + "]"};
}

}  // namespace sedna::worker_program
