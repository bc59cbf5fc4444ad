// The aggregator above this one, as its server sees it: what a site asks before it serves, and how its sums go up and
// models come down (with the client's code, RoundClient). Made by sedna-worker aggregate --upstream, handed to
// AggregationServer, whose threads use it from then on (server_site.cpp).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sedna/federated/round_client.hpp"
#include "sedna/federated/server.hpp"

namespace sedna::federated {

struct UpstreamOptions {
  UpstreamOptions() {}
  std::string url;  ///< "https://root:7363/FedAvg"; empty: there is none
  std::string site;
  std::string token_file, tls_ca, tls_cert, tls_key;
  SteadyClock::duration connect_timeout = std::chrono::seconds(300);

  /// AGG_UPSTREAM, WORKER_NAME, AGG_UPSTREAM_TOKEN_FILE, SEDNA_AGG_TLS_CA, _CERT, _KEY, CONNECT_TIMEOUT. Throws Error
  /// naming the variable.
  static UpstreamOptions from_context(const worker::Context& context);
};

/// construct → connect() until it is true → configure() → AggregationServerOptions::upstream.
class Upstream {
 public:
  /// Throws Error(kInvalidArgument) naming what is wrong with the URL, the name or the token.
  explicit Upstream(const UpstreamOptions& options);

  /// True once it is known what the job is and what its next round begins with. Throws Error when the aggregator above
  /// refuses (it names the setting), or cannot be reached for connect_timeout.
  bool connect(SteadyClock::duration timeout);
  /// Of a site that has the job's last model, and begins again only to hand it out: the root need not wait for it.
  void say_goodbye();
  /// Puts the job's rules into the options of a server that is made next.
  void configure(AggregationServerOptions& options) const;
  /// Settings that are the job's, not a site's: throws Error(kInvalidArgument) naming the first that is there.
  static void check_settings(const std::map<std::string, std::string>& settings);

  // For the server.
  RoundClient& client() { return client_; }
  /// What connect() has got; nothing while the job asks for a model to begin with.
  std::optional<RoundTask> take_first();
  bool wants_initial() const { return client_.wants_initial(); }

 private:
  RoundClientOptions options_;
  RoundClient client_;
  std::optional<RoundTask> first_;
};

/// Whether the records in a site's state folder end with the job's last model: then there is nothing to ask above.
bool site_has_ended(const std::string& state_folder);

}  // namespace sedna::federated
