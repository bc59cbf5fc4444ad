#include "sedna/control/informer.hpp"

#include <algorithm>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"

namespace sedna::control {

Informer::Informer(store::ApiServer& server, const api::Kind& kind, InformerOptions options)
    : server_(server), kind_(kind), options_(std::move(options)) {}

Informer::~Informer() {
  stop();
}

void Informer::add_handler(Handler handler) {
  handlers_.push_back(std::move(handler));
}

void Informer::start() {
  SEDNA_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void Informer::stop() {
  std::shared_ptr<store::Watch> watch;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    watch = watch_;
    changed_.notify_all();
  }
  if (watch) watch->stop();
  if (thread_.joinable()) thread_.join();
}

bool Informer::wait_synced(Deadline deadline) const {
  std::unique_lock lock(mutex_);
  const auto done = [this] { return synced_.load() || stopping_.load(); };
  if (deadline.is_never()) {
    changed_.wait(lock, done);
  } else {
    changed_.wait_until(lock, deadline.at(), done);
  }
  return synced_;
}

std::string Informer::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void Informer::tell(const ObjectCache::Change& change) const {
  if (!change) return;
  for (const auto& handler : handlers_) handler(change);
}

void Informer::trim(api::Object& object) const {
  if (json::value* metadata = api::find(object, {"metadata"}); metadata != nullptr && metadata->is_object()) {
    metadata->get_object().erase("managedFields");
  }
  if (options_.trim) options_.trim(object);
}

void Informer::remember(api::Object object) {
  trim(object);
  tell(cache_.put(std::move(object)));
}

void Informer::remember_gone(const api::Object& answer) {
  tell(cache_.erase(api::key_of(answer), api::resource_version_of(answer)));
}

void Informer::run() {
  // Far enough away to cost nothing, near enough that nothing waits for ever on a broken link.
  constexpr auto kTurn = std::chrono::minutes(1);
  while (!stopping_) step(Deadline::after(kTurn));
}

void Informer::wait(SteadyClock::duration time, Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto until = Deadline::after(time).earlier(deadline);
  changed_.wait_until(lock, until.at(), [this] { return stopping_.load(); });
}

void Informer::failed(const store::Status& status, std::string_view doing, Deadline deadline) {
  ++failures_;
  {
    const std::lock_guard lock(mutex_);
    problem_ = std::string(doing) + " " + std::string(kind_.plural) + ": " + status.message;
  }
  // The first failure and then each tenth: an API server that restarts is everyday, one that stays away is news.
  if (failures_ == 1 || failures_ % 10 == 0) {
    log::warning("the API server did not answer as hoped; will try again", {{"kind", kind_.kind},
                                                                            {"doing", doing},
                                                                            {"code", status.code},
                                                                            {"reason", status.message},
                                                                            {"failures", failures_}});
  }
  auto delay = backoff_after(options_.backoff, failures_);
  if (status.retry_after_seconds) {
    delay = std::max<SteadyClock::duration>(delay, std::chrono::seconds(*status.retry_after_seconds));
  }
  // Informers of many clients must not come back in step.
  constexpr double kJitter = 0.25;
  delay += std::chrono::duration_cast<SteadyClock::duration>(delay * (kJitter * random_unit()));
  wait(delay, deadline);
}

bool Informer::list(Deadline deadline) {
  store::ListOptions options;
  options.ns = options_.ns;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  options.limit = options_.page;
  std::vector<api::Object> objects;
  std::string version;
  do {
    auto page = server_.list(kind_, options);
    if (!page) {
      // A continue token that has grown too old: begin again at once, without pages' help.
      if (page.status().is_expired() && !options.continue_token.empty()) {
        options.continue_token.clear();
        options.limit = 0;
        objects.clear();
        continue;
      }
      failed(page.status(), "listing", deadline);
      return false;
    }
    objects.reserve(objects.size() + page->items.size());
    for (auto& object : page->items) {
      trim(object);
      objects.push_back(std::move(object));
    }
    version = page->resource_version;
    options.continue_token = page->continue_token;
  } while (!options.continue_token.empty() && !stopping_);
  if (stopping_) return false;
  ++lists_;
  failures_ = 0;
  for (const auto& change : cache_.replace(std::move(objects), version)) tell(change);
  version_ = std::move(version);
  {
    const std::lock_guard lock(mutex_);
    synced_ = true;
    problem_.clear();
    changed_.notify_all();
  }
  return true;
}

bool Informer::start_watch(Deadline deadline) {
  store::WatchOptions options;
  options.ns = options_.ns;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  options.resource_version = version_;
  auto watch = server_.watch(kind_, options);
  if (!watch) {
    if (watch.status().is_expired()) {
      version_.clear();
      return true;
    }
    failed(watch.status(), "watching", deadline);
    return false;
  }
  const std::lock_guard lock(mutex_);
  watch_ = std::move(*watch);
  problem_.clear();
  if (stopping_) watch_->stop();
  return true;
}

bool Informer::take(store::WatchEvent event) {
  using Type = store::WatchEvent::Type;
  if (event.type == Type::kError) {
    if (event.status.is_expired()) version_.clear();
    const std::lock_guard lock(mutex_);
    watch_->stop();
    watch_.reset();
    return true;
  }
  failures_ = 0;
  std::string version(api::resource_version_of(event.object));
  if (event.type == Type::kDeleted) {
    // The object as it was last; its resourceVersion is that of the deletion.
    tell(cache_.erase(api::key_of(event.object), version));
  } else if (event.type != Type::kBookmark) {
    trim(event.object);
    tell(cache_.put(std::move(event.object)));
  }
  if (!version.empty()) version_ = std::move(version);
  return true;
}

bool Informer::step(Deadline deadline) {
  std::shared_ptr<store::Watch> watch;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    watch = watch_;
  }
  if (!watch) return version_.empty() ? list(deadline) : start_watch(deadline);
  if (auto event = watch->next(deadline)) return take(std::move(*event));
  if (!watch->ended()) return false;
  {
    const std::lock_guard lock(mutex_);
    watch_.reset();
  }
  // A server that ends each watch at once must not be asked in a tight loop.
  constexpr auto kBreath = std::chrono::milliseconds(100);
  if (!stopping_) wait(kBreath, deadline);
  return false;
}

}  // namespace sedna::control
