#include "sedna/cluster/loops.hpp"

#include <thread>
#include <vector>

#include "sedna/cluster/caches.hpp"
#include "sedna/cluster/deployments.hpp"
#include "sedna/cluster/garbage.hpp"
#include "sedna/cluster/namespaces.hpp"
#include "sedna/cluster/node_life.hpp"
#include "sedna/cluster/scheduling.hpp"
#include "sedna/cluster/services.hpp"

namespace sedna::cluster {

namespace {

control::EventOptions event_options(const LoopsOptions& options) {
  control::EventOptions out;
  out.component = "sedna-cluster";
  out.clock = options.clock;
  return out;
}

NodeLifeLoop::Options node_options(const LoopsOptions& options) {
  NodeLifeLoop::Options out;
  out.grace = options.node_grace;
  out.default_toleration = options.default_toleration;
  return out;
}

}  // namespace

struct Loops::Impl {
  Impl(store::ApiServer& server, const LoopsOptions& options)
      : caches(server),
        events(server, event_options(options)),
        deployments(server, caches, events, *options.clock),
        services(server, caches, options.service_cidr),
        scheduling(server, caches, events, *options.clock),
        nodes(server, caches, events, *options.clock, node_options(options)),
        namespaces(server, caches),
        garbage(server, caches) {
    add(deployments, "deployment", options);
    add(services, "service", options);
    add(scheduling, "scheduler", options);
    add(nodes, "node-life", options);
    add(namespaces, "namespace", options);
    add(garbage, "garbage", options);
  }

  template <class Loop>
  void add(Loop& loop, const char* name, const LoopsOptions& options) {
    control::ControllerOptions o;
    o.name = name;
    o.clock = options.clock;
    o.registry = options.registry;
    o.backoff.first = std::chrono::milliseconds(20);
    o.backoff.longest = std::chrono::seconds(30);
    controllers.push_back(std::make_unique<control::Controller>(loop, o));
    loop.watch(*controllers.back());
  }

  Caches caches;
  control::EventRecorder events;
  DeploymentLoop deployments;
  ServiceLoop services;
  SchedulingLoop scheduling;
  NodeLifeLoop nodes;
  NamespaceLoop namespaces;
  GarbageLoop garbage;
  std::vector<std::unique_ptr<control::Controller>> controllers;
  std::vector<std::thread> starters;
  bool started = false;
};

Loops::Loops(store::ApiServer& server, LoopsOptions options) : impl_(std::make_unique<Impl>(server, options)) {}

Loops::~Loops() {
  stop();
}

void Loops::start() {
  impl_->started = true;
  impl_->caches.start();
  impl_->events.start();
  // A loop decides on what several caches say together: none begins before all are filled. Most loops' handlers put
  // keys in meanwhile.
  impl_->starters.emplace_back([this] {
    if (!impl_->caches.wait_synced(Deadline::never())) return;  // stopped
    for (auto& controller : impl_->controllers) controller->start();
  });
}

void Loops::stop() {
  if (!impl_->started) return;
  impl_->caches.stop();
  for (auto& starter : impl_->starters) starter.join();
  impl_->starters.clear();
  for (auto& controller : impl_->controllers) controller->stop();
  impl_->started = false;
}

bool Loops::wait_synced(Deadline deadline) const {
  return impl_->caches.wait_synced(deadline);
}

}  // namespace sedna::cluster
