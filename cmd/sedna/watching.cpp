// sedna status, logs, events, top, version: what is going on.
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/cli/events.hpp"
#include "sedna/cli/home/home.hpp"
#include "sedna/cli/logs.hpp"
#include "sedna/cli/status.hpp"
#include "sedna/cli/top.hpp"
#include "sedna/cli/version.hpp"

#include "commands.hpp"

namespace sedna::cli_program {
namespace {

void add_status(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::string output;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "status",
      "Nodes, services and workers on one screen, what is wrong and what to do. Exit code 1 when something is.");
  add_output(*cmd, flags->output, "wide (every row), json, yaml or jsonpath=TEMPLATE");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      cli::StatusOptions options;
      options.output = cli::Output::parse(flags->output);
      options.ns = globals.ns;
      const auto cluster = globals.connect();
      options.headline = cli::home::headline(globals.state, *cluster);
      return cli::status(*cluster, console, options);
    };
  });
}

void add_top(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::string output;
    cli::TopOptions options;
    double interval = 2;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand("top", "What services and nodes do, refreshed while you look.");
  add_output(*cmd, flags->output, "json or yaml: once");
  cmd->add_flag("--once", flags->options.once, "One look");
  cmd->add_option("--interval", flags->interval, "Seconds between two looks (2)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.2, 3600.0));
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      flags->options.output = cli::Output::parse(flags->output);
      flags->options.ns = globals.ns;
      flags->options.interval = std::chrono::milliseconds(static_cast<long>(flags->interval * 1000));
      const auto cluster = globals.connect();
      return cli::top(*cluster, console, flags->options);
    };
  });
}

void add_logs(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    cli::LogsOptions options;
    ScopeFlags scope;
    std::string since;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand("logs",
                                         "What workers write.\n\n"
                                         "Examples: sedna logs ji/digits            sedna logs -f POD\n"
                                         "          sedna logs -p POD               sedna logs deploy/NAME --tail 20");
  cmd->add_option("what", flags->options.what, "A Pod, deploy/NAME, service/NAME, or a Sedna object as ji/NAME");
  flags->scope.add(*cmd);
  cmd->add_option("-c,--container", flags->options.container, "The container, where a Pod has several")
      ->type_name("NAME");
  cmd->add_flag("--all-containers", flags->options.all_containers, "All of them, with their names");
  cmd->add_flag("-f,--follow", flags->options.follow, "Go on with what is written");
  cmd->add_flag("-p,--previous", flags->options.previous, "Of the container before its last restart");
  cmd->add_flag("--timestamps", flags->options.timestamps, "When each line was written");
  cmd->add_flag("--prefix", flags->options.prefix, "Pod and container before each line");
  cmd->add_option("--tail", flags->options.tail, "The last lines only")->type_name("LINES");
  cmd->add_option("--since", flags->options.since_seconds, "What is no older")->type_name("SECONDS");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      const auto cluster = globals.connect();
      flags->options.scope = flags->scope.scope(globals, *cluster);
      return cli::logs(*cluster, console, flags->options);
    };
  });
}

void add_events(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    cli::EventsOptions options;
    ScopeFlags scope;
    std::string output;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand("events", "What happened in the last hour, newest last.");
  flags->scope.add(*cmd);
  cmd->add_option("--for", flags->options.object, "Of one object")->type_name("KIND/NAME");
  cmd->add_flag("-w,--watch", flags->options.watch, "Go on with what happens");
  cmd->add_flag("--warnings", flags->options.warnings_only, "Warnings only");
  add_output(*cmd, flags->output);
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      flags->options.output = cli::Output::parse(flags->output);
      const auto cluster = globals.connect();
      flags->options.scope = flags->scope.scope(globals, *cluster);
      return cli::events(*cluster, console, flags->options);
    };
  });
}

void add_version(CLI::App& program, Globals& globals, Action& action) {
  auto output = std::make_shared<std::string>();
  auto client_only = std::make_shared<bool>(false);
  CLI::App* cmd = program.add_subcommand("version", "Versions of this program and of the server.");
  add_output(*cmd, *output, "json or yaml");
  cmd->add_flag("--client", *client_only, "Ask no server");
  cmd->callback([output, client_only, &globals, &action] {
    action = [output, client_only, &globals] {
      auto console = globals.console();
      const auto form = cli::Output::parse(*output);
      std::unique_ptr<cli::Cluster> cluster;
      if (!*client_only) {
        try {
          cluster = globals.connect();
        } catch (const Error& error) {
          if (error.code() != ErrorCode::kNotFound) throw;  // no server anywhere: our own version is answer enough
        }
      }
      return cli::version(cluster.get(), console, form);
    };
  });
}

}  // namespace

void add_watching_commands(CLI::App& program, Globals& globals, Action& action) {
  add_status(program, globals, action);
  add_top(program, globals, action);
  add_logs(program, globals, action);
  add_events(program, globals, action);
  add_version(program, globals, action);
}

}  // namespace sedna::cli_program
