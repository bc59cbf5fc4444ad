// What the route files of ModelServer share. Not for users.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/inference/model_registry.hpp"
#include "sedna/inference/model_server.hpp"
#include "sedna/serve/offload.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::inference {

/// Longer JSON is decoded off the connection's thread.
inline constexpr std::size_t kDecodeHere = 64 * 1024;

/// One model's answer to one request, whatever the protocol: runs inline or through the queue, and waits. Afterwards
/// the work is answered.
net::Task<void> run_model(ServedModelPtr model, WorkPtr work);

/// Keeps the books for an answered work that arrived and was decoded at these times; what came after the model is
/// encoding.
void account(ServedModel& model, const Work& work, SteadyClock::time_point arrived, SteadyClock::time_point decoded);

/// {"error": …} with the statuses of the Open Inference Protocol; `status` 0: by the error's code.
serve::Response oip_error(int status, const Error& error);

class OipRoutes {
 public:
  OipRoutes(ModelRegistry& models, serve::Offload& pool, std::size_t max_body)
      : models_(models), pool_(pool), max_body_(max_body) {}
  void install(serve::Server& server);

 private:
  net::Task<serve::Response> live(serve::Request& request);
  net::Task<serve::Response> ready(serve::Request& request);
  net::Task<serve::Response> server_metadata(serve::Request& request);
  net::Task<serve::Response> model_ready(serve::Request& request);
  net::Task<serve::Response> model_metadata(serve::Request& request);
  net::Task<serve::Response> model_config(serve::Request& request);
  net::Task<serve::Response> statistics(serve::Request& request);
  net::Task<serve::Response> infer(serve::Request& request);
  static serve::Response answer(ServedModel& model, Work& work, const tensor::oip::InferRequest& question,
                                SteadyClock::time_point arrived, SteadyClock::time_point decoded_at);
  net::Task<serve::Response> index(serve::Request& request);
  net::Task<serve::Response> load(serve::Request& request);
  net::Task<serve::Response> unload(serve::Request& request);

  ModelRegistry& models_;
  serve::Offload& pool_;
  std::size_t max_body_;
};

class JsonRoutes {
 public:
  JsonRoutes(ModelRegistry& models, serve::Offload& pool, std::vector<std::string> services, std::string model)
      : models_(models), pool_(pool), services_(std::move(services)), model_(std::move(model)) {}
  /// `scheme`: for redirects, which name the whole address.
  void install(serve::Server& server, const std::string& scheme);
  void set_default_model(std::string name);

 private:
  net::Task<serve::Response> predict(serve::Request& request);
  ServedModelPtr model() const;

  ModelRegistry& models_;
  serve::Offload& pool_;
  std::vector<std::string> services_;
  mutable std::mutex mutex_;
  std::string model_;
};

/// GET /openapi.json, /docs, /redoc: what upstream's framework offers, in our own words.
void install_docs_routes(serve::Server& server, const std::vector<std::string>& services);

}  // namespace sedna::inference
