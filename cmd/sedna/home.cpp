// sedna up, down, doctor: the home on this machine.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/cli/home/backup.hpp"
#include "sedna/cli/home/doctor.hpp"
#include "sedna/cli/home/up.hpp"

#include "commands.hpp"

namespace sedna::cli_program {
namespace {

void add_up(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    cli::home::UpOptions options;
    bool install_service = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "up",
      "Runs Sedna on this machine: API server, GlobalManager, and for each node an agent and a local controller.\n\n"
      "What it is told is kept for the next time. Killed, everything runs on and the next `sedna up` takes it over;\n"
      "Ctrl-C or `sedna down` stops everything, workers too, and keeps the objects.\n"
      "Examples: sedna up --detach     sedna up --nodes cloud0:cloud,cam-1:edge,cam-2:edge");
  cmd->add_option("--nodes", flags->options.nodes, "The nodes and their roles (cloud0:cloud,edge0:edge)")
      ->type_name("NAME:ROLE,…");
  cmd->add_option("--port", flags->options.port, "Of the API server on loopback (a free one, kept)")
      ->type_name("N")
      ->check(CLI::Range(1, 65535));
  cmd->add_option("--images", flags->options.images, "Which command an image stands for; \"\" forgets it")
      ->type_name("FILE");
  cmd->add_flag("-d,--detach", flags->options.detach, "Return when all is ready; it runs on in the background");
  cmd->add_flag("--plain", flags->options.plain,
                "Without sandboxes and networks of their own, as where the kernel has none");
  cmd->add_flag("--install-service", flags->install_service, "Write a systemd unit that does this at every boot");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      flags->options.state = globals.state;
      return flags->install_service ? cli::home::install_service(console, flags->options)
                                    : cli::home::up(console, flags->options);
    };
  });
}

void add_down(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    cli::home::DownOptions options;
    long timeout = 120;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "down", "Stops the home and its workers, whether or not it is supervised, and looks that nothing is left.");
  cmd->add_flag("--delete-state", flags->options.delete_state,
                "Also delete the state folder: objects, logs, everything");
  cmd->add_option("--timeout", flags->timeout, "How long to wait (120)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      flags->options.state = globals.state;
      flags->options.timeout = std::chrono::seconds(flags->timeout);
      return cli::home::down(console, flags->options);
    };
  });
}

void add_doctor(CLI::App& program, Globals& globals, Action& action) {
  auto output = std::make_shared<std::string>();
  CLI::App* cmd =
      program.add_subcommand("doctor", "What this machine has and lacks for a home, what that costs, how to get it.");
  add_output(*cmd, *output, "json or yaml");
  cmd->callback([output, &globals, &action] {
    action = [output, &globals] {
      auto console = globals.console();
      return cli::home::doctor(console, globals.state, cli::Output::parse(*output));
    };
  });
}

void add_backup(CLI::App& program, Globals& globals, Action& action) {
  auto file = std::make_shared<std::string>();
  CLI::App* cmd = program.add_subcommand("backup", "Writes the home's objects to one file, while it works.");
  cmd->add_option("file", *file, "Where to")->required();
  cmd->callback([file, &globals, &action] {
    action = [file, &globals] {
      auto console = globals.console();
      const auto cluster = globals.connect();
      return cli::home::backup(*cluster, console, *file);
    };
  });
}

void add_restore(CLI::App& program, Globals& globals, Action& action) {
  auto file = std::make_shared<std::string>();
  CLI::App* cmd =
      program.add_subcommand("restore", "Puts a backup in the place of the objects of a home that is down.");
  cmd->add_option("file", *file, "What `sedna backup` wrote")->required();
  cmd->callback([file, &globals, &action] {
    action = [file, &globals] {
      auto console = globals.console();
      return cli::home::restore(console, globals.state, *file);
    };
  });
}

}  // namespace

void add_home_commands(CLI::App& program, Globals& globals, Action& action) {
  add_up(program, globals, action);
  add_down(program, globals, action);
  add_doctor(program, globals, action);
  add_backup(program, globals, action);
  add_restore(program, globals, action);
}

}  // namespace sedna::cli_program
