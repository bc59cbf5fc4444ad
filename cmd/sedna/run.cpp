// sedna run: a service from two files.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/cli/apply_files.hpp"
#include "sedna/cli/home/home.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/cli/run_service.hpp"

#include "commands.hpp"

namespace sedna::cli_program {

void add_run(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    cli::RunServiceOptions options;
    bool dry_run = false;
    bool wait = true;
    long timeout = 120;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "run",
      "A joint-inference service from two ONNX files: a small model for the edge, a big one for the cloud.\n\n"
      "Then `sedna port-forward ji/NAME 5001` reaches its edge worker (Open Inference Protocol v2 and JSON).\n"
      "Example: sedna run --edge small.onnx --cloud big.onnx --calibration calibration.json");
  auto& o = flags->options;
  cmd->add_option("--edge", o.edge, "The small model")->type_name("FILE")->required();
  cmd->add_option("--cloud", o.cloud, "The big model")->type_name("FILE")->required();
  cmd->add_option("--name", o.name, "The service's name (from the small model's)")->type_name("NAME");
  cmd->add_option("--filter", o.filter, "Which samples go to the cloud (MSP)")->type_name("NAME");
  cmd->add_option("--param", o.parameters, "A parameter of the filter; repeat for more")->type_name("KEY=VALUE");
  cmd->add_option("--calibration", o.calibration, "What `sedna-worker calibrate` wrote for the small model")
      ->type_name("FILE");
  cmd->add_option("--edge-node", o.edge_node, "Where the small model runs (any edge node)")->type_name("NODE");
  cmd->add_option("--cloud-node", o.cloud_node, "Where the big model runs (any cloud node)")->type_name("NODE");
  cmd->add_option("--image", o.image, "The workers' image, for a cluster (sedna/worker:v1)")->type_name("IMAGE");
  cmd->add_flag("--dry-run", flags->dry_run, "Print the YAML, do nothing");
  cmd->add_flag("--wait,!--no-wait", flags->wait, "Wait until it runs (the default)");
  cmd->add_option("--timeout", flags->timeout, "How long to wait (120)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      cli::RunServiceOptions options = flags->options;
      options.ns = globals.ns.empty() ? "default" : globals.ns;
      if (flags->dry_run) {
        console.out(cli::yaml_of(cli::service_of(options)));
        return kExitOk;
      }
      static_cast<void>(cli::service_of(options));  // what is wrong with the flags is said before anything is asked
      const auto cluster = globals.connect();
      options.ns = globals.namespace_of(*cluster);
      // A home pulls no images: the program beside this one is what its workers run.
      if (cli::home::is_home(globals.state, *cluster))
        options.worker = cli::home::find_program("sedna-worker").string();
      cli::ApplyFilesOptions apply;
      apply.manifests = cli::service_of(options);
      apply.apply.ns = options.ns;
      apply.wait = flags->wait;
      apply.timeout = std::chrono::seconds(flags->timeout);
      const std::string name(api::name_of(apply.manifests.back().object));
      const int code = cli::apply_files(*cluster, console, std::move(apply));
      if (code == kExitOk && flags->wait) {
        console.hint("ask it:   sedna port-forward ji/" + name +
                     " 5001   then POST to http://127.0.0.1:5001/v2/models/…");
        console.hint("see it:   sedna describe ji " + name + "     sedna top");
      }
      return code;
    };
  });
}

}  // namespace sedna::cli_program
