#include "sedna/node/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "sedna/base/clock.hpp"
#include "sedna/node/files.hpp"

namespace sedna::node {

namespace {

constexpr auto kStartTime = std::chrono::seconds(20);

int open_pidfd(int pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

std::optional<int> first_child(int pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  if (!text) return std::nullopt;
  int child = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), child);
  if (error != std::errc()) return std::nullopt;
  return child;
}

/// What the shim reports on its pipe: "ok PID" or "error why".
std::string read_report(int fd) {
  std::string out;
  const auto deadline = Deadline::after(kStartTime);
  for (char buffer[512];;) {
    pollfd p{fd, POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count();
    const int ready = poll(&p, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return "error the container did not start within 20 s";
    const auto n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace

std::optional<std::uint64_t> process_start_time(int pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  // The name in parentheses may contain anything, also parentheses.
  const auto end = text->rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(*text).substr(end + 1);
  for (int field = 2; !rest.empty(); ++field) {
    const auto begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(begin);
    const auto word = rest.substr(0, rest.find(' '));
    if (field == 2 && (word == "Z" || word == "X")) return std::nullopt;
    if (field == 21) {
      std::uint64_t ticks = 0;
      std::from_chars(word.data(), word.data() + word.size(), ticks);
      return ticks;
    }
    rest.remove_prefix(word.size());
  }
  return std::nullopt;
}

bool is_alive(const ProcessId& id) {
  const auto start = process_start_time(id.pid);
  return start && *start == id.start_time;
}

ContainerProcess& ContainerProcess::operator=(ContainerProcess&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

ContainerProcess::~ContainerProcess() {
  if (pidfd_ >= 0) close(pidfd_);
}

Result<ContainerProcess> ContainerProcess::start(const Launch& launch, const AttemptPaths& folder) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return Error(ErrorCode::kResourceExhausted, std::strerror(errno));
  constexpr int kReportFd = 3;
  std::vector<std::string> words{launch.shim,
                                 "--dir",
                                 folder.root.string(),
                                 "--log-bytes",
                                 std::to_string(launch.log_bytes),
                                 "--log-files",
                                 std::to_string(launch.log_files),
                                 "--report",
                                 std::to_string(kReportFd)};
  const auto flag = [&](const char* name, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {name, value});
  };
  flag("--netns", launch.netns);
  flag("--cwd", launch.cwd);
  for (const auto& cgroup : launch.cgroups) flag("--cgroup", cgroup);
  if (launch.memory_limit > 0) flag("--memory", std::to_string(launch.memory_limit));
  words.emplace_back("--");
  words.insert(words.end(), launch.argv.begin(), launch.argv.end());
  std::vector<std::string> env;
  for (const auto& [name, value] : launch.environment) env.push_back(name + "=" + value);
  std::vector<char*> args, environment;
  for (auto& word : words) args.push_back(word.data());
  for (auto& one : env) environment.push_back(one.data());
  args.push_back(nullptr);
  environment.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
    if (report[1] != kReportFd) dup2(report[1], kReportFd);
    fcntl(kReportFd, F_SETFD, 0);
    syscall(SYS_close_range, kReportFd + 1, ~0U, 0);
    umask(022);
    execve(args[0], args.data(), environment.data());
    const char* why = std::strerror(errno);
    static_cast<void>(!write(kReportFd, "error sedna-shim: ", 18));
    static_cast<void>(!write(kReportFd, why, std::strlen(why)));
    _exit(127);
  }
  close(report[1]);
  if (child < 0) {
    close(report[0]);
    return Error(ErrorCode::kResourceExhausted, std::string("cannot start a process: ") + std::strerror(errno));
  }
  ContainerProcess out;
  out.id_ = {child, process_start_time(child).value_or(0)};
  out.pidfd_ = open_pidfd(child);
  const std::string said = read_report(report[0]);
  close(report[0]);
  if (!said.starts_with("ok ")) {
    out.kill();
    waitpid(child, nullptr, 0);
    return Error(ErrorCode::kAborted,
                 said.starts_with("error ") ? said.substr(6) : std::string("the container's shim ended at once"));
  }
  return out;
}

std::optional<ContainerProcess> ContainerProcess::adopt(const AttemptPaths& folder) {
  const auto started = read_json(folder.started());
  if (!started) return std::nullopt;
  ContainerProcess out;
  const auto* start = started->if_contains("startTime");
  out.id_ = {static_cast<int>(api::int_at(*started, {"pid"})),
             start == nullptr     ? 0
             : start->is_uint64() ? start->get_uint64()
                                  : static_cast<std::uint64_t>(start->is_int64() ? start->get_int64() : 0)};
  if (!is_alive(out.id_)) return out;
  out.pidfd_ = open_pidfd(out.id_.pid);
  if (out.pidfd_ >= 0 && !is_alive(out.id_)) {  // it went between the two
    close(out.pidfd_);
    out.pidfd_ = -1;
  }
  return out;
}

bool ContainerProcess::alive() const {
  if (pidfd_ < 0) return false;
  pollfd p{pidfd_, POLLIN, 0};
  return poll(&p, 1, 0) == 0;
}

void ContainerProcess::terminate() const {
  if (pidfd_ >= 0) syscall(SYS_pidfd_send_signal, pidfd_, SIGTERM, nullptr, 0);
}

void ContainerProcess::kill() const {
  if (pidfd_ >= 0) syscall(SYS_pidfd_send_signal, pidfd_, SIGUSR1, nullptr, 0);
}

void ContainerProcess::reap() const {
  // Not our child when an earlier agent started it: then there is nothing to do.
  waitpid(id_.pid, nullptr, WNOHANG);
}

bool has_begun(const AttemptPaths& folder) {
  if (read_json(folder.started())) return true;
  const int claim = open(folder.claim().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (claim >= 0) {
    close(claim);
    return false;
  }
  // The shim has it, and says in a moment who it is (or was killed just then: nothing runs).
  const auto patience = Deadline::after(std::chrono::seconds(1));
  while (!patience.expired()) {
    if (read_json(folder.started())) return true;
    usleep(5'000);
  }
  return false;
}

std::optional<ShimExit> read_exit(const AttemptPaths& folder) {
  const auto saved = read_json(folder.exit());
  if (!saved) return std::nullopt;
  ShimExit out;
  out.exit_code = static_cast<int>(api::int_at(*saved, {"exitCode"}));
  out.finished_at = api::int_at(*saved, {"finishedAt"});
  const auto* oom = saved->if_contains("outOfMemory");
  out.out_of_memory = oom != nullptr && oom->is_bool() && oom->get_bool();
  out.last_error = api::string_at(*saved, {"lastError"});
  return out;
}

std::optional<int> command_process(const AttemptPaths& folder) {
  const auto text = read_file(folder.command_pid());
  if (!text) return std::nullopt;
  int pid = 0;
  std::from_chars(text->data(), text->data() + text->size(), pid);
  for (int depth = 0; pid > 0 && depth < 4; ++depth) {
    const auto name = read_file("/proc/" + std::to_string(pid) + "/comm");
    if (!name) return std::nullopt;
    if (*name != "bwrap\n") return pid;
    const auto child = first_child(pid);
    if (!child) return std::nullopt;
    pid = *child;
  }
  return std::nullopt;
}

}  // namespace sedna::node
