// Where the API server is and who we are: a kubeconfig file, or the service account of the Pod that we run in. Called
// by every program that talks to an API server, of either home.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"

namespace sedna::store {

/// One server and one identity. What came as data inside the kubeconfig stays in memory (…_pem); what was named as a
/// file is an absolute path.
struct KubeConfig {
  std::string server;           ///< "https://10.0.0.1:6443", perhaps with a path prefix
  std::string ca_file, ca_pem;  ///< neither: the system's authorities
  std::string cert_file, cert_pem;
  std::string key_file, key_pem;
  std::string token;
  std::string token_file;       ///< read again when it changes: service account tokens expire within the hour
  std::string tls_server_name;  ///< verified instead of the server's host
  bool insecure = false;        ///< the server's certificate is not verified
  std::string ns = "default";   ///< the context's namespace
  std::string context;          ///< its name; "" in a Pod
  std::string source;           ///< the file, or "in-cluster", for messages
};

struct KubeConfigOptions {
  KubeConfigOptions() {}
  /// `--kubeconfig`; "": the variable KUBECONFIG (several files, separated by colons, merged as kubectl does), else
  /// ~/.kube/config, else in-cluster.
  std::string file;
  std::string context;  ///< "": current-context
  /// A kubeconfig that says insecure-skip-tls-verify is refused unless the user asks for it here too.
  bool allow_insecure = false;
};

/// Reads what the options name. Throws Error: kNotFound when there is nothing to read (the message lists where it
/// looked), kInvalidArgument with file and field otherwise.
KubeConfig load_kube_config(const KubeConfigOptions& options = {});

/// The service account of the Pod that this process runs in; `root` is put before the mount's path in tests.
/// kNotFound outside a Pod.
Result<KubeConfig> in_cluster_config(const std::string& root = {});

/// One document of a kubeconfig, YAML or JSON. `file` is the subject of errors, and relative paths in it are seen from
/// its folder.
struct KubeConfigText {
  std::string file;
  std::string text;
};
/// The context of one or several documents (the first to name something wins).
Result<KubeConfig> parse_kube_config(const std::vector<KubeConfigText>& documents, std::string_view context = {},
                                     bool allow_insecure = false);

/// A kubeconfig with one context, as JSON (which is YAML), with its PEM texts inside. For those who hand identities
/// out; write it with mode 0600.
std::string write_kube_config(const KubeConfig& config);

}  // namespace sedna::store
