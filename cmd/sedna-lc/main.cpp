// sedna-lc: the LocalController of a node. Parses flags and upstream's environment, and runs lc::LocalController until
// it is told to end.
#include "../common/main.hpp"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"
#include "sedna/lc/local_controller.hpp"

#include "../common/signals.hpp"

namespace {

using namespace sedna;

struct Flags {
  std::string node, gm, state, bind = "0.0.0.0", token_file, database, rootfs, ca, verbosity;
  std::uint16_t port = 9100;
  bool no_socket = false;
};

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string();
}

void add_flags(CLI::App& program, Flags& flags) {
  program.add_option("--node", flags.node, "This node's name (the host's)")->envname("NODENAME");
  program.add_option("--gm", flags.gm, "GlobalManager: HOST:PORT, or ws://… or wss://…")->envname("GM_ADDRESS");
  program.add_option("--state", flags.state, "Folder of a home (`sedna up`); not needed on Kubernetes");
  program.add_option("--database", flags.database, "File in which it keeps what it knows; more lie beside it")
      ->envname("DATABASE_URL");
  program.add_option("--bind", flags.bind, "Address of the worker API; Pods reach it at the node's");
  program.add_option("--port", flags.port, "Its port; 0 takes a free one")->envname("BIND_PORT");
  program.add_option("--token-file", flags.token_file, "Token to show to GM: a file's first line, or a kubeconfig's");
  program.add_option("--ca", flags.ca, "Authority of GM's certificate (PEM), for wss://");
  program.add_flag("--no-socket", flags.no_socket, "No unix socket beside the port");
  program.add_option("-v", flags.verbosity, "Upstream's log verbosity; 4 and above mean LOG_LEVEL=DEBUG");
}

/// Upstream's default is /rootfs, when the variable is not set at all; a set and empty one is the own root.
std::string root_folder() {
  if (const char* set = std::getenv("ROOTFS_MOUNT_DIR")) return set;
  std::error_code error;
  return std::filesystem::is_directory("/rootfs", error) ? "/rootfs" : "";
}

lc::LocalControllerOptions options_of(const Flags& flags) {
  lc::LocalControllerOptions options;
  options.node = !flags.node.empty() ? flags.node : host_name();
  if (options.node.empty())
    throw Error(ErrorCode::kInvalidArgument, "is not set, and this host has no name", "NODENAME");
  if (flags.gm.empty())
    throw Error(ErrorCode::kInvalidArgument, "is not set (HOST:PORT of the GlobalManager)", "GM_ADDRESS");
  options.paths.rootfs = root_folder();
  std::string database = flags.database;
  if (const auto scheme = database.find("://"); scheme != std::string::npos) database.erase(0, scheme + 3);
  if (!flags.state.empty()) {
    const auto node = std::filesystem::path(flags.state) / "nodes" / options.node;
    options.paths.sedna = (node / "var-lib-sedna").string();
    if (database.empty()) database = (node / "lc.db").string();
  }
  if (database.empty()) database = options.paths.rootfs + "/var/lib/sedna/lc/state";
  options.paths.own = database;
  options.bind = flags.bind;
  options.port = flags.port;
  options.unix_socket = !flags.no_socket;
  options.link.gm_address = flags.gm;
  options.link.token_file = flags.token_file;
  options.link.tls.ca_file = flags.ca;
  return options;
}

int run(const Flags& flags) {
  programs::block_stop_signals();
  metrics::Registry registry;
  lc::LocalController controller(options_of(flags), registry);
  controller.start();
  std::printf("READY http://%s:%d\n", flags.bind.c_str(), static_cast<int>(controller.port()));
  std::fflush(stdout);
  log::info("stopping", {{"signal", programs::wait_for_stop_signal()}});
  controller.stop();
  return programs::kOk;
}

}  // namespace

int main(int argc, char** argv) {
  // Few threads that mostly wait: one arena each would cost more than everything else.
  static_cast<void>(mallopt(M_ARENA_MAX, 1));
  CLI::App program(
      "The LocalController of a Sedna node: counts datasets, sees models, takes workers' reports, tells GM.",
      "sedna-lc");
  program.set_version_flag("--version", "sedna-lc 0.1.0");
  Flags flags;
  add_flags(program, flags);
  return programs::run(program, argc, argv, flags.verbosity, [&flags] { return run(flags); });
}
