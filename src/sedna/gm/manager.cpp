#include "sedna/gm/manager.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "sedna/base/log.hpp"
#include "sedna/base/text.hpp"
#include "sedna/control/leader.hpp"
#include "sedna/control/periodic.hpp"
#include "sedna/gm/caches.hpp"
#include "sedna/gm/data_status.hpp"
#include "sedna/gm/edge_state.hpp"
#include "sedna/gm/federated_learning.hpp"
#include "sedna/gm/joint_inference.hpp"
#include "sedna/gm/no_controller.hpp"

namespace sedna::gm {

namespace {

constexpr std::string_view kLeaderLabel = "sedna.io/leader";

/// `component`: as upstream's events say.
control::EventOptions event_options(std::string component) {
  control::EventOptions options;
  options.component = std::move(component);
  return options;
}

control::ControllerOptions named(std::string name, int workers, metrics::Registry& registry) {
  control::ControllerOptions options;
  options.name = std::move(name);
  options.workers = workers;
  options.registry = &registry;
  return options;
}

/// Upstream's local controllers say {phase, status, output: {models, ownerInfo}} of a service; ours what EdgeReports
/// reads.
json::object report_body(const link::IncomingFact& fact) {
  if (!fact.source.empty()) return fact.body;
  json::object body;
  if (const auto* info = api::object_at(fact.body, {"output", "ownerInfo"})) body["ownerInfo"] = *info;
  body["time"] = api::format_time(SystemClock::now());
  return body;
}

}  // namespace

struct Manager::Impl {
  Impl(store::ApiServer& s, ManagerOptions o, metrics::Registry& r)
      : server(s),
        options(std::move(o)),
        registry(r),
        events(server, event_options("jointinferenceservice-controller")),
        job_events(server, event_options("FederatedLearning-controller")),
        caches(server, options.ns),
        joint_inference(server, caches.joint_inference(), events, options.workers),
        federated(server, caches.federated(), job_events, options.workers, &registry),
        datasets(server, caches, [this](const std::string& node) { return is_connected(node); }),
        models(server, caches),
        edge_state(server, caches, board),
        joint_inference_controller(joint_inference, named("jointinferenceservice", options.worker_threads, registry)),
        federated_controller(federated, named("federatedlearningjob", options.job_threads, registry)),
        dataset_controller(datasets, named("dataset", 2, registry)),
        model_controller(models, named("model", 2, registry)),
        edge_controller(edge_state, named("edge-state", 1, registry)),
        link_server(
            options.link, board, [this](link::IncomingFact fact) { take(std::move(fact)); }, registry),
        links_task("links", std::chrono::seconds(5), [this] { look_at_links(); }) {
    joint_inference.watch(joint_inference_controller);
    federated.watch(federated_controller);
    dataset_controller.watch(caches.datasets);
    models.watch(model_controller);
    edge_state.watch(edge_controller);
    for (const auto& informer : caches.others) {
      absent.push_back(std::make_unique<NoController>(server, *informer));
      absent_controllers.push_back(
          std::make_unique<control::Controller>(*absent.back(), named(to_lower(informer->kind().kind), 1, registry)));
      absent_controllers.back()->watch(*informer);
    }
    if (options.elect) {
      control::LeaderOptions lease;
      lease.ns = options.lease_namespace;
      lease.name = options.lease_name;
      lease.identity = options.identity;
      elector = std::make_unique<control::LeaderElector>(
          options.lease_server != nullptr ? *options.lease_server : server, lease);
      elector->on_started([this] { begin(); });
      elector->on_lost([this] {
        if (options.on_lost) options.on_lost();
      });
    }
  }

  /// On a thread of its own: the Lease has to be renewed meanwhile, and whoever starts it may be told to end.
  void begin() {
    const std::lock_guard lock(mutex);
    if (!stopping && !worker.joinable()) worker = std::thread([this] { work(); });
  }

  bool is_connected(const std::string& node) {
    const std::lock_guard lock(mutex);
    return connected.contains(node);
  }

  /// Who has come and gone: Datasets say whether their node is there.
  void look_at_links() {
    std::set<std::string> now;
    for (const auto& link : link_server.connected()) now.insert(link.node);
    std::set<std::string> changed;
    {
      const std::lock_guard lock(mutex);
      for (const auto& node : now) {
        if (!connected.contains(node)) changed.insert(node);
      }
      for (const auto& node : connected) {
        if (!now.contains(node)) changed.insert(node);
      }
      connected = std::move(now);
    }
    if (changed.empty()) return;
    for (const auto& dataset : caches.datasets.cache().list()) {
      if (changed.contains(std::string(api::string_at(*dataset, {"spec", "nodeName"})))) {
        dataset_controller.queue().add(api::key_of(*dataset));
      }
    }
  }

