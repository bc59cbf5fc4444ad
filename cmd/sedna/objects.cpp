// sedna get, describe, delete, explain: commands about objects.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sedna/cli/describe.hpp"
#include "sedna/cli/explain.hpp"
#include "sedna/cli/get.hpp"
#include "sedna/cli/manifests.hpp"
#include "sedna/cli/remove.hpp"

#include "commands.hpp"

namespace sedna::cli_program {
namespace {

constexpr const char* kWhat = "A kind (ji, pods, nodes, …; kind,kind), kind/name, or a kind and names";

void add_get(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::vector<std::string> words;
    ScopeFlags scope;
    std::string output;
    cli::GetOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd =
      program.add_subcommand("get",
                             "Shows objects as a table, or as they are.\n\n"
                             "Examples: sedna get ji              sedna get pods -A -o wide\n"
                             "          sedna get sedna           sedna get ji/digits -o yaml\n"
                             "          sedna get nodes -w        sedna get ji digits -o jsonpath='{.status}'");
  cmd->add_option("what", flags->words, kWhat)->required();
  flags->scope.add(*cmd);
  add_output(*cmd, flags->output);
  cmd->add_flag("-w,--watch", flags->options.watch, "Go on with every change");
  cmd->add_flag("--watch-only", flags->options.watch_only, "Changes only");
  cmd->add_flag("--show-labels", flags->options.show_labels, "A column of labels");
  cmd->add_flag("--no-headers", flags->options.no_headers, "Rows only");
  cmd->add_flag("--ignore-not-found", flags->options.ignore_not_found, "What is not there is no failure");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      const auto output = cli::Output::parse(flags->output);
      const auto cluster = globals.connect();
      cli::GetOptions options = flags->options;
      options.words = flags->words;
      options.scope = flags->scope.scope(globals, *cluster);
      options.output = output;
      return cli::get(*cluster, console, options);
    };
  });
}

void add_describe(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::vector<std::string> words;
    ScopeFlags scope;
    std::string output;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "describe",
      "Tells about an object: what it asks for, its workers and their figures, conditions, events, what to do.\n\n"
      "Example: sedna describe ji digits");
  cmd->add_option("what", flags->words, kWhat)->required();
  flags->scope.add(*cmd);
  add_output(*cmd, flags->output, "json or yaml: the object with its workers and events");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      cli::DescribeOptions options;
      options.output = cli::Output::parse(flags->output);
      const auto cluster = globals.connect();
      options.words = flags->words;
      options.scope = flags->scope.scope(globals, *cluster);
      return cli::describe(*cluster, console, options);
    };
  });
}

void add_delete(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::vector<std::string> words, files;
    ScopeFlags scope;
    bool recursive = false, all = false, wait = true, ignore_not_found = false, force = false;
    std::optional<std::int64_t> grace;
    std::string dry_run = "none";
    long timeout = 120;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "delete",
      "Deletes objects and what belongs to them, and waits until they are gone.\n\n"
      "Examples: sedna delete ji digits     sedna delete -f digits.yaml     sedna delete pods -l app=x");
  cmd->add_option("what", flags->words, kWhat);
  cmd->add_option("-f,--filename", flags->files, "Files, folders, URLs or - that name the objects")->type_name("FILE");
  cmd->add_flag("-R,--recursive", flags->recursive, "Also the folders below");
  flags->scope.add(*cmd);
  cmd->add_flag("--all", flags->all, "Every object of the kind in the namespace");
  cmd->add_flag("--wait,!--no-wait", flags->wait, "Wait until all is gone (the default)");
  cmd->add_option("--timeout", flags->timeout, "How long to wait (120)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  cmd->add_option("--grace-period", flags->grace, "Seconds that Pods have to end")->type_name("SECONDS");
  cmd->add_flag("--ignore-not-found", flags->ignore_not_found, "What is not there is no failure");
  cmd->add_option("--dry-run", flags->dry_run, "none or server")->check(CLI::IsMember({"none", "server"}));
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      if (flags->words.empty() == flags->files.empty()) {
        throw Error(ErrorCode::kInvalidArgument, "say what to delete: a kind and names, or files", "-f");
      }
      cli::RemoveOptions options;
      if (!flags->files.empty()) options.manifests = cli::read_manifests(flags->files, flags->recursive, std::cin);
      const auto cluster = globals.connect();
      options.words = flags->words;
      options.scope = flags->scope.scope(globals, *cluster);
      if (options.scope.ns.empty()) options.scope.ns = globals.namespace_of(*cluster);
      options.all = flags->all;
      options.wait = flags->wait;
      options.ignore_not_found = flags->ignore_not_found;
      options.dry_run = flags->dry_run == "server";
      options.grace_period_seconds = flags->grace;
      options.timeout = std::chrono::seconds(flags->timeout);
      return cli::remove(*cluster, console, options);
    };
  });
}

void add_explain(CLI::App& program, Globals& globals, Action& action) {
  struct Flags {
    std::string output;
    cli::ExplainOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* cmd = program.add_subcommand(
      "explain",
      "The fields of a kind and what they mean; without one, the kinds there are.\n\n"
      "Examples: sedna explain     sedna explain ji.spec.edgeWorker     sedna explain dataset --recursive");
  cmd->add_option("what", flags->options.what, "KIND[.FIELD…]");
  cmd->add_flag("--recursive", flags->options.recursive, "All fields below, without their descriptions");
  add_output(*cmd, flags->output, "json or yaml: the schema");
  cmd->callback([flags, &globals, &action] {
    action = [flags, &globals] {
      auto console = globals.console();
      flags->options.output = cli::Output::parse(flags->output);
      if (flags->options.what.empty()) return cli::list_kinds(console, flags->options.output);
      const auto cluster = globals.connect();
      return cli::explain(*cluster, console, flags->options);
    };
  });
}

}  // namespace

void add_object_commands(CLI::App& program, Globals& globals, Action& action) {
  add_get(program, globals, action);
  add_describe(program, globals, action);
  add_delete(program, globals, action);
  add_explain(program, globals, action);
}

}  // namespace sedna::cli_program
