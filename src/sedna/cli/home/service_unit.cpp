#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "sedna/base/error.hpp"
#include "sedna/cli/home/home_file.hpp"
#include "sedna/cli/home/process.hpp"
#include "sedna/cli/home/up.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::cli::home {
namespace {

namespace fs = std::filesystem;

/// systemd splits words at spaces and expands % and $.
std::string quoted(const std::string& word) {
  std::string out = "\"";
  for (const char c : word) {
    if (c == '%' || c == '$') out += c;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

int install_service(Console& console, const UpOptions& options) {
  const Paths paths{options.state};
  const bool system = geteuid() == 0;
  const char* user_home = std::getenv("HOME");
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const fs::path folder =
      system ? fs::path("/etc/systemd/system")
             : (config != nullptr && *config != 0 ? fs::path(config)
                                                  : fs::path(user_home != nullptr ? user_home : "/") / ".config") /
                   "systemd/user";
  const std::string program = fs::read_symlink("/proc/self/exe").string();
  std::string start = quoted(program) + " up --state " + quoted(paths.state.string());
  if (!options.nodes.empty()) {
    static_cast<void>(parse_nodes(options.nodes));
    start += " --nodes " + options.nodes;
  }
  if (options.port) start += " --port " + std::to_string(*options.port);
  if (options.images && !options.images->empty()) start += " --images " + quoted(fs::absolute(*options.images));
  if (options.plain) start += " --plain";
  const std::string unit =
      "# Written by `sedna up --install-service`.\n"
      "[Unit]\nDescription=Sedna home in " +
      paths.state.string() +
      "\nAfter=network.target\n\n"
      "[Service]\nType=notify\nExecStart=" +
      start +
      "\n"
      "# The daemons and workers live in this unit's group; only the supervisor is told to stop, and stops the rest.\n"
      "KillMode=mixed\nTimeoutStopSec=120\nRestart=on-failure\nDelegate=yes\n\n"
      "[Install]\nWantedBy=" +
      std::string(system ? "multi-user.target" : "default.target") + "\n";
  const fs::path file = folder / "sedna.service";
  storage::make_folder(folder);
  storage::AtomicFile out(file, 0644);
  out.write(std::as_bytes(std::span(unit)));
  out.commit();
  const std::string who = system ? "systemctl" : "systemctl --user";
  console.line("wrote " + file.string());
  console.line("start it now and at every boot:  " + who + " daemon-reload && " + who + " enable --now sedna");
  if (!system) console.line("also while you are logged out:   loginctl enable-linger");
  return 0;
}

}  // namespace sedna::cli::home
