// Federated learning: the aggregation server with a queue of finished rounds for rules in Python, and the client whose
// connection lives on a thread of the core's.
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "sedna/federated/client.hpp"
#include "sedna/federated/job_reporter.hpp"
#include "sedna/federated/round_client.hpp"
#include "sedna/federated/server.hpp"
#include "sedna/federated/server_settings.hpp"
#include "sedna/federated/upstream.hpp"

#include "bind.hpp"
#include "convert.hpp"

namespace sedna::python {
namespace {

using federated::Aggregate;
using federated::Update;
using federated::Weights;

SteadyClock::duration seconds_of(double seconds) {
  return std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
}

/// Arrays as tensors over their memory; what is no array is refused by name.
Weights weights_of(nb::handle list) {
  Weights weights;
  std::size_t index = 0;
  for (const nb::handle item : list) {
    tensor::Tensor tensor;
    if (!make_tensor(item, tensor)) {
      throw nb::type_error(("weights[" + std::to_string(index) + "] is no array of numbers").c_str());
    }
    weights.push_back(std::move(tensor));
    ++index;
  }
  return weights;
}

/// With the estimator's names, where it has any.
Weights named(Weights weights, const std::vector<std::string>& names) {
  if (!names.empty() && names.size() != weights.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "has " + std::to_string(names.size()) + " names for " + std::to_string(weights.size()) + " weights",
                "weight_names");
  }
  for (std::size_t i = 0; i < names.size(); ++i) weights[i].name = names[i];
  return weights;
}

nb::list arrays_of(const Weights& weights) {
  nb::list out;
  for (const tensor::Tensor& tensor : weights) out.append(make_array(tensor));
  return out;
}

nb::object number_of(double value) {
  if (value == std::floor(value) && std::abs(value) < 9e15) return nb::int_(static_cast<std::int64_t>(value));
  return nb::float_(value);
}

/// A round that waits for a rule in Python; answered exactly once.
struct PendingRound {
  std::vector<Update> updates;
  std::optional<Aggregate> answer;
  std::string failure;
  bool done = false;
};

/// Between the server's thread, which has a round, and the Python thread that runs the rule.
class RoundQueue {
 public:
  Aggregate ask(std::vector<Update> updates) {
    auto pending = std::make_shared<PendingRound>();
    pending->updates = std::move(updates);
    std::unique_lock lock(mutex_);
    waiting_.push_back(pending);
    changed_.notify_all();
    changed_.wait(lock, [&] { return pending->done || closed_; });
    if (!pending->done) throw Error(ErrorCode::kAborted, "the server was stopped");
    if (!pending->answer) throw Error(ErrorCode::kInternal, pending->failure);
    return std::move(*pending->answer);
  }
  std::shared_ptr<PendingRound> next(SteadyClock::duration timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [&] { return !waiting_.empty() || closed_; });
    if (waiting_.empty()) return nullptr;
    auto pending = waiting_.front();
    waiting_.pop_front();
    return pending;
  }
  void answer(PendingRound& pending, std::optional<Aggregate> answer, std::string failure) {
    const std::lock_guard lock(mutex_);
    pending.answer = std::move(answer);
    pending.failure = std::move(failure);
    pending.done = true;
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<PendingRound>> waiting_;
  bool closed_ = false;
};

class RoundCall {
 public:
  RoundCall(std::shared_ptr<RoundQueue> queue, std::shared_ptr<PendingRound> pending)
      : queue_(std::move(queue)), pending_(std::move(pending)) {}
  ~RoundCall() {
    if (!pending_->done) queue_->answer(*pending_, std::nullopt, "nobody has answered");
  }
  RoundCall(const RoundCall&) = delete;
  RoundCall& operator=(const RoundCall&) = delete;

  nb::list clients() const {
    nb::list out;
    for (const Update& update : pending_->updates) {
      out.append(nb::make_tuple(nb::str(update.client.c_str()), number_of(update.weight), arrays_of(update.weights)));
    }
    return out;
  }
  void complete(nb::handle weights, double total) {
    Aggregate answer;
    answer.none = weights.is_none();
    if (!answer.none) answer.weights = weights_of(weights);
    answer.total_weight = total;
    queue_->answer(*pending_, std::move(answer), {});
  }
  void fail(std::string message) { queue_->answer(*pending_, std::nullopt, std::move(message)); }

