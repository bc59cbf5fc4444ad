// sedna port-forward, net: into the home's network.
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/cli/port_forward.hpp"

#include "commands.hpp"

namespace sedna::cli_program {
namespace {

void add_port_forward(CLI::App& program, Globals& globals, Action& action) {
  auto flags = std::make_shared<cli::PortForwardOptions>();
  CLI::App* cmd = program.add_subcommand(
      "port-forward",
      "From a port of this machine to one of a worker or service.\n\n"
      "Examples: sedna port-forward ji/digits 5001     sedna port-forward svc/digits-cloud 8080:5000\n"
      "          sedna port-forward POD :5001          (a free port here)");
  cmd->add_option("what", flags->what, "A Pod, svc/NAME, deploy/NAME or ji/NAME")->required();
  cmd->add_option("ports", flags->ports, "PORT, LOCAL:REMOTE or :REMOTE")->required();
  cmd->add_option("--address", flags->address, "Where to listen (127.0.0.1)")->type_name("ADDRESS");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      const auto cluster = globals.connect();
      flags->ns = globals.namespace_of(*cluster);
      flags->state = globals.state;
      flags->kubeconfig = globals.kubeconfig;
      return cli::port_forward(*cluster, console, *flags);
    };
  });
}

/// sedna net cut|restore|status [NODE]: the agent's program does it.
void add_net(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::string what, node;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd =
      program.add_subcommand("net",
                             "Takes a node of the home off its network, or back, to see what happens.\n\n"
                             "Examples: sedna net cut edge0     sedna net status     sedna net restore edge0");
  cmd->add_option("what", flags->what, "cut, restore or status")
      ->required()
      ->check(CLI::IsMember({"cut", "restore", "status"}));
  cmd->add_option("node", flags->node, "The node");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals]() -> int {
      const cli::home::Paths paths{globals.state};
      if (!cli::home::HomeFile::read(paths)) {
        throw Error(ErrorCode::kNotFound, "there is no home in it; a cluster's network is not ours to cut",
                    paths.state.string());
      }
      const std::string program_file = cli::home::find_program("sedna-node").string();
      std::vector<std::string> argv{program_file, "net", flags->what, "--state", paths.state.string()};
      if (!flags->node.empty()) argv.push_back(flags->node);
      std::vector<char*> words;
      for (auto& a : argv) words.push_back(a.data());
      words.push_back(nullptr);
      execv(words.front(), words.data());
      throw storage::system_error(errno, "cannot be run", program_file);
    };
  });
}

}  // namespace

void add_reach_commands(CLI::App& program, Globals& globals, Action& action) {
  add_port_forward(program, globals, action);
  add_net(program, globals, action);
}

}  // namespace sedna::cli_program
