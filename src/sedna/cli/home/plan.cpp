#include "sedna/cli/home/plan.hpp"

#include <memory>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/net/http.hpp"

namespace sedna::cli::home {
namespace {

/// Builds the command lines; knows where the programs are and what each is told.
class Planner {
 public:
  Planner(const Paths& paths, const HomeFile& home, const PlanOptions& options)
      : paths_(paths), home_(home), options_(options) {}

  std::vector<DaemonSpec> all() {
    std::vector<DaemonSpec> out;
    if (!options_.plain) out.push_back(network());
    out.push_back(api_server());
    out.push_back(global_manager());
    for (const auto& node : home_.nodes) {
      out.push_back(agent(node));
      out.push_back(local_controller(node));
    }
    return out;
  }

 private:
  std::string program(const std::string& name) const {
    try {
      return find_program(name).string();
    } catch (const Error&) {
      if (options_.to_stop) return name;
      throw;
    }
  }
  std::string state() const { return paths_.state.string(); }

  /// What the holder of the namespaces said: the address of the API server in the home's own network.
  static std::string api_address(const Paths& paths, bool plain) {
    if (plain) return "127.0.0.1";
    const auto record = RunRecord::read(paths.run_file("network"));
    return record ? record->ready : std::string();
  }

  /// Where the agent of a node said that it serves, without the port.
  static std::string agent_address(const Paths& paths, const std::string& node) {
    const auto record = RunRecord::read(paths.run_file("node-" + node));
    const auto url = net::parse_url(record ? record->ready : std::string());
    if (!url) throw Error(ErrorCode::kUnavailable, "its agent has not said where it serves", "node " + node);
    return url->host;
  }

  /// "sedna-node enter … --" before what runs in the home's network, or in a node's.
  std::vector<std::string> inside(const std::string& node) const {
    if (options_.plain) return {};
    std::vector<std::string> out{program("sedna-node"), "enter", "--state", state()};
    if (!node.empty()) out.insert(out.end(), {"--node", node});
    out.emplace_back("--");
    return out;
  }

  static void append(std::vector<std::string>& to, std::vector<std::string> more) {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }

  static DaemonSpec daemon(std::string name, std::string title, std::vector<std::string> after,
                           std::vector<std::string> argv) {
    DaemonSpec out;
    out.name = std::move(name);
    out.title = std::move(title);
    out.after = std::move(after);
    out.identity = std::move(argv);
    out.command = [words = out.identity] {
      Command command;
      command.argv = words;
      return command;
    };
    return out;
  }

  std::string node_names() const {
    std::string names;
    for (const auto& n : home_.nodes) names += (names.empty() ? "" : ",") + n.name;
    return names;
  }

  DaemonSpec network() const {
    return daemon("network", "network", {},
                  {program("sedna-node"), "network", "--state", state(), "--nodes", node_names()});
  }

  DaemonSpec api_server() const {
    std::vector<std::string> argv = inside("");
    append(argv, {program("sedna-apiserver"), "--state", state(), "--port", std::to_string(home_.port), "--nodes",
                  node_names()});
    // Without a network of its own, Services have addresses of the host's loopback.
    if (options_.plain) append(argv, {"--service-cidr", home_.service_range});
    DaemonSpec out = daemon("apiserver", "API server", after_network(), argv);
    if (options_.plain) return out;
    // It serves in the home's network and on the host's loopback. The socket of the latter is opened out here and
    // handed over; it stays open between two starts, so that a request that comes meanwhile waits and is not refused.
    out.command = [argv, paths = paths_, port = home_.port, socket = std::make_shared<storage::Descriptor>()] {
      if (!*socket) *socket = listen_on_loopback(port);
      Command command;
      command.argv = argv;
      command.argv.insert(command.argv.end(), {"--bind", api_address(paths, false), "--listen-fd", "3"});
      command.descriptor = socket->get();
      return command;
    };
    return out;
  }

  std::vector<std::string> after_network() const {
    return options_.plain ? std::vector<std::string>{} : std::vector<std::string>{"network"};
  }

  DaemonSpec global_manager() const {
    std::vector<std::string> argv = inside("");
    append(argv, {program("sedna-gm"), "--kubeconfig", paths_.kubeconfig_of("gm").string(), "--link-port",
                  std::to_string(home_.link_port), "--link-tokens", paths_.tokens().string(), "--no-election"});
    if (options_.plain) append(argv, {"--link-host", "127.0.0.1"});
    return daemon("gm", "GlobalManager", {"apiserver"}, argv);
  }

  DaemonSpec agent(const NodeSpec& node) const {
    std::vector<std::string> argv = inside(node.name);
    append(argv, {program("sedna-node"), "--node", node.name, "--role", node.role, "--kubeconfig",
                  paths_.kubeconfig_of("node-" + node.name).string(), "--state", state()});
    if (!home_.images.empty()) append(argv, {"--images", home_.images});
    if (options_.plain) argv.emplace_back("--plain");
    DaemonSpec out = daemon("node-" + node.name, "node " + node.name, {"apiserver"}, argv);
    out.cleanup =
        [words = std::vector<std::string>{program("sedna-node"), "stop", "--state", state(), "--node", node.name}] {
          Command command;
          command.argv = words;
          return command;
        };
    return out;
  }

  DaemonSpec local_controller(const NodeSpec& node) const {
    std::vector<std::string> argv = inside(node.name);
    append(argv, {program("sedna-lc"), "--node", node.name, "--state", state(), "--token-file",
                  paths_.kubeconfig_of("lc-" + node.name).string()});
    if (options_.plain) append(argv, {"--gm", "127.0.0.1:" + std::to_string(home_.link_port)});
    DaemonSpec out = daemon("lc-" + node.name, "local controller of " + node.name, {"gm", "node-" + node.name}, argv);
    out.command = [argv, paths = paths_, plain = options_.plain, link = home_.link_port, name = node.name] {
      Command command;
      command.argv = argv;
      // The worker API's port is the same at every node: each has an address, in plain mode one that its agent chose.
      if (plain) append(command.argv, {"--bind", agent_address(paths, name)});
      command.env = {{"GM_ADDRESS", api_address(paths, plain) + ":" + std::to_string(link)},
                     {"NODENAME", name},
                     {"BIND_PORT", "9100"},
                     {"ROOTFS_MOUNT_DIR", ""},
                     {"DATABASE_URL", (paths.node(name) / "lc.db").string()}};
      return command;
    };
    return out;
  }

  const Paths& paths_;
  const HomeFile& home_;
  const PlanOptions& options_;
};

}  // namespace

std::vector<DaemonSpec> plan(const Paths& paths, const HomeFile& home, const PlanOptions& options) {
  return Planner(paths, home, options).all();
}

}  // namespace sedna::cli::home