 private:
  std::shared_ptr<RoundQueue> queue_;
  std::shared_ptr<PendingRound> pending_;
};

/// {"url", "endpoint", "access_key", "secret_key"}: what is empty comes from the environment.
federated::ExchangeOptions exchange_of(const std::map<std::string, std::string>& store) {
  federated::ExchangeOptions options;
  const auto take = [&](const char* key, std::string& into) {
    if (const auto it = store.find(key); it != store.end() && !it->second.empty()) into = it->second;
  };
  take("url", options.url);
  take("endpoint", options.s3.endpoint);
  take("access_key", options.s3.access_key_id);
  take("secret_key", options.s3.secret_access_key);
  return options;
}

class AggregationHost {
 public:
  AggregationHost(std::string aggregation, std::string host, std::uint16_t port, std::size_t participants,
                  std::int64_t exit_round, std::size_t max_message, const std::map<std::string, std::string>& settings,
                  bool python_rule, bool plaintext, std::string cert_file, std::string key_file,
                  std::string client_ca_file, std::string token_file, bool features,
                  const std::map<std::string, std::string>& store, const std::map<std::string, std::string>& upstream)
      : queue_(std::make_shared<RoundQueue>()) {
    federated::AggregationServerOptions& o = options_;
    o.aggregation = std::move(aggregation);
    o.server.host = std::move(host);
    o.server.port = port;
    o.server.plaintext_beyond_loopback = plaintext;
    o.server.tls.cert_file = std::move(cert_file);
    o.server.tls.key_file = std::move(key_file);
    o.server.tls.client_ca_file = std::move(client_ca_file);
    o.server.token_file = std::move(token_file);
    o.server.access_log = false;
    o.server.drain_timeout = std::chrono::seconds(5);
    o.rounds.participants = participants;
    o.rounds.exit_round = exit_round;
    o.max_message = max_message;
    o.features = features;
    o.exchange = exchange_of(store);
    const worker::Context context(std::map<std::string, std::string, std::less<>>(upstream.begin(), upstream.end()));
    const auto above = federated::UpstreamOptions::from_context(context);
    o.site = !above.url.empty();
    if (o.site) federated::Upstream::check_settings(settings);
    federated::apply_settings(o, settings);
    if (python_rule) {
      o.factory = [queue = queue_] {
        return std::make_unique<federated::CollectedUpdates>(
            [queue](std::vector<Update> updates) { return queue->ask(std::move(updates)); });
      };
    }
    o.on_round = [this](const federated::RoundReport& report) {
      const std::lock_guard lock(mutex_);
      reports_.push_back(report);
    };
    if (o.site) upstream_ = std::make_shared<federated::Upstream>(above);
    if (o.site && federated::site_has_ended(o.state_folder)) {
      // It has the job's last model, and only hands it out.
      upstream_->say_goodbye();
      upstream_.reset();
    }
    if (!upstream_) make_server();
  }
  ~AggregationHost() { stop(); }

  /// True once the server can be started: without an aggregator above at once, else when that one has said what the
  /// job is.
  bool prepare(double seconds) {
    if (server_) return true;
    const nb::gil_scoped_release unlocked;
    if (!upstream_->connect(seconds_of(seconds))) return false;
    upstream_->configure(options_);
    options_.upstream = std::move(upstream_);
    make_server();
    return true;
  }

