// The commands of sedna-node; each parses its flags and says what to do.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sedna::node_program {

using Action = std::function<int()>;

inline constexpr int kExitOk = 0, kExitFailure = 1, kExitUsage = 2, kExitRefused = 3;

void add_agent(CLI::App& program, Action& action);
/// `command`: what stands behind "--" on the command line.
void add_network(CLI::App& program, Action& action, std::vector<std::string> command);
void add_image(CLI::App& program, Action& action);
void add_stop(CLI::App& program, Action& action);

}  // namespace sedna::node_program
