// `sedna version`.
#pragma once

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"

namespace sedna::cli {

inline constexpr std::string_view kVersion = "0.1.0";

/// `cluster` null: only this program's. A server that does not answer is said, exit code 1.
int version(Cluster* cluster, Console& console, const Output& output);

}  // namespace sedna::cli
