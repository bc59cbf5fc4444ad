#include "sedna/cli/home/paths.hpp"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace sedna::cli::home {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

std::string default_state_folder() {
  if (const std::string set = variable("SEDNA_STATE"); !set.empty()) return set;
  if (const std::string xdg = variable("XDG_STATE_HOME"); !xdg.empty()) return xdg + "/sedna";
  std::string user_home = variable("HOME");
  if (user_home.empty()) {
    const passwd* entry = getpwuid(getuid());  // commands run in one thread
    user_home = entry != nullptr ? entry->pw_dir : "/tmp";
  }
  return user_home + "/.local/state/sedna";
}

Paths::Paths(const std::filesystem::path& folder) : state(std::filesystem::absolute(folder).lexically_normal()) {
  if (!state.has_filename() && state.has_relative_path()) state = state.parent_path();  // "dir/"
}

}  // namespace sedna::cli::home
