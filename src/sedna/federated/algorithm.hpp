// What a federated algorithm does at the server once a round's updates are combined, and what it asks of the clients.
// How updates become one (mean, median, Krum, …) is an Aggregation; the two are put together by Rules (rules.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/federated/aggregation.hpp"
#include "sedna/federated/settings.hpp"

namespace sedna::federated {

/// What a round begins with: the weights and, for some algorithms, tensors of the same shapes that go to the clients
/// beside them.
struct Model {
  std::int64_t round = 0;  ///< the round whose end it is; 0: the initial model
  Weights weights;
  Weights extra;
};

/// One client's part in a round, as the round's records keep it.
struct Contribution {
  std::string client;
  double samples = 0;
  double steps = 0;
};

/// The end of a round as an algorithm sees it.
struct RoundEnd {
  const Model* base = nullptr;  ///< what the round began with; null in a first round without an initial model
  Aggregate combined;
  Weights extra_mean;  ///< the plain mean of the updates' extra tensors; empty without
  std::vector<Contribution> contributions;
  std::size_t clients = 0;  ///< how many there are in the job, contributing or not
};

/// A parameter that clients need to know (FedProx's mu).
struct ClientParameter {
  std::string name;
  double value = 0;
};

/// What a rule that waits for nobody asks of the rounds.
struct Asynchrony {
  std::int64_t max_staleness = 0;  ///< an update may have begun so many rounds before the open one
  std::size_t buffer = 0;          ///< so many updates make the next model; 0: as many as there are participants
};

/// Lives as long as the job. Not thread-safe. The base keeps a round's combination as the next model: FedAvg.
class Algorithm {
 public:
  virtual ~Algorithm() = default;
  virtual std::string_view name() const = 0;
  /// What clients must know to do their part; a client that knows no part of this name trains as in FedAvg.
  virtual std::vector<ClientParameter> for_clients() const { return {}; }
  /// Whether a round needs to know the model it began with: then the first client's weights are the initial model.
  virtual bool needs_base() const { return false; }
  /// Whether updates must carry tensors beside the weights, or count their steps: they are refused without.
  virtual bool needs_extra() const { return false; }
  virtual bool needs_steps() const { return false; }
  /// Whether it looks at nothing but the mean of the updates by samples, so that sums of sites may stand for those of
  /// their clients.
  virtual bool composes() const { return false; }
  /// The update's weight in the combination.
  virtual double weight(const Update& update) const { return update.weight; }
  /// Asynchronous rules say so; for all others an update counts in the round that it was trained for, or not at all.
  virtual std::optional<Asynchrony> asynchrony() const { return std::nullopt; }
  /// Asynchronous rules: the weights as which an update enters a round that began with `now`, with its staleness made
  /// up for. `update.began_with` is where it began.
  virtual Weights placed(const Update& update, const Weights& now) const;
  virtual Model next(RoundEnd end);
  /// What the server keeps between rounds, to be restored after a restart: names say which. Shapes are the model's.
  virtual Weights state() const { return {}; }
  /// Throws Error(kDataLoss) for what state() did not write.
  virtual void restore(const Weights& state);
};

/// By name: FedAvg, FedProx, FedAvgM, FedAdam, FedYogi, FedAdagrad, SCAFFOLD, FedNova, FedDyn, FedBuff, FedAsync.
/// Throws Error(kNotFound) listing the names, kInvalidArgument naming the parameter.
std::unique_ptr<Algorithm> make_algorithm(Settings& settings);
std::vector<std::string> algorithm_names();
using AlgorithmFactory = std::function<std::unique_ptr<Algorithm>(Settings&)>;
/// Adds one by name; the last registration wins. Thread-safe.
void register_algorithm(std::string name, AlgorithmFactory factory);

// The presets, one file each.
std::unique_ptr<Algorithm> make_fedavg(Settings& settings);
std::unique_ptr<Algorithm> make_fedprox(Settings& settings);
std::unique_ptr<Algorithm> make_fedavgm(Settings& settings);
std::unique_ptr<Algorithm> make_fedadam(Settings& settings);
std::unique_ptr<Algorithm> make_fedyogi(Settings& settings);
std::unique_ptr<Algorithm> make_fedadagrad(Settings& settings);
std::unique_ptr<Algorithm> make_scaffold(Settings& settings);
std::unique_ptr<Algorithm> make_fednova(Settings& settings);
std::unique_ptr<Algorithm> make_feddyn(Settings& settings);
std::unique_ptr<Algorithm> make_fedbuff(Settings& settings);
std::unique_ptr<Algorithm> make_fedasync(Settings& settings);

}  // namespace sedna::federated
