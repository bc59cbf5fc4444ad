#include "sedna/inference/model_server.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/inference/model_server_impl.hpp"
#include "sedna/inference/predict_json.hpp"

namespace sedna::inference {

namespace asio = boost::asio;

net::Task<void> run_model(ServedModelPtr model, WorkPtr work) {
  if (model->may_run_inline(*work)) {
    model->run_inline(*work);
    co_return;
  }
  const auto initiate = [](auto handler, ServedModel* served, const WorkPtr& item) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    item->on_answer = [shared] {
      const auto executor = asio::get_associated_executor(*shared);
      asio::post(executor, [shared] { std::move (*shared)(); });
    };
    if (auto pushed = served->submit(item); !pushed) {
      Answer refused;
      refused.error.emplace(pushed.error());
      item->answer(std::move(refused));
    }
  };
  auto waiting =
      asio::async_initiate<const asio::use_awaitable_t<>&, void()>(initiate, asio::use_awaitable, model.get(), work);
  co_await std::move(waiting);
}

void account(ServedModel& model, const Work& work, SteadyClock::time_point arrived, SteadyClock::time_point decoded) {
  const auto now = SteadyClock::now();
  const auto& error = work.result().error;
  if (error) {
    FailureKind kind = FailureKind::kModel;
    if (error->code() == ErrorCode::kUnavailable) kind = FailureKind::kRejected;
    if (error->code() == ErrorCode::kDeadlineExceeded) kind = FailureKind::kTimeout;
    if (error->code() == ErrorCode::kInvalidArgument) kind = FailureKind::kInput;
    model.stats().failed(kind, now - arrived);
    return;
  }
  RequestTimes times;
  times.total = now - arrived;
  times.input = decoded - arrived;
  times.queue = work.started - work.queued;
  times.infer = work.ended - work.started;
  times.output = now - work.ended;
  model.stats().succeeded(times, rows_of(work.inputs));
}

std::vector<std::string> json_services(const std::string& job_name, const std::string& service_name) {
  std::vector<std::string> services = {"sedna"};
  for (const std::string& name : {job_name, service_name}) {
    if (!name.empty() && std::ranges::find(services, name) == services.end()) services.push_back(name);
  }
  return services;
}

struct ModelServer::Impl {
  Impl(ModelServerOptions o, metrics::Registry& registry)
      : options(with_errors(std::move(o))),
        models(options.serving, registry, options.repository, options.loader),
        pool(std::make_unique<serve::Offload>(pool_options(registry))),
        oip(models, *pool, options.server.max_body),
        json(models, *pool, options.services, options.json_model),
        server(options.server, registry) {
    oip.install(server);
    json.install(server, options.server.tls.cert_file.empty() ? "http" : "https");
    install_docs_routes(server, options.services);
  }

  /// Unknown paths answer as upstream's server does, below /v2 as the Open Inference Protocol has it.
  static ModelServerOptions with_errors(ModelServerOptions o) {
    o.server.not_found = [](int status, const Error& error) {
      if (error.subject().starts_with("/v2")) return oip_error(status, error);
      return serve::Response::json(status, detail_body(net::reason_phrase(status)));
    };
    return o;
  }

  static serve::OffloadOptions pool_options(metrics::Registry& registry) {
    serve::OffloadOptions o;
    o.name = "inference";
    o.registry = &registry;
    return o;
  }

  ModelServerOptions options;
  ModelRegistry models;
  std::unique_ptr<serve::Offload> pool;
  OipRoutes oip;
  JsonRoutes json;
  serve::Server server;  // last: ends before what its handlers use
};

ModelServer::ModelServer(ModelServerOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), registry)) {}

ModelServer::~ModelServer() {
  stop();
}

void ModelServer::add(EstimatorPtr estimator) {
  const ServedModelPtr model = impl_->models.add(std::move(estimator));
  impl_->json.set_default_model(model->metadata().name);
  impl_->server.set_ready(true);
}

ModelRegistry& ModelServer::models() {
  return impl_->models;
}
serve::Server& ModelServer::server() {
  return impl_->server;
}
void ModelServer::start() {
  if (impl_->models.all().empty()) impl_->server.set_ready(false, "no model is loaded");
  impl_->server.start();
}
std::uint16_t ModelServer::port() const {
  return impl_->server.port();
}
std::string ModelServer::origin() const {
  return impl_->server.origin();
}

void ModelServer::drain() {
  impl_->server.drain();
  stop();
}

void ModelServer::stop() {
  // First what handlers wait for, while the server's threads can still take the answers; then the server.
  impl_->models.stop();
  impl_->server.stop();
}

}  // namespace sedna::inference
