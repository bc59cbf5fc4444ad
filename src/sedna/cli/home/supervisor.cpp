#include "sedna/cli/home/supervisor.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/log_files.hpp"

namespace sedna::cli::home {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::seconds kCleanUpGrace{90};  // workers have their own grace periods
using What = DaemonEvent::What;
using TimePoint = SteadyClock::time_point;

enum class State : std::uint8_t { kIdle, kStarting, kReady, kWaiting, kStopping };

struct Daemon {
  DaemonSpec spec;
  State state = State::kIdle;
  RunRecord record;
  storage::Descriptor process;  ///< readable when it ended
  bool ours = false;            ///< our child: to be waited for
  std::uint64_t log_from = 0;   ///< where the log stood when it was started
  TimePoint since{};            ///< of the state
  TimePoint due{};              ///< kStarting: READY by then; kWaiting: the next start; kStopping: the kill
  int ends = 0;                 ///< in a row
  bool was_ready = false;
  bool to_stop = false;   ///< stop() is not done with it yet
  bool cleaning = false;  ///< what runs is its clean-up
  bool cleaned = false;
};

std::string how_it_ended(int status) {
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return std::string("killed by signal ") + std::to_string(WTERMSIG(status));
  return "ended";
}

}  // namespace

struct Supervisor::Impl {
  Paths paths;
  Observer observer;
  SupervisorOptions options;
  std::vector<Daemon> daemons;
  storage::Descriptor signals, log_events;
  TimePoint next_turn{};
  int stop_signal = 0;

  explicit Impl(Paths p) : paths(std::move(p)) {}

  void tell(What what, const Daemon& daemon, std::string text = {}) {
    DaemonEvent event;
    event.what = what;
    event.daemon = &daemon.spec;
    event.text = std::move(text);
    event.took = SteadyClock::now() - daemon.since;
    observer(event);
  }

  Daemon* find(const std::string& name) {
    const auto it = std::find_if(daemons.begin(), daemons.end(), [&](const Daemon& d) { return d.spec.name == name; });
    return it == daemons.end() ? nullptr : &*it;
  }

  void enter(Daemon& daemon, State state, SteadyClock::duration until = {}) {
    daemon.state = state;
    daemon.since = SteadyClock::now();
    daemon.due = until.count() > 0 ? daemon.since + until : TimePoint::max();
  }

  void launch(Daemon& daemon) {
    Command command = daemon.spec.command();
    command.log = paths.log(daemon.spec.name);
    daemon.log_from = log_size(command.log);
    enter(daemon, State::kStarting, options.ready_within);
    tell(What::kStarting, daemon);
    const pid_t pid = spawn(command);
    daemon.ours = true;
    daemon.record = RunRecord();
    daemon.record.argv = daemon.spec.identity;
    daemon.record.program = program_identity(command.argv.front());
    if (const auto process = ProcessId::of(pid)) {
      daemon.record.process = *process;
      daemon.record.write(paths.run_file(daemon.spec.name));
    } else {
      daemon.record.process.pid = pid;  // ended already: reaped below like any other
    }
    daemon.process = watch_process(daemon.record.process);
  }

  void look_for_ready(Daemon& daemon) {
    if (daemon.state != State::kStarting) return;
    const auto ready = find_ready(paths.log(daemon.spec.name), daemon.log_from);
    if (!ready) return;
    daemon.record.ready = ready->empty() ? "yes" : *ready;
    daemon.record.write(paths.run_file(daemon.spec.name));
    tell(What::kReady, daemon, *ready);
    daemon.was_ready = true;
    enter(daemon, State::kReady);
  }

  /// The process has ended: says so, and when it shall run, when it will again.
  void ended(Daemon& daemon) {
    std::string how = "ended";
    int status = 0;
    if (daemon.ours && waitpid(daemon.record.process.pid, &status, WNOHANG) == daemon.record.process.pid) {
      how = how_it_ended(status);
    }
    daemon.process.reset();
    std::error_code error;
    fs::remove(paths.run_file(daemon.spec.name), error);
    if (daemon.state == State::kStopping) {
      if (!daemon.cleaning) tell(What::kStopped, daemon);
      daemon.cleaned = daemon.cleaning;
      daemon.cleaning = false;
      enter(daemon, State::kIdle);
      return;
    }
    const bool healthy = daemon.state == State::kReady && SteadyClock::now() - daemon.since > options.healthy_after;
    daemon.ends = healthy ? 1 : daemon.ends + 1;
    tell(What::kEnded, daemon, how);
    auto pause = options.first_pause;
    for (int i = 1; i < daemon.ends && pause < options.longest_pause; ++i) pause *= 2;
    pause = std::min(pause, options.longest_pause);
    enter(daemon, State::kWaiting, pause);
    tell(What::kWaiting, daemon, std::to_string(pause.count()) + " ms");
  }

