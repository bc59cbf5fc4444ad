// The daemons' log files: they append to them by themselves (so that they outlive the supervisor), the supervisor reads
// what they say and turns the files over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace sedna::cli::home {

/// What the first line "READY …" at or after `from` says behind the word; nothing yet otherwise.
std::optional<std::string> find_ready(const std::filesystem::path& log, std::uint64_t from);

/// Beyond `bytes` the file is copied to <file>.1 (older ones move on to .2 … .`keep`) and emptied in place: the daemon
/// goes on writing to it. A line written in that instant may be lost.
void turn_over(const std::filesystem::path& log, std::uint64_t bytes, int keep);

std::uint64_t log_size(const std::filesystem::path& file);

}  // namespace sedna::cli::home
