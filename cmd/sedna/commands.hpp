// The subcommands of `sedna`. Each registers itself on the program and, when chosen, leaves what to run in `action`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"
#include "sedna/cli/output.hpp"
#include "sedna/cli/targets.hpp"

namespace CLI {
class App;
}

namespace sedna::cli_program {

/// What the chosen subcommand does; returns the exit code. Errors leave it as exceptions.
using Action = std::function<int()>;

// Exit codes, listed in --help.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;  ///< something that was asked for is not so: missing, failed, not in time
inline constexpr int kExitUsage = 2;    ///< the command line is wrong

/// Flags that every command takes.
struct Globals {
  std::string kubeconfig, context, state, ns, colour = "auto";
  bool quiet = false;
  bool state_given = false;
  mutable std::string server;  ///< of the last connect()

  cli::Console console() const;
  std::unique_ptr<cli::Cluster> connect() const;
  /// -n, or the context's namespace.
  std::string namespace_of(const cli::Cluster& cluster) const;
};

/// The flags of commands that choose among objects.
struct ScopeFlags {
  bool all_namespaces = false;
  std::string selector, field_selector;
  void add(CLI::App& command, bool with_all = true);
  cli::Scope scope(const Globals& globals, const cli::Cluster& cluster) const;
};

void add_output(CLI::App& command, std::string& output, const char* text = nullptr);

void add_object_commands(CLI::App& program, Globals& globals, Action& action);  ///< get, describe, delete, …
void add_apply(CLI::App& program, Globals& globals, Action& action);
void add_watching_commands(CLI::App& program, Globals& globals, Action& action);  ///< logs, events, status, top, …
void add_home_commands(CLI::App& program, Globals& globals, Action& action);      ///< up, down, doctor, …
void add_run(CLI::App& program, Globals& globals, Action& action);
void add_reach_commands(CLI::App& program, Globals& globals, Action& action);  ///< port-forward, open, net
void add_image(CLI::App& program, Globals& globals, Action& action);

/// Becomes sedna-node with these words and the home's state folder; throws Error where there is no home (`why`: what
/// a cluster does instead).
[[noreturn]] void become_node_program(const Globals& globals, std::vector<std::string> words, const char* why);
void add_completion(CLI::App& program, Globals& globals, Action& action);

}  // namespace sedna::cli_program
