// Random requests for the differential test: few names, so that they meet; mostly right values, some wrong ones.
#pragma once

#include <cstdint>
#include <vector>

#include "sedna/json/json.hpp"

namespace sedna::conformance {

/// `count` operations in the language of Player. The same seed gives the same ones, on every machine.
std::vector<json::object> random_operations(std::uint64_t seed, std::size_t count);

}  // namespace sedna::conformance