  void begin_stop(Daemon& daemon) {
    if (!daemon.process || daemon.state == State::kStopping) {
      if (!daemon.process) enter(daemon, State::kIdle);
      return;
    }
    enter(daemon, State::kStopping, daemon.spec.stop_grace);
    tell(What::kStopping, daemon);
    kill(daemon.record.process.pid, SIGTERM);
  }

  /// One process that an earlier supervisor left.
  void adopt(Daemon& daemon) {
    auto record = RunRecord::read(paths.run_file(daemon.spec.name));
    if (!record || !record->process.alive()) return;
    daemon.record = std::move(*record);
    daemon.process = watch_process(daemon.record.process);
    if (!daemon.process) return;
    enter(daemon, daemon.record.ready.empty() ? State::kStarting : State::kReady,
          daemon.record.ready.empty() ? options.ready_within : std::chrono::seconds(0));
    daemon.was_ready = !daemon.record.ready.empty();
    const bool same = daemon.record.argv == daemon.spec.identity &&
                      daemon.record.program == program_identity(daemon.spec.identity.front());
    tell(same ? What::kAdopted : What::kReplaced, daemon, daemon.record.ready);
    if (!same) begin_stop(daemon);
  }

  /// Daemons of an earlier `up` that this one does not want.
  void stop_unwanted() {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(paths.run(), error)) {
      if (entry.path().extension() != ".json") continue;
      const std::string name = entry.path().stem().string();
      if (find(name) != nullptr) continue;
      const auto record = RunRecord::read(entry.path());
      if (!record || !record->process.alive()) {
        fs::remove(entry.path(), error);
        continue;
      }
      Daemon daemon;
      daemon.spec.name = name;
      daemon.spec.title = name;
      daemon.record = *record;
      daemon.process = watch_process(record->process);
      enter(daemon, State::kReady);
      daemons.push_back(std::move(daemon));
      begin_stop(daemons.back());
    }
    while (any([](const Daemon& d) { return !d.spec.command && d.state == State::kStopping; })) turn();
    std::erase_if(daemons, [](const Daemon& d) { return !d.spec.command; });
  }

  template <class Predicate>
  bool any(Predicate predicate) const {
    return std::any_of(daemons.begin(), daemons.end(), predicate);
  }

  bool may_start(const Daemon& daemon) {
    return std::all_of(daemon.spec.after.begin(), daemon.spec.after.end(), [&](const std::string& name) {
      const Daemon* before = find(name);
      return before == nullptr || before->was_ready;
    });
  }

  void start_due() {
    for (auto& daemon : daemons) {
      if (daemon.state == State::kIdle && may_start(daemon)) launch(daemon);
      if (daemon.state == State::kWaiting && SteadyClock::now() >= daemon.due) launch(daemon);
    }
  }

  void kill_due() {
    for (auto& daemon : daemons) {
      if (daemon.state == State::kStopping && SteadyClock::now() >= daemon.due) {
        kill(daemon.record.process.pid, SIGKILL);
        daemon.due = TimePoint::max();
      }
      // It runs but says nothing: started again, unless it was adopted or had its READY before.
      if (daemon.state == State::kStarting && SteadyClock::now() >= daemon.due) {
        kill(daemon.record.process.pid, SIGKILL);
        daemon.due = TimePoint::max();
      }
    }
  }

  void turn_logs() {
    if (SteadyClock::now() < next_turn) return;
    next_turn = SteadyClock::now() + std::chrono::seconds(10);
    for (const auto& daemon : daemons) {
      if (daemon.state == State::kReady) turn_over(paths.log(daemon.spec.name), options.log_bytes, options.log_files);
    }
  }

  int timeout_ms() const {
    TimePoint next = next_turn;
    for (const auto& daemon : daemons) next = std::min(next, daemon.due);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - SteadyClock::now()).count();
    return static_cast<int>(std::clamp<long long>(left + 1, 0, 60'000));
  }

  /// Waits for the next thing to happen and deals with it.
  void turn() {
    std::vector<pollfd> fds{{signals.get(), POLLIN, 0}, {log_events.get(), POLLIN, 0}};
    std::vector<std::size_t> index;
    for (std::size_t i = 0; i < daemons.size(); ++i) {
      if (!daemons[i].process) continue;
      fds.push_back({daemons[i].process.get(), POLLIN, 0});
      index.push_back(i);
    }
    if (poll(fds.data(), fds.size(), timeout_ms()) < 0 && errno != EINTR) {
      throw storage::system_error(errno, "waiting for the daemons failed", paths.state);
    }
    if ((fds[0].revents & POLLIN) != 0) take_signals();
    if ((fds[1].revents & POLLIN) != 0) drain_log_events();
    for (auto& daemon : daemons) look_for_ready(daemon);
    for (std::size_t i = 0; i < index.size(); ++i) {
      if (fds[i + 2].revents != 0) ended(daemons[index[i]]);
    }
    for (auto& daemon : daemons) {  // ended before it could be watched
      if (daemon.state == State::kStarting && !daemon.process) ended(daemon);
    }
    kill_due();
    turn_logs();
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM) stop_signal = static_cast<int>(info.ssi_signo);
    }
  }

  void drain_log_events() const {
    std::array<char, 4096> buffer{};
    while (read(log_events.get(), buffer.data(), buffer.size()) > 0) {
    }
  }

  void clean(Daemon& daemon) {
    Command command = daemon.spec.cleanup();
    command.log = paths.log(daemon.spec.name);
    enter(daemon, State::kStopping, kCleanUpGrace);
    tell(What::kCleaning, daemon);
    const pid_t pid = spawn(command);
    daemon.ours = true;
    daemon.cleaning = true;
    daemon.record = RunRecord();
    daemon.record.process.pid = pid;
    if (const auto process = ProcessId::of(pid)) daemon.record.process = *process;
    daemon.process = watch_process(daemon.record.process);
    if (!daemon.process) ended(daemon);
  }

  void stop_one(Daemon& daemon) {
    if (daemon.process) {
      if (daemon.state != State::kStopping) begin_stop(daemon);
    } else if (daemon.spec.cleanup && !daemon.cleaned) {
      clean(daemon);
    } else {
      daemon.to_stop = false;
    }
  }

  void stop_all() {
    for (auto& daemon : daemons) daemon.to_stop = true;
    for (;;) {
      bool one_is_done = false;  // then others may be stopped now, and there is nothing to wait for before that
      for (auto& daemon : daemons) {
        const bool needed = any([&](const Daemon& other) {
          const auto& after = other.spec.after;
          return other.to_stop && std::find(after.begin(), after.end(), daemon.spec.name) != after.end();
        });
        if (!daemon.to_stop || needed) continue;
        stop_one(daemon);
        one_is_done |= !daemon.to_stop;
      }
      if (!any([](const Daemon& d) { return d.to_stop; })) return;
      if (one_is_done) continue;
      if (any([](const Daemon& d) { return static_cast<bool>(d.process); })) turn();
      for (auto& daemon : daemons) {
        if (!daemon.process) enter(daemon, State::kIdle);  // one that ended by itself is not started again
      }
    }
  }
};

