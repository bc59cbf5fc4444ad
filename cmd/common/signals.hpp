// Waiting for SIGINT or SIGTERM without a handler: the signals are blocked in every thread and taken by one. For all
// programs that run until they are told to stop.
#pragma once

#include <csignal>

namespace sedna::programs {

inline sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

/// Blocks them for this thread and those it starts: call it before any thread exists.
inline void block_stop_signals(sigset_t set = stop_signals()) {
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A peer that goes away while we write is an error of that write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
}

/// Returns the signal that came.
inline int wait_for_stop_signal() {
  const sigset_t set = stop_signals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  return signal;
}

}  // namespace sedna::programs
