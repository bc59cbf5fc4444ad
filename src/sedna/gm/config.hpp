// sedna-gm's configuration file: upstream's keys (kubeConfig, master, namespace, websocket, localController,
// knowledgeBaseServer, minResyncPeriodSeconds) and ours (docs/reference/sedna-gm.md lists them). Flags stand above it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sedna::gm {

struct Config {
  // Upstream's.
  std::string kube_config;  ///< "": the service account of the Pod
  std::string master;       ///< the API server's URL, instead of the kubeconfig's
  std::string ns;           ///< "": all
  std::string link_address = "0.0.0.0";
  std::uint16_t link_port = 9000;
  std::string lc_server = "http://localhost:9100";
  std::string knowledge_base_server = "http://localhost:9020";
  // Ours.
  bool security_required = false;    ///< `security: required`; else plaintext
  std::optional<bool> legacy_allow;  ///< `legacyLocalControllers: allow|deny`
  std::string storage_initializer_image = "kubeedge/sedna-storage-initializer:v0.3.0";
  std::string link_token_file, link_tls_cert, link_tls_key;
  std::vector<std::string> warnings;  ///< keys that mean nothing here, and where something was likely meant
};

/// Throws Error(kInvalidArgument) with the key's path and what would be right. `file` is the subject of errors about
/// the whole.
Config parse_config(std::string_view yaml, const std::string& file);
Config load_config(const std::string& file);

}  // namespace sedna::gm