  void start() {
    const nb::gil_scoped_release unlocked;
    server_->start();
    reporter_.follow(*server_);
  }
  /// The next finished round, for a rule in Python; None at the timeout. With a rule of the core's: only waits.
  RoundCall* next(double seconds) {
    std::shared_ptr<PendingRound> pending;
    {
      const nb::gil_scoped_release unlocked;
      pending = queue_->next(seconds_of(seconds));
    }
    return pending ? new RoundCall(queue_, std::move(pending)) : nullptr;
  }
  bool wait(double seconds) {
    const nb::gil_scoped_release unlocked;
    return server_->wait_for(seconds_of(seconds));
  }
  /// Rounds published since the last call.
  nb::list reports() {
    std::vector<federated::RoundReport> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(reports_);
    }
    nb::list out;
    for (const auto& report : taken) {
      nb::dict row;
      row["round"] = report.round;
      row["last"] = report.last;
      row["by_deadline"] = report.by_deadline;
      row["clients"] = report.clients;
      row["connected"] = report.connected;
      row["samples"] = number_of(report.total_weight);
      row["bytes_received"] = report.bytes_received;
      row["bytes_sent"] = report.bytes_sent;
      row["seconds"] = report.seconds;
      row["metrics"] = report.metrics;
      row["stopped"] = report.stopped;
      row["clipped"] = report.clipped;
      row["staleness"] = report.staleness ? nb::object(nb::float_(*report.staleness)) : nb::object(nb::none());
      row["chosen"] = report.chosen;
      row["epsilon"] = report.epsilon ? nb::object(nb::float_(*report.epsilon)) : nb::object(nb::none());
      out.append(row);
    }
    return out;
  }
  void stop() {
    const nb::gil_scoped_release unlocked;
    queue_->close();
    reporter_.finish();
    if (server_) server_->stop();
    upstream_.reset();
  }
  std::string failure() const { return server_ ? server_->failure() : std::string(); }
  std::vector<std::string> clients() const { return server_ ? server_->clients() : std::vector<std::string>(); }
  std::int64_t rounds() const { return server_ ? server_->rounds() : 0; }
  std::uint16_t port() const { return server_ ? server_->port() : 0; }
  std::string origin() const { return server_ ? server_->origin() : std::string(); }

 private:
  void make_server() {
    reporter_.watch(options_);
    server_ = std::make_unique<federated::AggregationServer>(std::move(options_), registry_);
  }

  std::shared_ptr<RoundQueue> queue_;
  federated::AggregationServerOptions options_;  ///< until the server is made of them
  std::shared_ptr<federated::Upstream> upstream_;
  metrics::Registry registry_;
  std::mutex mutex_;
  std::vector<federated::RoundReport> reports_;
  federated::JobReporter reporter_{federated::JobReporterOptions::from_context(worker::Context::from_environment())};
  std::unique_ptr<federated::AggregationServer> server_;
};

class FederatedClient {
 public:
  FederatedClient(const std::map<std::string, std::string>& environment, const std::string& aggregation) {
    const worker::Context context(
        std::map<std::string, std::string, std::less<>>(environment.begin(), environment.end()));
    client_ =
        std::make_unique<federated::AggregationClient>(federated::ClientOptions::from_context(context, aggregation));
  }
  ~FederatedClient() {
    const nb::gil_scoped_release unlocked;
    client_.reset();
  }

  void connect() {
    const nb::gil_scoped_release unlocked;
    client_->connect();
  }
  void adopt(nb::handle weights, const std::vector<std::string>& names) {
    client_->adopt(named(weights_of(weights), names));
  }
  std::vector<std::size_t> personal() const { return client_->personal(); }
  void submit(std::int64_t samples, nb::handle weights) {
    Weights tensors = weights_of(weights);
    const nb::gil_scoped_release unlocked;
    client_->submit(samples, tensors);
    tensors.clear();
  }
  /// A dictionary as upstream's recv_weight carries it, with arrays; None at the timeout.
  nb::object wait(double seconds) {
    std::optional<federated::RoundModel> model = [&] {
      const nb::gil_scoped_release unlocked;
      return client_->wait(seconds_of(seconds));
    }();
    if (!model) return nb::none();
    nb::dict out;
    out["round_number"] = model->round;
    out["total_sample"] = model->total_samples;
    out["exit_flag"] = model->last ? "ok" : "continue";
    out["weights"] = model->none ? nb::object(nb::none()) : nb::object(arrays_of(model->weights));
    return out;
  }
  std::string refusal() { return client_->take_refusal(); }
  void close() {
    const nb::gil_scoped_release unlocked;
    client_->close();
  }
  std::int64_t round() const { return client_->round(); }
  std::uint64_t reconnects() const { return client_->reconnects(); }
  std::uint64_t bytes_sent() const { return client_->bytes_sent(); }
  std::uint64_t bytes_received() const { return client_->bytes_received(); }

 private:
  std::unique_ptr<federated::AggregationClient> client_;
};

