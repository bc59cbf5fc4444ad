// sedna-node: the node agent of the embedded home and the keeper of its network. Parses flags, wires modules, nothing
// else; the commands are described in docs/node.md.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"

#include "commands.hpp"

int main(int argc, char** argv) {
  using namespace sedna;
  // Many threads that do little: one arena keeps the memory small.
  static_cast<void>(mallopt(M_ARENA_MAX, 2));
  CLI::App program(
      "Sedna's node agent: runs the Pods bound to a node as processes of this machine.\n"
      "Exit codes: 0 done or stopped by a signal; 1 something is wrong (said on the error stream); 2 a flag is wrong; "
      "3 this machine does not allow what was asked for.",
      "sedna-node");
  program.set_version_flag("--version", "sedna-node 0.1.0");
  // What another program is to be called with is not for us to parse.
  int own = 1;
  while (own < argc && std::string_view(argv[own]) != "--") ++own;
  std::vector<std::string> command(argv + std::min(own + 1, argc), argv + argc);
  node_program::Action action;
  node_program::add_agent(program, action);
  node_program::add_network(program, action, std::move(command));
  node_program::add_stop(program, action);
  node_program::add_image(program, action);
  program.require_subcommand(0, 1);
  try {
    program.parse(own, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? node_program::kExitOk : node_program::kExitUsage;
  }
  try {
    return action();
  } catch (const Error& error) {
    std::fprintf(stderr, "sedna-node: %s\n", error.what());
    return error.code() == ErrorCode::kUnimplemented ? node_program::kExitRefused : node_program::kExitFailure;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sedna-node: %s\n", error.what());
    return node_program::kExitFailure;
  }
}
