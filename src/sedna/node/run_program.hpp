// Runs a short program to its end and takes what it prints: probes of what the machine offers, exec probes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"

namespace sedna::node {

struct ProgramResult {
  int exit_code = -1;      ///< 128 + signal when a signal ended it
  bool timed_out = false;  ///< it was ended at the deadline
  std::string output;      ///< both streams, the first 10 KiB
};

/// Blocks until the program has ended or the deadline has passed (then it and what it started are killed). `prepare`
/// runs in the child before exec and must only make system calls; false ends the child. Does not throw: what cannot be
/// started has exit code 127 and says why in `output`.
ProgramResult run_program(const std::vector<std::string>& argv, Deadline deadline,
                          const std::vector<std::string>* environment = nullptr,
                          const std::function<bool()>& prepare = {});

/// The absolute path of a program in PATH (or /usr/sbin and /sbin, where tools of the network live).
std::optional<std::string> find_program(const std::string& name);

}  // namespace sedna::node
