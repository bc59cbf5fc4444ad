// The home's network: holding it, entering it, cutting nodes off.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/node/home_network.hpp"
#include "sedna/node/outlet.hpp"
#include "sedna/node/tcp_relay.hpp"

#include "commands.hpp"

namespace sedna::node_program {

namespace {

struct NetworkFlags {
  std::string state, node, operation, listen = "127.0.0.1:0", to;
  std::vector<std::string> nodes, command;
};

std::filesystem::path state_of(const NetworkFlags& flags) {
  return std::filesystem::absolute(flags.state);
}

int hold(const NetworkFlags& flags) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Before we go inside: who stays outside is the way out.
  const int outlet = node::start_outlet();
  static_cast<void>(node::hold_home_network(state_of(flags), flags.nodes));
  for (const auto port : {node::kOutletPort, node::kHostOutletPort})
    node::give_listener(outlet, node::kApiAddress, port);
  std::printf("READY %s\n", node::kApiAddress);
  std::fflush(stdout);
  int which = 0;
  while (sigwait(&set, &which) != 0) {
  }
  if (which != SIGCHLD) return kExitOk;
  // Whoever supervises us starts another holder, which takes the network over and offers a way out again.
  throw Error(ErrorCode::kAborted, "the process that offers Pods a way out has ended");
}

int enter(const NetworkFlags& flags) {
  node::enter_home_network(state_of(flags), flags.node);
  std::vector<std::string> words = flags.command;
  if (words.empty()) throw Error(ErrorCode::kInvalidArgument, "needs a program after --", "enter");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  throw Error(ErrorCode::kNotFound, std::strerror(errno), words.front());
}

int forward(const NetworkFlags& flags) {
  const auto colon = flags.to.rfind(':'), own = flags.listen.rfind(':');
  if (colon == std::string::npos || own == std::string::npos)
    throw Error(ErrorCode::kInvalidArgument, "must be ADDRESS:PORT", colon == std::string::npos ? "--to" : "--listen");
  const int port = std::atoi(flags.to.c_str() + colon + 1);
  // The socket belongs to the host; whoever accepts on it stands inside.
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(flags.listen.c_str() + own + 1)));
  const int on = 1;
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (inet_pton(AF_INET, flags.listen.substr(0, own).c_str(), &address.sin_addr) != 1 ||
      bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listening, 64) != 0)
    throw Error(ErrorCode::kUnavailable, std::string("cannot listen: ") + std::strerror(errno), flags.listen);
  socklen_t size = sizeof address;
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  if (node::HomeFile::read(state_of(flags))) node::enter_home_network(state_of(flags), flags.node);
  signal(SIGPIPE, SIG_IGN);
  std::printf("READY %s:%d\n", flags.listen.substr(0, own).c_str(), ntohs(address.sin_port));
  std::fflush(stdout);
  node::forward_until_signal(listening, {flags.to.substr(0, colon), static_cast<std::uint16_t>(port)});
  return kExitOk;
}

int change_link(const NetworkFlags& flags) {
  const auto state = state_of(flags);
  node::enter_home_network(state, "");
  const auto home = node::HomeFile::read(state);
  if (flags.operation == "status") {
    for (const auto& [name, node] : home->nodes) {
      if (!flags.node.empty() && flags.node != name) continue;
      std::printf("%s %s %s\n", name.c_str(), node.ip().c_str(), node::node_link_is_up(state, name) ? "up" : "cut");
    }
    return kExitOk;
  }
  if (flags.node.empty()) throw Error(ErrorCode::kInvalidArgument, "is missing", "NODE");
  node::set_node_link(state, flags.node, flags.operation == "restore");
  return kExitOk;
}

}  // namespace

void add_network(CLI::App& program, Action& action, std::vector<std::string> command) {
  auto flags = std::make_shared<NetworkFlags>();
  flags->command = std::move(command);
  const auto when = [&action, flags](CLI::App* command, int (*run)(const NetworkFlags&)) {
    command->callback([&action, flags, run] { action = [flags, run] { return run(*flags); }; });
  };
  auto* network = program.add_subcommand("network", "Holds the namespaces of a home until SIGTERM");
  network->add_option("--state", flags->state, "The home's state folder")->required();
  network->add_option("--nodes", flags->nodes, "Names of the nodes")->delimiter(',')->required();
  when(network, hold);

  auto* into = program.add_subcommand("enter", "Becomes a program inside the home's network or a node's");
  into->add_option("--state", flags->state, "The home's state folder")->required();
  into->add_option("--node", flags->node, "A node; without it, the home's own network");
  into->footer("… -- PROGRAM ARGUMENTS");
  when(into, enter);

  auto* carry = program.add_subcommand("forward", "Carries connections from the host into the Pod network");
  carry->add_option("--state", flags->state, "The home's state folder")->required();
  carry->add_option("--listen", flags->listen, "Address and port on the host; port 0: any");
  carry->add_option("--node", flags->node, "From this node's side: reaches its Pods also while it is cut off");
  carry->add_option("--to", flags->to, "Address and port of a Pod or a Service")->required();
  when(carry, forward);

  auto* net = program.add_subcommand("net", "Cuts a node off and connects it again");
  net->add_option("operation", flags->operation, "cut, restore or status")
      ->required()
      ->check(CLI::IsMember({"cut", "restore", "status"}));
  net->add_option("node", flags->node, "Name of the node");
  net->add_option("--state", flags->state, "The home's state folder")->required();
  when(net, change_link);
}

}  // namespace sedna::node_program
