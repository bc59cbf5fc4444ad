#include "sedna/control/controller.hpp"

#include <pthread.h>

#include <algorithm>

#include "sedna/base/log.hpp"

namespace sedna::control {

namespace {

void name_thread(const std::string& name) {
  constexpr std::size_t kLongest = 15;  // what the kernel keeps
  pthread_setname_np(pthread_self(), name.substr(0, kLongest).c_str());
}

}  // namespace

Controller::Controller(Reconciler& reconciler, ControllerOptions options)
    : reconciler_(reconciler), options_(std::move(options)), queue_(options_.backoff, *options_.clock) {
  if (options_.registry == nullptr) return;
  const metrics::Labels labels{{"controller", options_.name}};
  count_ = &options_.registry->counter("sedna_reconcile_total", "Reconciliations", labels);
  failures_ =
      &options_.registry->counter("sedna_reconcile_failures_total", "Reconciliations that will be tried again", labels);
  depth_ = &options_.registry->gauge("sedna_workqueue_depth", "Keys that wait for a worker", labels);
  duration_ = &options_.registry->histogram("sedna_reconcile_seconds", "Time of one reconciliation", labels);
}

Controller::~Controller() {
  stop();
}

void Controller::watch(Informer& informer) {
  watch(informer, [](const api::Object& object) { return std::vector<std::string>{api::key_of(object)}; });
}

void Controller::watch(Informer& informer, std::function<std::vector<std::string>(const api::Object&)> map) {
  informers_.push_back(&informer);
  informer.add_handler([this, map = std::move(map)](const ObjectCache::Change& change) {
    for (const auto* side : {&change.before, &change.after}) {
      if (*side == nullptr) continue;
      for (const auto& key : map(**side)) queue_.add(key);
    }
  });
}

void Controller::watch_owned(Informer& informer, const api::Kind& owner) {
  watch(informer, [&owner](const api::Object& object) -> std::vector<std::string> {
    const auto controller = api::controller_of(object);
    if (!controller || controller->kind != owner.kind || controller->api_version != owner.api_version()) return {};
    return {api::make_key(owner.namespaced ? api::namespace_of(object) : std::string_view(), controller->name)};
  });
}

void Controller::start() {
  SEDNA_CHECK(threads_.empty());
  for (int i = 0; i < std::max(1, options_.workers); ++i) threads_.emplace_back([this] { work(); });
}

void Controller::stop() {
  stopping_ = true;
  queue_.close();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void Controller::work() {
  name_thread(options_.name);
  for (const Informer* informer : informers_) {
    // An informer that is stopped never syncs; its wait then ends.
    while (!stopping_ && !informer->wait_synced(Deadline::after(std::chrono::milliseconds(200)))) {
    }
  }
  while (auto key = queue_.next(Deadline::never())) reconcile_one(*key);
}

bool Controller::step() {
  const auto key = queue_.try_next();
  if (!key) return false;
  reconcile_one(*key);
  return true;
}

std::size_t Controller::drain(std::size_t at_most) {
  std::size_t n = 0;
  while (step()) {
    if (++n >= at_most) throw Error(ErrorCode::kInternal, "a reconciler never comes to rest", options_.name);
  }
  return n;
}

void Controller::reconcile_one(const std::string& key) {
  const auto begin = SteadyClock::now();
  ReconcileResult result;
  try {
    result = reconciler_.reconcile(key);
  } catch (const std::exception& e) {
    result = ReconcileResult::failed(e.what());
  }
  ++reconciled_;
  if (count_ != nullptr) {
    count_->add();
    depth_->set(static_cast<double>(queue_.size()));
    duration_->observe(std::chrono::duration<double>(SteadyClock::now() - begin).count());
  }
  if (result.retry) {
    ++failed_;
    if (failures_ != nullptr) failures_->add();
    const int failures = queue_.failures(key) + 1;
    log::warning("will try again",
                 {{"controller", options_.name}, {"key", key}, {"failures", failures}, {"reason", *result.retry}});
    queue_.add_failed(key);
  } else {
    queue_.forget(key);
    if (result.requeue_after) queue_.add_after(key, *result.requeue_after);
  }
  queue_.done(key);
}

}  // namespace sedna::control
