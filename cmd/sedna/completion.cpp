// sedna completion: completions for bash, zsh and fish, made from the commands and flags as they are.
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "sedna/api/kind.hpp"

#include "commands.hpp"

namespace sedna::cli_program {
namespace {

std::string words_of(const CLI::App& app, bool with_commands) {
  std::string out;
  const auto add = [&](const std::string& word) { out += (out.empty() ? "" : " ") + word; };
  if (with_commands) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) add(command->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) add("--" + name);
    for (const auto& name : option->get_snames()) add("-" + name);
  }
  return out;
}

std::string kind_words() {
  std::string out = "sedna all";
  for (const api::Kind* kind : api::all_kinds()) {
    out.append(" ").append(kind->plural);
    for (const auto name : kind->short_names) out.append(" ").append(name);
  }
  return out;
}

/// A function that completes commands, flags and kinds, in bash's words; zsh reads it through bashcompinit.
std::string bash(const CLI::App& program) {
  std::string out =
      "_sedna() {\n  local word=${COMP_WORDS[COMP_CWORD]} command= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }\n  done\n"
      "  local words\n  case $command in\n";
  out += "    '') words='" + words_of(program, true) + "' ;;\n";
  const std::string globals = words_of(program, false);
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string& name = command->get_name();
    std::string words = words_of(*command, true) + " " + globals;
    if (name == "get" || name == "describe" || name == "delete" || name == "explain") words += " " + kind_words();
    out += "    " + name + ") words='" + words + "' ;;\n";
  }
  out +=
      "  esac\n"
      "  if [[ ${COMP_WORDS[COMP_CWORD-1]} == -f || ${COMP_WORDS[COMP_CWORD-1]} == --filename ]]; then\n"
      "    COMPREPLY=($(compgen -f -- \"$word\"))\n  else\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n  fi\n}\n"
      "complete -o default -F _sedna sedna\n";
  return out;
}

std::string fish(const CLI::App& program) {
  std::string out = "complete -c sedna -f\n";
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    std::string text = command->get_description();
    text = text.substr(0, text.find_first_of(".\n"));
    for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 2) text.insert(at, "\\");
    out += "complete -c sedna -n __fish_use_subcommand -a " + command->get_name() + " -d '" + text + "'\n";
  }
  out += "complete -c sedna -n '__fish_seen_subcommand_from get describe delete explain' -a '" + kind_words() + "'\n";
  out += "complete -c sedna -s f -l filename -r -F\n";
  return out;
}

}  // namespace

void add_completion(CLI::App& program, Globals&, Action& action) {
  auto shell = std::make_shared<std::string>();
  CLI::App* cmd = program.add_subcommand("completion",
                                         "Completions for a shell.\n\n"
                                         "bash: source <(sedna completion bash)\n"
                                         "zsh:  source <(sedna completion zsh)\n"
                                         "fish: sedna completion fish | source");
  cmd->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  cmd->callback([shell, &program, &action] {
    action = [shell, &program] {
      std::string text = *shell == "fish" ? fish(program) : bash(program);
      if (*shell == "zsh") text = "autoload -U +X bashcompinit && bashcompinit\n" + text;
      std::fwrite(text.data(), 1, text.size(), stdout);
      return kExitOk;
    };
  });
}

}  // namespace sedna::cli_program
