// A site of a federated job for tests: how it finds the aggregator above, and clients whose training is the same
// wherever they are.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sedna/federated/test_http_job.hpp"
#include "sedna/federated/upstream.hpp"

namespace sedna::federated::test {

inline std::shared_ptr<Upstream> above(const std::string& origin, const std::string& name,
                                       SteadyClock::duration patience = seconds(20)) {
  UpstreamOptions options;
  options.url = origin + "/FedAvg";
  options.site = name;
  options.connect_timeout = patience;
  auto upstream = std::make_shared<Upstream>(options);
  while (!upstream->connect(milliseconds(100))) {
  }
  return upstream;
}

/// What a client of this number makes of a model, the same wherever it is.
inline Weights trained(const std::optional<Model>& model, int client) {
  std::vector<float> values = {0.5F, -0.25F, 3.0F};
  if (model) {
    const auto from = model->weights.front().as<float>();
    values.assign(from.begin(), from.end());
  }
  for (std::size_t k = 0; k < values.size(); ++k) {
    values[k] = values[k] * 0.9F + 0.1F * static_cast<float>(client + 1) / static_cast<float>(k + 3);
  }
  return {fp32({3}, values)};
}

/// Trains to the end; the bits of the job's model.
inline std::string train(RoundClientOptions options, int number) {
  RoundClient client(std::move(options));
  client.connect();
  if (client.wants_initial()) client.offer_initial({fp32({3}, {0.5F, -0.25F, 3.0F})});
  while (true) {
    const RoundTask task = next(client);
    if (task.finished) {
      client.close();
      return std::string(task.model->weights.front().data.text());
    }
    submit(client, number + 1, trained(task.model, number));
  }
}

}  // namespace sedna::federated::test
