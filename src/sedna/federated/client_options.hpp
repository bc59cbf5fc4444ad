// What both clients of the aggregation server share: where it is and who they are, as their environment says, and how
// long they keep trying. Internal to AggregationClient and RoundClient.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/net/http_client.hpp"
#include "sedna/worker/context.hpp"

namespace sedna::federated {

struct ClientEnvironment {
  std::string origin;  ///< "http://127.0.0.1:7363", with the protocol asked for
  std::string client_id;
  SteadyClock::duration connect_timeout{};
  net::TlsClientOptions tls;
  std::string bearer_token;
  std::string state_folder;
  std::string personal;

  /// AGG_PROTOCOL (`plain` or `secure`; `plain` when unset), AGG_IP, AGG_PORT, WORKER_NAME, CONNECT_TIMEOUT,
  /// SEDNA_AGG_TLS_CA, _CERT, _KEY, SEDNA_TOKEN_FILE, SEDNA_FL_CLIENT_STATE and SEDNA_FL_PERSONAL. Throws Error naming
  /// the variable; `choices` says what the protocol may be.
  static ClientEnvironment from_context(const worker::Context& context, const std::string& plain,
                                        const std::string& secure, const std::string& choices);
};

/// The token in the file's first line. Throws Error naming `what`.
std::string token_from_file(const std::string& file, const std::string& what);

/// Pauses between tries: doubling up to a bound, and an end when nothing was reached for too long.
class Retries {
 public:
  /// `patience`: nothing means without end.
  Retries(SteadyClock::duration first, std::optional<SteadyClock::duration> patience, SteadyClock::time_point now)
      : first_(first), pause_(first), patience_(patience), since_(now) {}
  void reached(SteadyClock::time_point now) {
    pause_ = first_;
    since_ = now;
  }
  /// How long to pause before the next try; nothing when it is time to give up.
  std::optional<SteadyClock::duration> next(SteadyClock::time_point now) {
    const auto pause = pause_;
    if (patience_ && now + pause >= since_ + *patience_) return std::nullopt;
    pause_ = std::min<SteadyClock::duration>(pause * 2, kLongest);
    return pause;
  }

 private:
  static constexpr auto kLongest = std::chrono::seconds(5);
  SteadyClock::duration first_;
  SteadyClock::duration pause_;
  std::optional<SteadyClock::duration> patience_;
  SteadyClock::time_point since_;
};

}  // namespace sedna::federated
