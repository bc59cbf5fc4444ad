// sedna up, down, doctor, backup, restore: the home on this machine.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "commands.hpp"

namespace sedna::cli_program {

void add_home_commands(CLI::App&, Globals&, Action&) {}

}  // namespace sedna::cli_program
