// A federated job over HTTP for tests: the server, bare requests to it, and short ways to drive a client.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sedna/federated/round_client.hpp"
#include "sedna/federated/server.hpp"
#include "sedna/federated/test_updates.hpp"
#include "sedna/federated/update_file.hpp"
#include "sedna/net/http_client.hpp"

namespace sedna::federated::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline AggregationServerOptions options_for(std::size_t participants, std::int64_t rounds) {
  AggregationServerOptions o;
  o.server.access_log = false;
  o.rounds.participants = participants;
  o.rounds.exit_round = rounds;
  return o;
}

struct Job {
  explicit Job(AggregationServerOptions o) {
    o.on_round = [this](const RoundReport& report) {
      const std::lock_guard lock(mutex);
      reports.push_back(report);
    };
    server = std::make_unique<AggregationServer>(std::move(o), registry);
    server->start();
  }
  Job(std::size_t participants, std::int64_t rounds) : Job(options_for(participants, rounds)) {}

  RoundClientOptions client(const std::string& name) const {
    RoundClientOptions o;
    o.origin = server->origin();
    o.client_id = name;
    o.connect_timeout = seconds(20);
    return o;
  }
  net::HttpResponse call(const std::string& method, const std::string& path, std::vector<Bytes> body = {},
                         net::Headers headers = {}) const {
    net::HttpClient http(server->origin());
    net::HttpRequest request;
    request.method = method;
    request.target = "/FedAvg" + path;
    request.body = std::move(body);
    request.headers = std::move(headers);
    auto outcome = http.exchange(request, Deadline::after(seconds(10)));
    EXPECT_TRUE(outcome.response) << path;
    return outcome.response.value_or(net::HttpResponse());
  }
  net::HttpResponse put(const std::string& client, std::int64_t round, const std::vector<Bytes>& parts,
                        net::Headers headers = {}) const {
    return call("PUT", "/rounds/" + std::to_string(round) + "/updates/" + client, parts, std::move(headers));
  }
  std::uint64_t updates(const std::string& outcome) {
    return registry.counter("sedna_federated_updates_total", "", {{"outcome", outcome}}).value();
  }

  metrics::Registry registry;
  std::mutex mutex;
  std::vector<RoundReport> reports;
  std::unique_ptr<AggregationServer> server;
};

inline std::vector<Bytes> update_file(std::int64_t round, double samples, const Weights& weights) {
  return write_update_file({round, samples, 0, {}, {}}, weights, {});
}
inline Bytes joined(const std::vector<Bytes>& parts) {
  std::string text;
  for (const Bytes& part : parts) text += part.text();
  return Bytes::from_string(std::move(text));
}

inline RoundTask next(RoundClient& client) {
  for (int i = 0; i < 100; ++i) {
    if (auto task = client.next(milliseconds(200))) return std::move(*task);
    const std::string refusal = client.take_refusal();
    if (!refusal.empty()) ADD_FAILURE() << "refused: " << refusal;
  }
  throw Error(ErrorCode::kDeadlineExceeded, "no task");
}

inline void submit(RoundClient& client, double samples, Weights weights) {
  TrainedUpdate update;
  update.samples = samples;
  update.weights = std::move(weights);
  client.submit(update);
}

}  // namespace sedna::federated::test
