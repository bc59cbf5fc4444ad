// sedna-worker: the data plane in one program. Parses flags, wires modules, nothing else.
#include <malloc.h>

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"

#include "commands.hpp"

int main(int argc, char** argv) {
  using namespace sedna;
  // Bodies of some megabytes come and go with every request: returned to the system each time, every page would be
  // cleared and mapped again.
  static_cast<void>(mallopt(M_MMAP_THRESHOLD, 4 << 20));
  static_cast<void>(mallopt(M_TRIM_THRESHOLD, 32 << 20));
  CLI::App program(
      "Sedna worker: the cloud or edge side of joint inference, or the aggregator of a federated job, without user "
      "code.\n"
      "Exit codes: 0 done or stopped by a signal; 1 a file, port, peer or variable is wrong; 2 a flag is wrong.",
      "sedna-worker");
  program.require_subcommand(1);
  program.set_version_flag("--version", "sedna-worker 0.1.0");
  worker_program::Action action;
  worker_program::add_aggregate(program, action);
  worker_program::add_infer(program, action);
  worker_program::add_edge(program, action);
  worker_program::add_calibrate(program, action);
  try {
    program.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    if (argc > 1 && argv[1][0] != '-' && program.get_subcommands().empty()) {
      std::fprintf(stderr, "sedna-worker: no command '%s'; there are infer, edge, calibrate and aggregate (--help)\n",
                   argv[1]);
      return worker_program::kExitUsage;
    }
    return program.exit(error) == 0 ? worker_program::kExitOk : worker_program::kExitUsage;
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? worker_program::kExitOk : worker_program::kExitUsage;
  }
  try {
    return action();
  } catch (const Error& error) {
    std::fprintf(stderr, "sedna-worker: %s\n", error.what());
    return error.code() == ErrorCode::kInvalidArgument && error.subject().starts_with("--")
               ? worker_program::kExitUsage
               : worker_program::kExitFailure;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sedna-worker: %s\n", error.what());
    return worker_program::kExitFailure;
  }
}
