#include "sedna/apiserver/housekeeping.hpp"

#include <pthread.h>

#include <csignal>

#include "sedna/base/log.hpp"

namespace sedna::apiserver {
namespace {

namespace kinds = api::kinds;

constexpr auto kEventLife = std::chrono::hours(1);
constexpr auto kRound = std::chrono::seconds(30);
constexpr unsigned kRoundsBetweenExpiries = 10;

}  // namespace

std::size_t expire_events(store::embedded::Engine& engine, std::chrono::system_clock::time_point limit) {
  const auto list = engine.list(kinds::kEvent, {});
  if (!list) return 0;
  std::size_t removed = 0;
  for (const auto& stored : list->items) {
    const api::Object event = stored->object();
    std::optional<std::chrono::system_clock::time_point> seen;
    for (const auto path : {"lastTimestamp", "eventTime", "firstTimestamp"}) {
      if (!seen) seen = api::parse_time(api::string_at(event, {path}));
    }
    if (!seen) seen = api::parse_time(api::string_at(event, {"metadata", "creationTimestamp"}));
    if (!seen || *seen >= limit) continue;
    store::DeleteOptions options;
    options.resource_version = std::to_string(stored->resource_version);
    engine.remove(kinds::kEvent, stored->ns(), stored->name(), options, [](const auto&) {
      // Seen again meanwhile, or gone: both are as well.
    });
    ++removed;
  }
  return removed;
}

Housekeeping::Housekeeping(store::embedded::Engine& engine, metrics::Registry& registry)
    : engine_(engine), registry_(registry) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Housekeeping::~Housekeeping() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Housekeeping::show() {
  for (const api::Kind* kind : api::all_kinds()) {
    const std::size_t count = engine_.core().size(*kind);
    if (count == 0) continue;
    registry_.gauge("sedna_apiserver_objects", "Objects stored.", {{"resource", std::string(kind->plural)}})
        .set(static_cast<double>(count));
  }
  registry_.gauge("sedna_apiserver_watches", "Watches open.").set(static_cast<double>(engine_.core().watches()));
  registry_.gauge("sedna_apiserver_resource_version", "The newest version.")
      .set(static_cast<double>(engine_.core().resource_version()));
}

void Housekeeping::run() {
  pthread_setname_np(pthread_self(), "sedna-keep");
  std::unique_lock lock(mutex_);
  for (unsigned round = 0; !stopping_; ++round) {
    lock.unlock();
    try {
      if (round % kRoundsBetweenExpiries == 0) {
        expire_events(engine_, std::chrono::system_clock::now() - kEventLife);
      }
      show();
    } catch (const std::exception& error) {
      log::error("housekeeping failed and is tried again", {{"error", error.what()}});
    }
    lock.lock();
    wake_.wait_for(lock, kRound, [this] { return stopping_; });
  }
}

}  // namespace sedna::apiserver
