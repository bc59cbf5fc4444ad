#include "sedna/federated/algorithm.hpp"

#include <map>
#include <mutex>

namespace sedna::federated {

namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, AlgorithmFactory, std::less<>> factories{
      {"FedAvg", make_fedavg},     {"FedProx", make_fedprox},  {"FedAvgM", make_fedavgm},
      {"FedAdam", make_fedadam},   {"FedYogi", make_fedyogi},  {"FedAdagrad", make_fedadagrad},
      {"SCAFFOLD", make_scaffold}, {"FedNova", make_fednova},  {"FedDyn", make_feddyn},
      {"FedBuff", make_fedbuff},   {"FedAsync", make_fedasync}};
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

Weights Algorithm::placed(const Update& update, const Weights& /*now*/) const {
  return update.weights;
}

Model Algorithm::next(RoundEnd end) {
  Model model;
  model.weights = std::move(end.combined.weights);
  return model;
}

void Algorithm::restore(const Weights& state) {
  if (!state.empty()) throw Error(ErrorCode::kDataLoss, "this algorithm keeps no state", std::string(name()));
}

void register_algorithm(std::string name, AlgorithmFactory factory) {
  const std::lock_guard lock(registry().mutex);
  registry().factories.insert_or_assign(std::move(name), std::move(factory));
}

std::vector<std::string> algorithm_names() {
  const std::lock_guard lock(registry().mutex);
  std::vector<std::string> names;
  for (const auto& [name, factory] : registry().factories) names.push_back(name);
  return names;
}

std::unique_ptr<Algorithm> make_algorithm(Settings& settings) {
  AlgorithmFactory factory;
  {
    const std::lock_guard lock(registry().mutex);
    const auto it = registry().factories.find(settings.name());
    if (it != registry().factories.end()) factory = it->second;
  }
  if (!factory) {
    std::string known;
    for (const std::string& name : algorithm_names()) known += (known.empty() ? "" : ", ") + name;
    throw Error(ErrorCode::kNotFound, "no such federated algorithm; there are " + known, settings.name());
  }
  auto algorithm = factory(settings);
  settings.finish();
  return algorithm;
}

}  // namespace sedna::federated