class FederatedHttpClient {
 public:
  FederatedHttpClient(const std::map<std::string, std::string>& environment, const std::string& aggregation,
                      const std::map<std::string, std::string>& store) {
    const worker::Context context(
        std::map<std::string, std::string, std::less<>>(environment.begin(), environment.end()));
    auto options = federated::RoundClientOptions::from_context(context, aggregation);
    options.exchange = exchange_of(store);
    client_ = std::make_unique<federated::RoundClient>(std::move(options));
  }
  ~FederatedHttpClient() {
    const nb::gil_scoped_release unlocked;
    client_.reset();
  }

  void connect() {
    const nb::gil_scoped_release unlocked;
    client_->connect();
  }
  void adopt(nb::handle weights, const std::vector<std::string>& names) {
    client_->adopt(named(weights_of(weights), names));
  }
  std::vector<std::size_t> personal() const { return client_->personal(); }
  bool wants_initial() const { return client_->wants_initial(); }
  void offer_initial(nb::handle weights) {
    Weights tensors = weights_of(weights);
    const nb::gil_scoped_release unlocked;
    client_->offer_initial(tensors);
    tensors.clear();
  }
  /// A dictionary of what to do next; None at the timeout.
  nb::object next(double seconds) {
    std::optional<federated::RoundTask> task = [&] {
      const nb::gil_scoped_release unlocked;
      return client_->next(seconds_of(seconds));
    }();
    if (!task) return nb::none();
    nb::dict out;
    out["round"] = task->round;
    out["rounds"] = task->rounds;
    out["finished"] = task->finished;
    out["samples"] = number_of(task->samples);
    out["algorithm"] = task->algorithm;
    out["parameters"] = task->parameters;
    out["needs_extra"] = task->needs_extra;
    out["needs_steps"] = task->needs_steps;
    out["model_round"] = task->model ? nb::object(nb::int_(task->model->round)) : nb::object(nb::none());
    out["weights"] = task->model ? nb::object(arrays_of(task->model->weights)) : nb::object(nb::none());
    out["extra"] = task->model ? nb::object(arrays_of(task->model->extra)) : nb::object(nb::none());
    return out;
  }
  void submit(double samples, nb::handle weights, nb::handle extra, double steps,
              std::map<std::string, double> metrics) {
    federated::TrainedUpdate update;
    update.samples = samples;
    update.steps = steps;
    update.weights = weights_of(weights);
    update.extra = weights_of(extra);
    update.metrics = std::move(metrics);
    const nb::gil_scoped_release unlocked;
    client_->submit(update);
    update.weights.clear();
    update.extra.clear();
  }
  std::string refusal() { return client_->take_refusal(); }
  bool committed() const { return client_->committed(); }
  void close() {
    const nb::gil_scoped_release unlocked;
    client_->close();
  }
  std::int64_t round() const { return client_->round(); }
  std::uint64_t resumed() const { return client_->resumed(); }
  std::uint64_t exchanged() const { return client_->exchanged(); }
  std::uint64_t reconnects() const { return client_->reconnects(); }
  std::uint64_t bytes_sent() const { return client_->bytes_sent(); }
  std::uint64_t bytes_received() const { return client_->bytes_received(); }

 private:
  std::unique_ptr<federated::RoundClient> client_;
};

std::vector<std::string> federated_rules() {
  auto names = federated::algorithm_names();
  for (std::string& name : federated::robust_names()) names.push_back(std::move(name));
  return names;
}

std::vector<std::string> federated_settings() {
  std::vector<std::string> names;
  for (const auto& setting : federated::server_settings()) names.push_back(setting.name);
  return names;
}

}  // namespace