  void take(link::IncomingFact incoming) {
    const std::string kind = to_lower(incoming.subject.kind);
    const std::string key = incoming.subject.key;
    Fact fact;
    fact.node = incoming.node;
    fact.source = incoming.source;
    fact.sequence = incoming.sequence;
    fact.worker = incoming.worker;
    if (incoming.acknowledge) fact.acknowledge = [done = incoming.acknowledge] { done({}); };
    if (kind == to_lower(api::kinds::kJointInferenceService.kind)) {
      fact.body = report_body(incoming);
      joint_inference.inbox().put(key, std::move(fact));
      joint_inference_controller.queue().add(key);
    } else if (kind == to_lower(api::kinds::kFederatedLearningJob.kind)) {
      fact.body = std::move(incoming.body);
      if (!fact.body.contains("time")) fact.body["time"] = api::format_time(SystemClock::now());
      federated.inbox().put(key, std::move(fact));
      federated_controller.queue().add(key);
    } else if (kind == to_lower(api::kinds::kDataset.kind)) {
      fact.body = std::move(incoming.body);
      datasets.inbox().put(key, std::move(fact));
      dataset_controller.queue().add(key);
    } else if (kind == to_lower(api::kinds::kModel.kind)) {
      fact.body = std::move(incoming.body);
      models.inbox().put(key, std::move(fact));
      model_controller.queue().add(key);
    } else {
      log::warning("a fact about an object that no controller here looks after was passed over",
                   {{"kind", kind}, {"key", key}, {"node", incoming.node}});
      if (incoming.acknowledge) incoming.acknowledge("no controller for " + kind + " is running");
    }
  }

  /// The Pod's label by which the link's Service finds the leading GM.
  void label_own_pod() {
    if (options.pod_name.empty()) return;
    json::object metadata;
    metadata["labels"] = json::object{{kLeaderLabel, "true"}};
    json::object body;
    body["metadata"] = std::move(metadata);
    const auto answer = server.merge_patch(api::kinds::kPod, options.pod_namespace, options.pod_name,
                                           store::MergePatch(std::move(body)));
    if (!answer) {
      log::error("the own Pod could not be labelled as the leader: local controllers may not find this GM",
                 {{"pod", options.pod_name}, {"reason", answer.status().message}});
    }
  }

  void work() {
    {
      const std::lock_guard lock(mutex);
      if (stopping || working) return;
      working = true;
    }
    events.start();
    job_events.start();
    for (control::Controller* controller : controllers()) {
      if (controller != &edge_controller) controller->start();
    }
    caches.start();
    for (control::Informer* informer : caches.all()) {
      while (!informer->wait_synced(Deadline::after(std::chrono::milliseconds(200)))) {
        const std::lock_guard lock(mutex);
        if (stopping) return;
      }
    }
    // Local controllers are told the whole state at once, so the board is filled before they come.
    edge_controller.drain();
    edge_controller.start();
    try {
      link_server.start();
    } catch (const Error& e) {
      log::error("the link to the local controllers cannot be opened", {{"reason", e.what()}});
      const std::lock_guard lock(mutex);
      failure = e.what();
      ready_changed.notify_all();
      return;
    }
    links_task.start();
    label_own_pod();
    const std::lock_guard lock(mutex);
    up = true;
    ready_changed.notify_all();
    log::info("the GlobalManager works", {{"link_port", static_cast<int>(link_server.port())}});
  }

  std::vector<control::Controller*> controllers() {
    std::vector<control::Controller*> out{&joint_inference_controller, &federated_controller, &dataset_controller,
                                          &model_controller, &edge_controller};
    for (const auto& controller : absent_controllers) out.push_back(controller.get());
    return out;
  }

  bool stands_by() const {
    return elector != nullptr && !elector->is_leader() && !elector->holder().empty() &&
           elector->holder() != options.identity;
  }

  store::ApiServer& server;
  const ManagerOptions options;
  metrics::Registry& registry;
  control::EventRecorder events, job_events;
  Caches caches;
  link::StateBoard board;
  JointInferenceController joint_inference;
  FederatedLearningController federated;
  DatasetController datasets;
  ModelController models;
  EdgeState edge_state;
  control::Controller joint_inference_controller, federated_controller, dataset_controller, model_controller,
      edge_controller;
  std::vector<std::unique_ptr<NoController>> absent;
  std::vector<std::unique_ptr<control::Controller>> absent_controllers;
  link::LinkServer link_server;
  control::PeriodicTask links_task;
  std::unique_ptr<control::LeaderElector> elector;
  mutable std::mutex mutex;
  std::condition_variable ready_changed;
  std::set<std::string> connected;
  bool working = false, up = false, stopping = false;
  std::thread worker;
  std::string failure;
};

Manager::Manager(store::ApiServer& server, ManagerOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(server, std::move(options), registry)) {}

Manager::~Manager() {
  stop();
}

void Manager::start() {
  if (impl_->elector) {
    impl_->elector->start();
  } else {
    impl_->begin();
  }
}

void Manager::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    if (std::exchange(impl_->stopping, true)) return;
    impl_->ready_changed.notify_all();
  }
  impl_->caches.stop();  // ends the worker's wait
  if (impl_->worker.joinable()) impl_->worker.join();
  impl_->links_task.stop();
  impl_->link_server.stop();
  for (control::Controller* controller : impl_->controllers()) controller->stop();
  if (impl_->elector) impl_->elector->stop();
}

bool Manager::ready() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->up || impl_->stands_by();
}

bool Manager::wait_ready(Deadline deadline) {
  std::unique_lock lock(impl_->mutex);
  while (!impl_->up && !impl_->stands_by() && impl_->failure.empty() && !impl_->stopping && !deadline.expired()) {
    // The elector tells nobody that it stands by.
    impl_->ready_changed.wait_for(lock, std::chrono::milliseconds(50));
  }
  return impl_->up || impl_->stands_by();
}

bool Manager::leading() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->up;
}

std::string Manager::failure() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}

std::string Manager::problem() const {
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->failure.empty()) return impl_->failure;
    if (impl_->stands_by()) return {};
    if (!impl_->working) return "waiting for the API server";
  }
  return impl_->caches.problem();
}

std::uint16_t Manager::link_port() const {
  return impl_->link_server.port();
}

}  // namespace sedna::gm
