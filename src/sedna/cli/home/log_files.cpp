#include "sedna/cli/home/log_files.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "sedna/cli/home/supervisor.hpp"

namespace sedna::cli::home {
namespace fs = std::filesystem;

std::uint64_t log_size(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : size;
}

std::optional<std::string> find_ready(const fs::path& log, std::uint64_t from) {
  std::ifstream in(log, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(from));
  for (std::string line; std::getline(in, line);) {
    if (in.eof()) return std::nullopt;  // not ended by a newline yet
    if (line == "READY") return std::string();
    if (line.starts_with("READY ")) return line.substr(6);
  }
  return std::nullopt;
}

std::string log_tail(const fs::path& log, std::size_t lines, std::uint64_t from) {
  std::ifstream in(log, std::ios::binary);
  const std::uint64_t size = log_size(log);
  constexpr std::uint64_t kWindow = 16U << 10;
  in.seekg(static_cast<std::streamoff>(std::max(from, size > kWindow ? size - kWindow : 0)));
  std::ostringstream text;
  text << in.rdbuf();
  std::string all = text.str();
  while (!all.empty() && all.back() == '\n') all.pop_back();
  std::size_t at = all.size();
  for (std::size_t i = 0; i < lines && at != std::string::npos && at > 0; ++i) at = all.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? all : all.substr(at + 1);
}

void turn_over(const fs::path& log, std::uint64_t bytes, int keep) {
  if (log_size(log) <= bytes) return;
  const auto older = [&](int n) { return fs::path(log.string() + "." + std::to_string(n)); };
  std::error_code error;  // a log that can't be turned over only grows; the next try is in seconds
  for (int n = keep - 1; n >= 1; --n) fs::rename(older(n), older(n + 1), error);
  if (!fs::copy_file(log, older(1), fs::copy_options::overwrite_existing, error)) return;
  static_cast<void>(truncate(log.c_str(), 0));
}

}  // namespace sedna::cli::home
