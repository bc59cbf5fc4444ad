// The agent itself, and the end of what it left running.
#include "sedna/node/agent.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/store/kube/kube_client.hpp"

#include "../common/signals.hpp"
#include "commands.hpp"

namespace sedna::node_program {

namespace {

struct AgentFlags {
  node::AgentOptions agent;
  std::string kubeconfig;
};

int run_agent(AgentFlags flags) {
  programs::block_stop_signals();
  if (flags.agent.node.empty()) throw Error(ErrorCode::kInvalidArgument, "is missing", "--node");
  if (flags.agent.state.empty()) throw Error(ErrorCode::kInvalidArgument, "is missing", "--state");
  store::KubeConfigOptions where;
  where.file = flags.kubeconfig;
  auto config = store::load_kube_config(where);
  flags.agent.token = config.token;
  store::KubeClientOptions client_options;
  client_options.user_agent = "sedna-node/0.1 " + flags.agent.node;
  client_options.timeout = std::chrono::seconds(10);
  store::KubeClient client(std::move(config), client_options);
  metrics::Registry registry;
  node::Agent agent(client, flags.agent, registry);
  agent.start();
  std::printf("READY %s\n", agent.origin().c_str());
  std::fflush(stdout);
  programs::wait_for_stop_signal();
  client.shutdown();
  agent.stop();
  return kExitOk;
}

}  // namespace

void add_agent(CLI::App& program, Action& action) {
  auto flags = std::make_shared<AgentFlags>();
  program.add_option("--node", flags->agent.node, "Name of the node");
  program.add_option("--role", flags->agent.role, "cloud or edge")->check(CLI::IsMember({"cloud", "edge"}));
  program.add_option("--kubeconfig", flags->kubeconfig, "How to reach the API server (its token also guards the logs)");
  program.add_option("--state", flags->agent.state, "The home's state folder");
  program.add_option("--images", flags->agent.images, "Image-to-command file (YAML or JSON)");
  program.add_option("--port", flags->agent.port, "Of the agent's HTTPS face; 0: any");
  program.add_flag("--plain", flags->agent.plain, "Plain mode: no sandbox, no network of its own");
  action = [flags] { return run_agent(*flags); };
}

void add_stop(CLI::App& program, Action& action) {
  struct StopFlags {
    std::string state, node;
    double limit = 30;
  };
  auto flags = std::make_shared<StopFlags>();
  auto* command = program.add_subcommand("stop", "Ends every Pod of a node whose agent has gone");
  command->add_option("--state", flags->state, "The home's state folder")->required();
  command->add_option("--node", flags->node, "Name of the node")->required();
  command->add_option("--limit", flags->limit, "Seconds that the Pods have at most");
  command->callback([flags, &action] {
    action = [flags] {
      node::stop_node(flags->state, flags->node,
                      std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(flags->limit)));
      return kExitOk;
    };
  });
}

}  // namespace sedna::node_program
