// The state folder of a home, drawn once; no other code of the CLI spells a path in it.
//
//   <state>/                       0700
//     home.json                    schema version, port, nodes: what `sedna up` was told (home_file.hpp)
//     up.lock                      held by the `sedna up` that supervises; its process id inside
//     kubeconfig                   for the user, by the API server
//     kubeconfigs/<who>            for gm, node-<NODE>, lc-<NODE>, by the API server
//     ca.pem, tokens, store.db …   the API server's
//     run/<daemon>.json            process id and start time of each daemon (process.hpp)
//     logs/<daemon>.log            and .1 … .3, older
//     nodes/<NODE>/                the agent's and the local controller's
#pragma once

#include <filesystem>
#include <string>

namespace sedna::cli::home {

/// SEDNA_STATE, else $XDG_STATE_HOME/sedna, else ~/.local/state/sedna.
std::string default_state_folder();

struct Paths {
  explicit Paths(const std::filesystem::path& state);
  std::filesystem::path state;  ///< absolute, normal
  std::filesystem::path home_file() const { return state / "home.json"; }
  std::filesystem::path lock() const { return state / "up.lock"; }
  std::filesystem::path kubeconfig() const { return state / "kubeconfig"; }
  std::filesystem::path kubeconfig_of(const std::string& who) const { return state / "kubeconfigs" / who; }
  std::filesystem::path tokens() const { return state / "tokens"; }
  std::filesystem::path run() const { return state / "run"; }
  std::filesystem::path run_file(const std::string& daemon) const { return run() / (daemon + ".json"); }
  std::filesystem::path logs() const { return state / "logs"; }
  std::filesystem::path log(const std::string& daemon) const { return logs() / (daemon + ".log"); }
  std::filesystem::path node(const std::string& name) const { return state / "nodes" / name; }
};

}  // namespace sedna::cli::home
