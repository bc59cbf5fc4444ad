#include "sedna/cli/home/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sedna/api/object.hpp"
#include "sedna/base/error.hpp"

extern char** environ;

namespace sedna::cli::home {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

const std::string& current_boot() {
  static const std::string id = [] {
    std::string text = read_text("/proc/sys/kernel/random/boot_id");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }();
  return id;
}

/// Owns what posix_spawn wants as C structures.
class SpawnSetup {
 public:
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

}  // namespace

std::optional<ProcessId> ProcessId::of(pid_t pid) {
  const std::string stat = read_text("/proc/" + std::to_string(pid) + "/stat");
  // "pid (name, may hold spaces and brackets) state ppid …": fields count from after the last bracket.
  const std::size_t close = stat.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(close + 1));
  std::string state;
  fields >> state;
  if (state.empty() || state == "Z" || state == "X") return std::nullopt;
  std::string skipped;
  for (int i = 4; i <= 21; ++i) fields >> skipped;
  ProcessId out;
  if (!(fields >> out.start_time)) return std::nullopt;
  out.pid = pid;
  out.boot_id = current_boot();
  return out;
}

bool ProcessId::alive() const {
  if (pid <= 0 || boot_id != current_boot()) return false;
  const auto now = of(pid);
  return now && now->start_time == start_time;
}

storage::Descriptor listen_on_loopback(std::uint16_t port) {
  storage::Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd.get(), 1024) != 0) {
    throw storage::system_error(errno, "cannot be listened on", "127.0.0.1:" + std::to_string(port));
  }
  return fd;
}

pid_t spawn(const Command& command) {
  SpawnSetup setup;
  posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, command.log.c_str(), O_WRONLY | O_APPEND | O_CREAT,
                                   0600);
  posix_spawn_file_actions_adddup2(&setup.actions, STDOUT_FILENO, STDERR_FILENO);
  if (command.descriptor >= 0) posix_spawn_file_actions_adddup2(&setup.actions, command.descriptor, 3);
  posix_spawn_file_actions_addchdir_np(&setup.actions, command.cwd.c_str());
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setsigdefault(&setup.attributes, &defaults);
  posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  std::vector<char*> argv;
  for (const auto& a : command.argv) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.env) variables.push_back(name + "=" + value);
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view entry(*e);
    bool replaced = false;
    for (const auto& [name, value] : command.env) {
      replaced |= entry.starts_with(name) && entry.substr(name.size()).starts_with('=');
    }
    if (!replaced) variables.emplace_back(entry);
  }
  std::vector<char*> env;
  for (auto& v : variables) env.push_back(v.data());
  env.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, command.argv.front().c_str(), &setup.actions, &setup.attributes, argv.data(), env.data());
  if (error != 0) throw storage::system_error(error, "cannot be started", command.argv.front());
  return pid;
}

storage::Descriptor watch_process(const ProcessId& process) {
  storage::Descriptor fd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  // Between our look and the opening it may have ended and its number been given away.
  if (!fd || !process.alive()) return storage::Descriptor();
  return fd;
}

json::object RunRecord::to_json() const {
  json::array words;
  for (const auto& a : argv) words.push_back(json::string(a));
  return {{"pid", process.pid},        {"startTime", process.start_time},
          {"bootId", process.boot_id}, {"argv", words},
          {"program", program},        {"ready", ready}};
}

std::optional<RunRecord> RunRecord::read(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  const auto parsed = json::parse(read_text(file));
  // Written by rename, so never half; one that is spoiled all the same names no process we could trust.
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::object& o = parsed->as_object();
  RunRecord out;
  out.process.pid = static_cast<pid_t>(api::int_at(o, {"pid"}));
  out.process.start_time = static_cast<std::uint64_t>(api::int_at(o, {"startTime"}));
  out.process.boot_id = api::string_at(o, {"bootId"});
  out.program = api::string_at(o, {"program"});
  out.ready = api::string_at(o, {"ready"});
  if (const auto* words = api::array_at(o, {"argv"})) {
    for (const auto& w : *words) {
      if (w.is_string()) out.argv.emplace_back(w.as_string());
    }
  }
  return out;
}

void RunRecord::write(const fs::path& file) const {
  storage::AtomicFile out(file, 0600);
  const std::string text = json::write(to_json()) + "\n";
  out.write(std::as_bytes(std::span(text)));
  out.commit();
}

std::string program_identity(const fs::path& file) {
  struct stat info{};
  if (stat(file.c_str(), &info) != 0) return {};
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ":" + std::to_string(info.st_mtim.tv_sec) +
         "." + std::to_string(info.st_mtim.tv_nsec);
}

fs::path find_program(const std::string& name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && access((self.parent_path() / name).c_str(), X_OK) == 0) return self.parent_path() / name;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (!folder.empty() && access((fs::path(folder) / name).c_str(), X_OK) == 0) return fs::path(folder) / name;
  }
  throw Error(ErrorCode::kNotFound, "is neither beside " + self.string() + " nor in PATH; build or install it", name);
}

}  // namespace sedna::cli::home
