// `sedna up` and `sedna down`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "sedna/cli/console.hpp"

namespace sedna::cli::home {

struct UpOptions {
  UpOptions() {}
  std::string state;
  std::string nodes;                  ///< "": as last time, or cloud0:cloud,edge0:edge
  std::optional<std::uint16_t> port;  ///< of the API server; else as last time, or a free one
  std::optional<std::string> images;  ///< "": none any more
  bool detach = false;
  bool plain = false;
};

/// Runs the home until SIGINT or SIGTERM stops it, or, with detach, until it is ready. The exit code. Throws Error when
/// another `up` has it, or a daemon does not start.
int up(Console& console, const UpOptions& options);

struct DownOptions {
  DownOptions() {}
  std::string state;
  bool delete_state = false;
  std::chrono::seconds timeout{120};
};

/// Stops everything of the home, whether it is supervised or not, and looks that nothing is left.
int down(Console& console, const DownOptions& options);

/// Writes a systemd unit that runs the home: for the system as root, else for the user. Says how to start it.
int install_service(Console& console, const UpOptions& options);

}  // namespace sedna::cli::home
