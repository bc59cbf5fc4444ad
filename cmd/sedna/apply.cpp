// sedna apply: files become objects.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/cli/apply_files.hpp"

#include "commands.hpp"

namespace sedna::cli_program {

void add_apply(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::vector<std::string> files;
    std::string output, dry_run = "none", validate = "strict";
    bool recursive = false, wait = false;
    long timeout = 120;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "apply",
      "Makes the server's objects what the files say: creates what is missing, changes what differs.\n\n"
      "As `kubectl apply`, and with its annotation, so that both may be used on one object.\n"
      "Examples: sedna apply -f digits.yaml     sedna apply -f folder/ --wait     cat x.yaml | sedna apply -f -");
  cmd->add_option("-f,--filename", flags->files, "A file, a folder, a URL, or - for standard input; repeat for more")
      ->type_name("FILE")
      ->required();
  cmd->add_flag("-R,--recursive", flags->recursive, "Also the folders below");
  cmd->add_flag("--wait", flags->wait, "Wait until services run, and say what they wait for");
  cmd->add_option("--timeout", flags->timeout, "How long to wait (120)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  cmd->add_option("--dry-run", flags->dry_run, "client: send nothing; server: check, keep nothing")
      ->check(CLI::IsMember({"none", "client", "server"}))
      ->type_name("WHERE");
  cmd->add_option("--validate", flags->validate, "Fields that the kind lacks: strict refuses, warn drops and says so")
      ->check(CLI::IsMember({"strict", "warn", "ignore"}))
      ->type_name("HOW");
  add_output(*cmd, flags->output, "json, yaml or name: the objects as they are now");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      cli::ApplyFilesOptions options;
      options.output = cli::Output::parse(flags->output);
      options.manifests = cli::read_manifests(flags->files, flags->recursive, std::cin);
      const auto cluster = globals.connect();
      options.apply.ns = globals.namespace_of(*cluster);
      options.apply.ns_given = !globals.ns.empty();
      using DryRun = cli::ApplyOptions::DryRun;
      options.apply.dry_run = flags->dry_run == "client"   ? DryRun::kClient
                              : flags->dry_run == "server" ? DryRun::kServer
                                                           : DryRun::kNone;
      options.apply.field_validation = flags->validate == "strict" ? store::FieldValidation::kStrict
                                       : flags->validate == "warn" ? store::FieldValidation::kWarn
                                                                   : store::FieldValidation::kIgnore;
      options.wait = flags->wait;
      options.timeout = std::chrono::seconds(flags->timeout);
      return cli::apply_files(*cluster, console, options);
    };
  });
}

}  // namespace sedna::cli_program