Supervisor::Supervisor(Paths paths, std::vector<DaemonSpec> daemons, Observer observer, SupervisorOptions options)
    : impl_(std::make_unique<Impl>(std::move(paths))) {
  impl_->observer = std::move(observer);
  impl_->options = options;
  for (auto& spec : daemons) {
    Daemon daemon;
    daemon.spec = std::move(spec);
    impl_->enter(daemon, State::kIdle);
    impl_->daemons.push_back(std::move(daemon));
  }
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  impl_->signals = storage::Descriptor(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  impl_->log_events = storage::Descriptor(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (inotify_add_watch(impl_->log_events.get(), impl_->paths.logs().c_str(), IN_MODIFY | IN_CREATE) < 0) {
    throw storage::system_error(errno, "cannot be watched", impl_->paths.logs());
  }
}

Supervisor::~Supervisor() = default;

void Supervisor::adopt() {
  impl_->stop_unwanted();
  for (auto& daemon : impl_->daemons) impl_->adopt(daemon);
}

bool Supervisor::start() {
  Impl& s = *impl_;
  adopt();
  while (s.any([](const Daemon& d) { return d.state != State::kReady; })) {
    s.start_due();
    s.turn();
    if (s.stop_signal != 0) return false;
    for (const auto& daemon : s.daemons) {
      if (daemon.was_ready || daemon.ends < s.options.first_tries) continue;
      const std::string name = daemon.spec.title;
      const fs::path log = s.paths.log(daemon.spec.name);
      const std::string tail = log_tail(log, 8, daemon.log_from);
      s.stop_all();
      throw Error(ErrorCode::kUnavailable, "does not start; its log (" + log.string() + ") ends with:\n" + tail, name);
    }
  }
  return true;
}

int Supervisor::run() {
  while (impl_->stop_signal == 0) {
    impl_->start_due();
    impl_->turn();
  }
  return impl_->stop_signal;
}

void Supervisor::stop() {
  impl_->stop_all();
}

}  // namespace sedna::cli::home
