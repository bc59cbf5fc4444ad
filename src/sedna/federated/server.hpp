// The aggregation server over the server core, for upstream's clients (WebSocket, ws://host:port/<aggregation>) and for
// ours (HTTP under the same path: join, plan, models, updates), in one job. Made by sedna-worker aggregate and by the
// Python package's AggregationServer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/federated/aggregation.hpp"
#include "sedna/federated/exchange.hpp"
#include "sedna/federated/rounds.hpp"
#include "sedna/federated/rules.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::federated {

/// One published round, for progress lines and figures.
struct RoundReport {
  std::int64_t round = 0;
  bool last = false;
  bool by_deadline = false;
  std::vector<std::string> clients;  ///< who is in the model
  std::size_t connected = 0;
  double total_weight = 0;
  std::uint64_t bytes_received = 0;  ///< updates that arrived since the round before, whatever became of them
  std::uint64_t bytes_sent = 0;      ///< models sent since the round before
  double seconds = 0;                ///< since the previous round was published (the first: since the server began)
  std::map<std::string, double> metrics;  ///< means by samples of what clients reported
  std::string stopped;                    ///< why it is the last although more were planned
  std::size_t clipped = 0;                ///< updates that were cut to the bound
  std::optional<double> epsilon;          ///< of differential privacy, after this round
  std::optional<double> staleness;  ///< asynchronous rules: how many rounds old the updates' beginnings were, mean
  std::vector<std::string> chosen;  ///< who was to train, where clients are chosen
  std::map<std::string, std::size_t> sites;  ///< of clients that brought sums: how many clients are in each
};

/// How the job stands between two rounds' reports.
struct JobProgress {
  std::int64_t round = 0;    ///< the last one whose model is out
  std::size_t arrived = 0;   ///< updates of the open round
  std::size_t selected = 0;  ///< so many close it
  std::size_t connected = 0;
  std::vector<std::string> missing;  ///< connected, and has not brought its update
  std::string stalled;               ///< why nothing gets on although all is there (disk full); empty: it does
};

/// What is on disk before a client hears that its update is committed.
enum class Durability : std::uint8_t {
  kRound,   ///< which update it was: after a crash clients send the open round's updates again
  kUpdate,  ///< the update itself: after a crash nothing is sent again
};

class Upstream;

struct AggregationServerOptions {
  AggregationServerOptions() {}
  serve::ServerOptions server;
  std::string aggregation = "FedAvg";  ///< the path
  RoundOptions rounds;
  std::size_t max_message = std::size_t{1} << 30;  ///< of one message; larger ones close the connection with 1009
  RuleOptions rules;                               ///< by name
  AggregationFactory factory;                      ///< a rule of user code instead
  bool features = false;     ///< updates are features.hpp's, for a rule of user code that trains on them
  ExchangeOptions exchange;  ///< an object store that bulk may travel through; its url is empty: none
  std::string state_folder;  ///< where rounds survive a restart; empty: they are in memory only
  Durability durability = Durability::kRound;
  std::string codec;            ///< how HTTP clients code their updates ("int8"); empty: as they are
  std::string initial_model;    ///< a safetensors file that round 1 begins with; empty: see Rules::needs_base()
  std::size_t keep_models = 3;  ///< so many published models stay in the state folder
  std::uint64_t staging_bytes = std::uint64_t{256} << 20;  ///< memory for uploads under way; more goes to files
  SteadyClock::duration lease = std::chrono::seconds(60);  ///< an HTTP client that is silent for so long has left
  /// Clients that may bring sums of clients of their own. Empty: all, as long as there is nothing to trust them with.
  std::vector<std::string> sites;
  /// The aggregator above, whose rounds are this one's: see Upstream::configure(), which fills in the rest.
  std::shared_ptr<Upstream> upstream;
  SiteRules site_rules;
  bool site = false;
  std::function<void(const char* step)> on_step;     ///< for tests: called between the steps that write to disk
  std::function<void(const RoundReport&)> on_round;  ///< called from a thread of the server's
};

/// construct → start() → wait() → stop(). Thread-safe. The destructor stops.
class AggregationServer {
 public:
  AggregationServer(AggregationServerOptions options, metrics::Registry& registry);
  ~AggregationServer();
  AggregationServer(const AggregationServer&) = delete;
  AggregationServer& operator=(const AggregationServer&) = delete;

  void start();
  std::uint16_t port() const;
  std::string origin() const;
  /// True when the job is over: every round published and the clients gone, or failed.
  bool wait_for(SteadyClock::duration timeout);
  /// Why the job failed; empty when it has not.
  std::string failure() const;
  std::int64_t rounds() const;
  std::vector<std::string> clients() const;
  JobProgress progress() const;
  /// Says goodbye to the clients, then ends everything. Idempotent, blocking.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::federated
