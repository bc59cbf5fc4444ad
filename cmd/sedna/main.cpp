// sedna: the command line of both homes. Parses flags, wires the modules, nothing else.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>

#include <CLI/CLI.hpp>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/home.hpp"

#include "commands.hpp"

namespace sedna::cli_program {

cli::Console Globals::console() const {
  cli::Console out = cli::Console::process();
  if (colour == "always") out.set_colour(true);
  if (colour == "never") out.set_colour(false);
  out.set_quiet(quiet);
  return out;
}

std::unique_ptr<cli::Cluster> Globals::connect() const {
  cli::ClusterOptions options;
  options.kubeconfig = kubeconfig;
  options.context = context;
  options.state = state;
  options.state_given = state_given;
  auto cluster = cli::connect(options);
  server = cluster->url();
  return cluster;
}

std::string Globals::namespace_of(const cli::Cluster& cluster) const {
  return ns.empty() ? cluster.default_namespace() : ns;
}

void ScopeFlags::add(CLI::App& command, bool with_all) {
  if (with_all) command.add_flag("-A,--all-namespaces", all_namespaces, "Look in every namespace");
  command.add_option("-l,--selector", selector, "Labels, as \"a=b,c in (d,e),!f\"")->type_name("SELECTOR");
  command.add_option("--field-selector", field_selector, "Fields, as \"spec.nodeName=edge0\"")->type_name("SELECTOR");
}

cli::Scope ScopeFlags::scope(const Globals& globals, const cli::Cluster& cluster) const {
  cli::Scope out;
  out.all_namespaces = all_namespaces;
  out.ns = all_namespaces ? std::string() : globals.namespace_of(cluster);
  out.label_selector = selector;
  out.field_selector = field_selector;
  return out;
}

void add_output(CLI::App& command, std::string& output, const char* text) {
  command.add_option("-o,--output", output, text != nullptr ? text : "wide, json, yaml, name or jsonpath=TEMPLATE")
      ->type_name("FORM");
}

namespace {

void add_globals(CLI::App& program, Globals& globals) {
  globals.state = cli::home::default_state_folder();
  program.add_option("--kubeconfig", globals.kubeconfig, "Which API server, and who we are")->type_name("FILE");
  program.add_option("--context", globals.context, "The kubeconfig's context to use")->type_name("NAME");
  program.add_option("--state", globals.state, "The folder of the home on this machine (SEDNA_STATE)")
      ->type_name("DIR")
      ->envname("SEDNA_STATE")
      ->capture_default_str();
  program.add_option("-n,--namespace", globals.ns, "The namespace to work in")->type_name("NAME");
  program.add_option("--color", globals.colour, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  program.add_flag("-q,--quiet", globals.quiet, "No progress");
}

/// In the list of commands one sentence each; the examples stand in each one's own help.
void examples_to_footers(CLI::App& program) {
  for (CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string text = command->get_description();
    const std::size_t end = text.find("\n\n");
    if (end == std::string::npos) continue;
    command->description(text.substr(0, end));
    command->footer(text.substr(end + 2));
  }
}

/// Why the server of a home did not answer, when it is that.
void say_if_down(const Globals& globals) {
  if (!globals.server.empty() && cli::home::is_down(globals.state, globals.server)) {
    std::fprintf(stderr, "  the home in %s is down; `sedna up` starts it\n", globals.state.c_str());
  }
}

/// The first word that is neither a flag nor a global flag's value: what was meant as a command.
const char* first_word(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word(argv[i]);
    if (!word.starts_with('-')) return argv[i];
    const bool takes_value = word == "--kubeconfig" || word == "--context" || word == "--state" || word == "-n" ||
                             word == "--namespace" || word == "--color";
    if (takes_value) ++i;
  }
  return nullptr;
}

int run(int argc, char** argv) {
  CLI::App program(
      "Sedna: AI that spans cloud and edge. Runs a home on this machine (`sedna up`) and works with it, or with any\n"
      "Kubernetes cluster that runs Sedna.\n\n"
      "Begin with: sedna doctor, sedna up --detach, sedna apply -f FILE, sedna status.\n"
      "Exit codes: 0 done; 1 something asked for is missing, failed or took too long; 2 a flag is wrong.",
      "sedna");
  program.require_subcommand(1);
  program.fallthrough();  // global flags may stand after the command, as with kubectl
  program.set_version_flag("--version", "sedna 0.1.0");
  program.get_formatter()->column_width(34);
  Globals globals;
  add_globals(program, globals);
  Action action;
  add_home_commands(program, globals, action);
  add_run(program, globals, action);
  add_apply(program, globals, action);
  add_object_commands(program, globals, action);
  add_watching_commands(program, globals, action);
  add_reach_commands(program, globals, action);
  add_image(program, globals, action);
  add_completion(program, globals, action);
  examples_to_footers(program);
  try {
    program.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    const char* word = program.get_subcommands().empty() ? first_word(argc, argv) : nullptr;
    if (word != nullptr) {
      std::fprintf(stderr, "sedna: there is no command '%s'; sedna --help lists them\n", word);
      return kExitUsage;
    }
    return program.exit(error) == 0 ? kExitOk : kExitUsage;
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  globals.state_given = std::any_of(argv + 1, argv + argc, [](const char* word) {
    return std::string_view(word) == "--state" || std::string_view(word).starts_with("--state=");
  });
  try {
    const int code = action();
    if (code == kExitFailure) say_if_down(globals);
    return code;
  } catch (const Error& error) {
    if (error.subject() == "standard output") return kExitFailure;  // `sedna get … | head`: nobody reads any more
    std::fprintf(stderr, "sedna: %s\n", error.what());
    if (error.code() == ErrorCode::kUnavailable) say_if_down(globals);
    return error.code() == ErrorCode::kInvalidArgument && error.subject().starts_with("-") ? kExitUsage : kExitFailure;
  }
}

}  // namespace
}  // namespace sedna::cli_program

int main(int argc, char** argv) {
  using namespace sedna;
  std::signal(SIGPIPE, SIG_IGN);  // a pager that was closed is an error of the write
  try {
    return cli_program::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sedna: %s\n", error.what());
    return cli_program::kExitFailure;
  }
}
