// Runs a short command and reads what it prints: versions and probes for `sedna doctor`.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace sedna::cli::home {

struct Captured {
  int exit_code = -1;  ///< -1: could not be started, ended by a signal, or took too long
  std::string output;  ///< standard output and error, at most 64 KiB
};
Captured capture(const std::vector<std::string>& argv, std::chrono::milliseconds timeout = std::chrono::seconds(10));

/// True when a child process could make these namespaces (CLONE_NEWUSER, …); else the reason in `why`.
bool can_unshare(int flags, std::string& why);

}  // namespace sedna::cli::home
