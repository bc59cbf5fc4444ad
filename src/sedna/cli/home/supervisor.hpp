// Keeps the daemons of a home running: starts them in order, waits for their READY lines, starts them again with
// growing pauses when they end, adopts those that an earlier supervisor left, stops them in the opposite order. `sedna
// up` runs one; it may be killed at any time without harm to what it supervises.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/cli/home/paths.hpp"
#include "sedna/cli/home/process.hpp"

namespace sedna::cli::home {

struct DaemonSpec {
  std::string name;                   ///< file names: "apiserver", "node-edge0"
  std::string title;                  ///< for people: "API server"
  std::vector<std::string> after;     ///< started once these are ready
  std::vector<std::string> identity;  ///< an adopted process that was started with another one is replaced
  std::function<Command()> command;   ///< asked for at each start
  std::function<Command()> cleanup;   ///< what stop() runs once it has ended (an agent leaves its workers running)
  std::chrono::seconds stop_grace{10};
};

struct DaemonEvent {
  enum class What : std::uint8_t {
    kStarting,
    kReady,
    kAdopted,
    kReplaced,
    kEnded,
    kWaiting,
    kStopping,
    kCleaning,
    kStopped
  };
  What what = What::kStarting;
  const DaemonSpec* daemon = nullptr;
  std::string text;  ///< READY's rest, how it ended, how long it waits
  SteadyClock::duration took{};
};

struct SupervisorOptions {
  SupervisorOptions() {}
  std::chrono::milliseconds first_pause{200}, longest_pause{30'000};  ///< between an end and the next start
  std::chrono::seconds healthy_after{30};  ///< running so long, an end is not counted to earlier ones
  std::chrono::seconds ready_within{30};   ///< of a first start
  int first_tries = 3;                     ///< starts that may fail before `up` gives up
  std::uint64_t log_bytes = 10U << 20;     ///< a log is turned over beyond
  int log_files = 3;
};

class Supervisor {
 public:
  using Observer = std::function<void(const DaemonEvent&)>;
  /// Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD of the process: make it before any thread. One per process.
  Supervisor(Paths paths, std::vector<DaemonSpec> daemons, Observer observer, SupervisorOptions options = {});
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Finds what an earlier one left, and stops what is no longer wanted.
  void adopt();
  /// adopt(), then starts the rest; returns when all are ready. Throws Error, after stopping everything, when one does
  /// not get ready; the message holds the end of its log. False: a signal came.
  bool start();
  /// Supervises until SIGINT or SIGTERM; the number of the signal.
  int run();
  /// Stops all, those first on which nothing stands, and runs their clean-ups.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The last lines of a log, at or after `from`, for messages.
std::string log_tail(const std::filesystem::path& log, std::size_t lines, std::uint64_t from = 0);

}  // namespace sedna::cli::home
