#include "sedna/base/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

namespace sedna::metrics {
namespace {

/// Fields of /proc/self/stat that are used here, in the kernel's units (proc(5)).
struct Stat {
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  ///< after boot
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
};

std::optional<Stat> read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t name_end = line.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(name_end + 1));
  std::string field;
  std::array<std::string, 25> fields;  // [3] is the state, as proc(5) counts
  for (std::size_t i = 3; i < fields.size() && rest >> field; ++i) fields[i] = field;
  Stat stat;
  std::istringstream numbers(fields[20] + ' ' + fields[22] + ' ' + fields[23] + ' ' + fields[24]);
  if (!(numbers >> stat.threads >> stat.start_ticks >> stat.virtual_bytes >> stat.resident_pages)) return std::nullopt;
  return stat;
}

std::optional<double> boot_seconds() {
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> open_descriptors() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end; it.increment(error)) {
    ++count;
  }
  if (error || count == 0) return std::nullopt;
  return count - 1;  // the one that reads the folder
}

class Text {
 public:
  void add(std::string_view name, std::string_view type, std::string_view help, double value) {
    std::ostringstream number;
    number.precision(15);
    number << value;
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ");
    out_.append(type).append("\n").append(name).append(" ").append(number.str()).append("\n");
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

}  // namespace

std::string render_process() {
  Text text;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    text.add("process_cpu_seconds_total", "counter", "Processor time used, of the user and of the system.",
             seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    text.add("process_max_fds", "gauge", "Descriptors this process may open.", static_cast<double>(limit.rlim_cur));
  }
  if (const auto open = open_descriptors()) {
    text.add("process_open_fds", "gauge", "Open descriptors.", static_cast<double>(*open));
  }
  if (const auto stat = read_stat()) {
    text.add("process_resident_memory_bytes", "gauge", "Memory in use.",
             static_cast<double>(stat->resident_pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    text.add("process_virtual_memory_bytes", "gauge", "Memory reserved.", static_cast<double>(stat->virtual_bytes));
    text.add("process_threads", "gauge", "Threads.", static_cast<double>(stat->threads));
    if (const auto boot = boot_seconds()) {
      text.add("process_start_time_seconds", "gauge", "When the process began, in Unix time.",
               *boot + static_cast<double>(stat->start_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK)));
    }
  }
  return text.take();
}

}  // namespace sedna::metrics
