// Processes as the supervisor needs them: started in a session of their own, known again after it was itself ended.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sedna/json/json.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::cli::home {

/// A process for as long as it lives: a process id alone may be given to another one later.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< clock ticks since boot, field 22 of /proc/<pid>/stat
  std::string boot_id;           ///< of the boot that the ticks count from

  /// Of a process that lives; nothing otherwise (a zombie is dead).
  static std::optional<ProcessId> of(pid_t pid);
  bool alive() const;
};

struct Command {
  std::vector<std::string> argv;                         ///< argv[0] is the file
  std::vector<std::pair<std::string, std::string>> env;  ///< in addition to ours
  std::filesystem::path log;                             ///< standard output and error are appended to it
  std::filesystem::path cwd = "/";
  int descriptor = -1;  ///< handed over as number 3
};

/// A socket that listens on 127.0.0.1:port. Throws Error naming the port.
storage::Descriptor listen_on_loopback(std::uint16_t port);

/// Starts it in a session of its own with standard input closed. Throws Error naming the program.
pid_t spawn(const Command& command);

/// A descriptor that becomes readable when the process ends, also for one that is not our child. Empty when it is gone.
storage::Descriptor watch_process(const ProcessId& process);

/// What is written to run/<daemon>.json.
struct RunRecord {
  ProcessId process;
  std::vector<std::string> argv;
  std::string program;  ///< which file it was: device, inode, time of change
  std::string ready;    ///< what it said after READY; "" when it has not yet
  json::object to_json() const;
  static std::optional<RunRecord> read(const std::filesystem::path& file);
  void write(const std::filesystem::path& file) const;
};

/// Identity of a program's file, so that a replaced one is noticed.
std::string program_identity(const std::filesystem::path& file);

/// The folder of the running program, then PATH. Throws Error naming it when it is in neither.
std::filesystem::path find_program(const std::string& name);

}  // namespace sedna::cli::home
