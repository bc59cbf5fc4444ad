// sedna-apiserver: Kubernetes' API for one machine, with the loops of the embedded home. Parses flags, nothing else.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"

#include "commands.hpp"

namespace {

using sedna::apiserver_program::ServeOptions;

constexpr int kOk = 0;
constexpr int kFailure = 1;
constexpr int kUsage = 2;

/// systemd's socket activation, as `sedna-node enter --listen` hands a socket over.
int inherited_socket() {
  const char* count = std::getenv("LISTEN_FDS");
  return count != nullptr && std::string(count) == "1" ? 3 : -1;
}

void add_serve_flags(CLI::App& program, ServeOptions& options) {
  auto& daemon = options.daemon;
  program.add_option("--state", daemon.state, "Folder of the home: database, certificates, tokens, kubeconfigs")
      ->envname("SEDNA_STATE");
  program.add_option("--port", daemon.port, "Port (default: the one used last, or any that is free)");
  program.add_option("--bind", daemon.binds, "Addresses to serve on beside 127.0.0.1 (the Pod network's bridge)");
  program.add_option("--listen-fd", daemon.listen_fd,
                     "A listening socket that was handed over, instead of 127.0.0.1 (also LISTEN_FDS=1)");
  program.add_option("--nodes", daemon.nodes, "Nodes whose kubeconfigs (node-N, lc-N) are made")->delimiter(',');
  program.add_option("--service-cidr", options.service_cidr, "Where Services get their addresses from");
  program.add_flag("--access-log", daemon.access_log, "A log line for each request");
  program.add_flag("!--no-loops", options.loops, "Without scheduler, Deployments and the other loops (tests)");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sedna;
  // Texts of objects pass from thread to thread: few arenas, and what a request gives back is kept for the next one.
  static_cast<void>(mallopt(M_ARENA_MAX, 2));
  static_cast<void>(mallopt(M_TRIM_THRESHOLD, 4 << 20));
  static_cast<void>(mallopt(M_TOP_PAD, 1 << 20));
  CLI::App program("The embedded API server of Sedna: Kubernetes' paths and kinds on one machine, no cluster needed.",
                   "sedna-apiserver");
  program.set_version_flag("--version", "sedna-apiserver 0.1.0");
  ServeOptions options;
  options.daemon.listen_fd = inherited_socket();
  add_serve_flags(program, options);
  std::string name;
  std::string server;
  std::string backup;
  auto* kubeconfig =
      program.add_subcommand("kubeconfig", "Makes the kubeconfig of a node or a person; prints its path");
  kubeconfig->add_option("--state", options.daemon.state, "Folder of the home")->required();
  kubeconfig->add_option("--name", name, "node-N, lc-N, gm, or a name for a viewer")->required();
  kubeconfig->add_option("--server", server, "URL of the server (default: as in the other kubeconfigs)");
  auto* restore = program.add_subcommand("restore", "Puts a backup in the database's place (the server is stopped)");
  restore->add_option("--state", options.daemon.state, "Folder of the home")->required();
  restore->add_option("backup", backup, "File that a backup made")->required();
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? kOk : kUsage;
  }
  try {
    if (options.daemon.state.empty()) throw Error(ErrorCode::kInvalidArgument, "a state folder is needed", "--state");
    if (kubeconfig->parsed()) return apiserver_program::make_kubeconfig(options.daemon.state, name, server);
    if (restore->parsed()) return apiserver_program::restore(options.daemon.state, backup);
    return apiserver_program::serve(std::move(options));
  } catch (const Error& error) {
    std::fprintf(stderr, "sedna-apiserver: %s\n", error.what());
    return error.code() == ErrorCode::kInvalidArgument && error.subject().starts_with("--") ? kUsage : kFailure;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sedna-apiserver: %s\n", error.what());
    return kFailure;
  }
}
