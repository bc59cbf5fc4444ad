// The API server as the commands see it: objects through store::ApiServer, and the few plain requests that have no
// place there (tables, logs, documents). Made from a kubeconfig; tests give the embedded engine in process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sedna/base/clock.hpp"
#include "sedna/store/api_server.hpp"

namespace sedna::cli {

class Cluster {
 public:
  /// Return false to stop the stream.
  using Sink = std::function<bool(std::string_view)>;

  virtual ~Cluster() = default;
  virtual store::ApiServer& api() = 0;
  /// The body that GET of `target` (path and query below the server's URL) answers.
  virtual store::Outcome<std::string> get(const std::string& target, const std::string& accept) = 0;
  /// The same, piece by piece as it arrives, for as long as the server sends; the value is false when `sink` stopped
  /// it.
  virtual store::Outcome<bool> stream(const std::string& target, const std::string& accept, const Sink& sink) = 0;
  /// Where it is, for messages.
  virtual std::string url() const = 0;
  /// The namespace of commands that name none.
  virtual std::string default_namespace() const = 0;
};

/// Where to find the API server, in this order: `kubeconfig` (--kubeconfig), the home that --state names, KUBECONFIG,
/// the kubeconfig of the home in `state` when there is one, the cluster this process is a Pod of, ~/.kube/config.
/// Throws Error saying where it looked.
struct ClusterOptions {
  ClusterOptions() {}
  std::string kubeconfig;
  std::string context;
  std::string state;         ///< the state folder of the home on this machine
  bool state_given = false;  ///< by --state: before KUBECONFIG
};
std::unique_ptr<Cluster> connect(const ClusterOptions& options);

}  // namespace sedna::cli
