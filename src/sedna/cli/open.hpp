// `sedna open`: forwards a port of this machine to what a service serves, and shows it in the browser.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

struct OpenOptions {
  OpenOptions() {}
  std::string what;  ///< a name (of a service, whatever its kind), or svc/x, ji/x, deploy/x, pod/x
  std::string ns;
  std::uint16_t port = 0;  ///< what it serves on; 0: found out
  std::string path = "/";
  std::string address = "127.0.0.1";
  std::string state;       ///< of the home
  std::string kubeconfig;  ///< given by hand, for a cluster
  bool browser = true;
};

/// What a person means: the object, the port to go to, http or https.
struct OpenTarget {
  OpenTarget() {}
  std::string what;  ///< "ji/x"
  std::uint16_t port = 0;
  std::string scheme = "http";
};
/// A bare name is looked up as JointInferenceService, Service, Deployment, Pod, in this order. Throws Error.
OpenTarget find_open_target(Cluster& cluster, const OpenOptions& options);

/// The program that shows a URL; nothing without a display (or where BROWSER is unset and xdg-open is not there).
/// `variable` and `has_program` ask the environment.
std::optional<std::string> browser_program(const std::function<std::string(const char*)>& variable,
                                           const std::function<bool(const std::string&)>& has_program);

/// Prints the URL on standard output and forwards until the process is ended.
int open(Cluster& cluster, Console& console, const OpenOptions& options);

}  // namespace sedna::cli
