// What the main() of a daemon with flags alone does around its work.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/base/log.hpp"

namespace sedna::programs {

inline constexpr int kOk = 0;
inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;

/// Reads the flags and runs. 2 when they are wrong, 1 with a line on stderr when `run` throws, else what it returns.
/// `verbosity` is upstream's -v among the flags: 4 and above mean LOG_LEVEL=DEBUG.
template <class Run>
int run(CLI::App& program, int argc, char** argv, const std::string& verbosity, Run run) {
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return program.exit(e) == 0 ? kOk : kUsage;
  }
  constexpr int kDebugFrom = 4;
  if (!verbosity.empty() && std::atoi(verbosity.c_str()) >= kDebugFrom) log::set_level(log::Level::kDebug);
  try {
    return run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", program.get_name().c_str(), e.what());
    return kFailure;
  }
}

}  // namespace sedna::programs
