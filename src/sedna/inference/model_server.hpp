// The big model's server: the Open Inference Protocol v2 and upstream's JSON routes on one port, over the serve core.
// Made by sedna-worker infer, by the Python package's BigModelService and by C++ programs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/inference/estimator.hpp"
#include "sedna/inference/model_registry.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::inference {

struct ModelServerOptions {
  ModelServerOptions() {}
  serve::ServerOptions server;
  ServingOptions serving;
  /// Folder with <model>/<version>/model.onnx; turns the repository routes (index, load, unload) on. Its models are
  /// loaded only when asked for, never by watching.
  std::string repository;
  ModelLoader loader;                             ///< for the repository
  std::vector<std::string> services = {"sedna"};  ///< JSON routes: /<service> and /<service>/predict
  std::string json_model;                         ///< whom the JSON routes ask; empty: the first model added
};

/// "sedna", JOB_NAME and SERVICE_NAME as the environment has them, each once.
std::vector<std::string> json_services(const std::string& job_name, const std::string& service_name);

/// construct → add() models → start() → … → drain() or stop(). Thread-safe after construction.
class ModelServer {
 public:
  ModelServer(ModelServerOptions options, metrics::Registry& registry);
  ~ModelServer();
  ModelServer(const ModelServer&) = delete;
  ModelServer& operator=(const ModelServer&) = delete;

  /// Publishes a model, before or after start(); the same name and version again replaces it without losing a request.
  void add(EstimatorPtr estimator);
  ModelRegistry& models();
  /// The serve core, for routes of one's own (before start()).
  serve::Server& server();

  /// Binds; ready at once when there is a model. Throws what serve::Server::start() throws.
  void start();
  std::uint16_t port() const;
  std::string origin() const;
  /// Lets requests under way finish (bounded by the drain time), then ends everything. Idempotent, blocking.
  void drain();
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::inference
