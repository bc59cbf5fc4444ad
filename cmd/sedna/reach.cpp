// sedna port-forward, open, net: into the home's network.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/cli/open.hpp"
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

void add_open(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    cli::OpenOptions options;
    bool no_browser = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "open",
      "Shows what a service serves: forwards a port of this machine to it, prints the URL and opens the browser.\n\n"
      "Without a display it prints the URL only. BROWSER names another program than xdg-open.\n"
      "Examples: sedna open digits     sedna open svc/digits-cloud --path /metrics     sedna open POD --port 8080");
  cmd->add_option("what", flags->options.what, "A name, or svc/NAME, ji/NAME, deploy/NAME, pod/NAME")->required();
  cmd->add_option("--port", flags->options.port, "On which it serves (what it says, an edge worker's)")
      ->type_name("N")
      ->check(CLI::Range(1, 65535));
  cmd->add_option("--path", flags->options.path, "What to open there (/)")->type_name("PATH");
  cmd->add_option("--address", flags->options.address, "Where to listen (127.0.0.1)")->type_name("ADDRESS");
  cmd->add_flag("--no-browser", flags->no_browser, "Print the URL and forward, nothing else");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      const auto cluster = globals.connect();
      flags->options.ns = globals.namespace_of(*cluster);
      flags->options.state = globals.state;
      flags->options.kubeconfig = globals.kubeconfig;
      flags->options.browser = !flags->no_browser;
      return cli::open(*cluster, console, flags->options);
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
      std::vector<std::string> words{"net", flags->what};
      if (!flags->node.empty()) words.push_back(flags->node);
      become_node_program(globals, std::move(words), "a cluster's network is not ours to cut");
    };
  });
}

}  // namespace

void become_node_program(const Globals& globals, std::vector<std::string> words, const char* why) {
  const cli::home::Paths paths{globals.state};
  if (!cli::home::HomeFile::read(paths)) {
    throw Error(ErrorCode::kNotFound, "there is no home in it (`sedna up` makes one); " + std::string(why),
                paths.state.string());
  }
  words.insert(words.begin(), cli::home::find_program("sedna-node").string());
  words.insert(words.end(), {"--state", paths.state.string()});
  cli::become(words);
}

void add_reach_commands(CLI::App& program, Globals& globals, Action& action) {
  add_port_forward(program, globals, action);
  add_open(program, globals, action);
  add_net(program, globals, action);
}

}  // namespace sedna::cli_program
