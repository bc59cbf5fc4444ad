// The models of a server by name and version, and the repository folder that more can be loaded from. Publishing is the
// exchange of one pointer: requests under way keep the model that they began with. Used by ModelServer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/inference/served_model.hpp"
#include "sedna/tensor/oip_documents.hpp"

namespace sedna::inference {

/// Opens version `version` of model `name` from `file`. Throws Error.
using ModelLoader =
    std::function<EstimatorPtr(const std::string& file, const std::string& name, const std::string& version)>;

/// Thread-safe.
class ModelRegistry {
 public:
  /// `repository`: folder with <model>/<version>/model.onnx; empty: load() and unload() are refused (kUnimplemented).
  ModelRegistry(ServingOptions options, metrics::Registry& metrics, std::string repository = {},
                ModelLoader loader = {});
  ~ModelRegistry();

  /// Publishes a model; one of the same name and version is replaced without losing a request.
  ServedModelPtr add(EstimatorPtr estimator);
  /// The named version, or the highest when `version` is empty; null when there is none.
  ServedModelPtr find(std::string_view name, std::string_view version = {}) const;
  /// "" when everything is there, else what is missing: kNotFound with the known names in the message.
  Error not_found(std::string_view name, std::string_view version) const;
  std::vector<ServedModelPtr> all() const;
  std::vector<std::string> versions(std::string_view name) const;  ///< ascending

  bool has_repository() const { return !repository_.empty(); }
  std::vector<tensor::oip::RepositoryEntry> index() const;
  /// Loads (or loads again) the highest version in the repository; the old one serves until the new one is warm, and
  /// goes on when the new one fails. Blocking: files, session, warm-up.
  void load(const std::string& name);
  /// Requests under way finish; then the model is freed. Throws kNotFound.
  void unload(const std::string& name);

  /// Answers or finishes everything and ends the models' threads. Idempotent.
  void stop();

 private:
  ServingOptions options_;
  metrics::Registry& metrics_;
  std::string repository_;
  ModelLoader loader_;
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, ServedModelPtr, std::less<>>, std::less<>> models_;
  std::map<std::string, std::string, std::less<>> failures_;  ///< of the last load, by name
  std::mutex load_mutex_;                                     ///< one load at a time
};

}  // namespace sedna::inference
