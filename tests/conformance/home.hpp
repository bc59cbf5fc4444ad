// The API servers that one suite runs against. "embedded": the engine in process. "apiserver": the daemon, over HTTPS,
// without its loops, which would act on what the tests write ("apiserver-with-loops" has them, when asked for by name).
// "kube": a real kube-apiserver, started by script/kube and named by SEDNA_CONFORMANCE_KUBECONFIG; it is always right.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/store/api_server.hpp"
#include "sedna/store/kube/kube_client.hpp"

namespace sedna::conformance {

class Home {
 public:
  virtual ~Home() = default;
  virtual std::string_view name() const = 0;
  virtual store::ApiServer& api() = 0;
  /// Null in process: what only a face has (other patches, raw paths) is not there.
  virtual store::KubeClient* client() { return nullptr; }
  bool is_real() const { return name() == "kube"; }

  /// A new namespace; nobody deletes it (on the real server there is no controller that would empty it).
  std::string fresh_namespace();
};

/// The homes there are in this run, started when first asked for. Throws Error when one does not start.
const std::vector<std::string>& home_names();
Home& home(std::string_view name);
/// Ends what home() started.
void end_homes();

/// A ConfigMap, a Lease and a Dataset to play with.
api::Object config_map(std::string_view ns, std::string_view name, std::string_view value = "1");
api::Object lease(std::string_view ns, std::string_view name);
api::Object dataset(std::string_view ns, std::string_view name);

}  // namespace sedna::conformance
