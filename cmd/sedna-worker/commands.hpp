// The subcommands of sedna-worker. Each registers itself on the program and, when chosen, leaves what to run in
// `action`.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace sedna::worker_program {

/// What the chosen subcommand does; returns the exit code. Errors leave it as exceptions.
using Action = std::function<int()>;

// Exit codes, listed in --help.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;  ///< something outside is wrong: a file, a port, a peer, a variable
inline constexpr int kExitUsage = 2;    ///< the command line is wrong
inline constexpr int kExitInterrupted = 130;

void add_aggregate(CLI::App& program, Action& action);
void add_infer(CLI::App& program, Action& action);
void add_edge(CLI::App& program, Action& action);
void add_calibrate(CLI::App& program, Action& action);

}  // namespace sedna::worker_program