void bind_federated(nb::module_& m) {
  m.def("federated_rules", &federated_rules, "Names of the algorithms and robust rules that run in the core.");
  m.def("federated_settings", &federated_settings, "Names of the aggregation server's settings.");
  nb::class_<FederatedHttpClient>(m, "FederatedHttpClient", "A client of the aggregation server, over HTTP.")
      .def(nb::init<const std::map<std::string, std::string>&, const std::string&,
                    const std::map<std::string, std::string>&>(),
           nb::arg("environment"), nb::arg("aggregation"), nb::arg("store") = std::map<std::string, std::string>())
      .def("connect", &FederatedHttpClient::connect)
      .def("adopt", &FederatedHttpClient::adopt, nb::arg("weights"), nb::arg("names"))
      .def_prop_ro("personal", &FederatedHttpClient::personal)
      .def("offer_initial", &FederatedHttpClient::offer_initial, nb::arg("weights"))
      .def("next", &FederatedHttpClient::next, nb::arg("seconds"))
      .def("submit", &FederatedHttpClient::submit, nb::arg("samples"), nb::arg("weights"), nb::arg("extra"),
           nb::arg("steps"), nb::arg("metrics"))
      .def("refusal", &FederatedHttpClient::refusal)
      .def("close", &FederatedHttpClient::close)
      .def_prop_ro("wants_initial", &FederatedHttpClient::wants_initial)
      .def_prop_ro("committed", &FederatedHttpClient::committed)
      .def_prop_ro("round", &FederatedHttpClient::round)
      .def_prop_ro("resumed", &FederatedHttpClient::resumed)
      .def_prop_ro("exchanged", &FederatedHttpClient::exchanged)
      .def_prop_ro("reconnects", &FederatedHttpClient::reconnects)
      .def_prop_ro("bytes_sent", &FederatedHttpClient::bytes_sent)
      .def_prop_ro("bytes_received", &FederatedHttpClient::bytes_received);
  nb::class_<RoundCall>(m, "RoundCall", "A finished round that waits for its rule.")
      .def("clients", &RoundCall::clients)
      .def("complete", &RoundCall::complete, nb::arg("weights").none(), nb::arg("total"))
      .def("fail", &RoundCall::fail, nb::arg("message"));
  nb::class_<AggregationHost>(m, "AggregationHost", "The aggregation server.")
      .def(nb::init<std::string, std::string, std::uint16_t, std::size_t, std::int64_t, std::size_t,
                    const std::map<std::string, std::string>&, bool, bool, std::string, std::string, std::string,
                    std::string, bool, const std::map<std::string, std::string>&,
                    const std::map<std::string, std::string>&>(),
           nb::arg("aggregation"), nb::arg("host"), nb::arg("port"), nb::arg("participants"), nb::arg("exit_round"),
           nb::arg("max_message"), nb::arg("settings"), nb::arg("python_rule"), nb::arg("plaintext"),
           nb::arg("cert_file"), nb::arg("key_file"), nb::arg("client_ca_file"), nb::arg("token_file"),
           nb::arg("features") = false, nb::arg("store") = std::map<std::string, std::string>(),
           nb::arg("upstream") = std::map<std::string, std::string>())
      .def("prepare", &AggregationHost::prepare, nb::arg("seconds"))
      .def("start", &AggregationHost::start)
      .def("next", &AggregationHost::next, nb::arg("seconds"), nb::rv_policy::take_ownership)
      .def("wait", &AggregationHost::wait, nb::arg("seconds"))
      .def("reports", &AggregationHost::reports)
      .def("stop", &AggregationHost::stop)
      .def_prop_ro("failure", &AggregationHost::failure)
      .def_prop_ro("clients", &AggregationHost::clients)
      .def_prop_ro("rounds", &AggregationHost::rounds)
      .def_prop_ro("port", &AggregationHost::port)
      .def_prop_ro("origin", &AggregationHost::origin);
  nb::class_<FederatedClient>(m, "FederatedClient", "A client of the aggregation server.")
      .def(nb::init<const std::map<std::string, std::string>&, const std::string&>(), nb::arg("environment"),
           nb::arg("aggregation"))
      .def("adopt", &FederatedClient::adopt, nb::arg("weights"), nb::arg("names"))
      .def_prop_ro("personal", &FederatedClient::personal)
      .def("connect", &FederatedClient::connect)
      .def("submit", &FederatedClient::submit, nb::arg("samples"), nb::arg("weights"))
      .def("wait", &FederatedClient::wait, nb::arg("seconds"))
      .def("refusal", &FederatedClient::refusal)
      .def("close", &FederatedClient::close)
      .def_prop_ro("round", &FederatedClient::round)
      .def_prop_ro("reconnects", &FederatedClient::reconnects)
      .def_prop_ro("bytes_sent", &FederatedClient::bytes_sent)
      .def_prop_ro("bytes_received", &FederatedClient::bytes_received);
}

}  // namespace sedna::python
