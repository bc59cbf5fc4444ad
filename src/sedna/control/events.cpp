#include "sedna/control/events.hpp"

#include <algorithm>
#include <cstdio>

#include "sedna/base/log.hpp"

namespace sedna::control {

namespace {

constexpr std::size_t kLongestMessage = 1024;  // the server refuses longer ones
constexpr char kSeparator = '\x1f';

/// "<object>.<time in hex>", as client-go names events; unique per process because the time moves on.
std::string event_name(const std::string& object, SystemClock::time_point at) {
  static std::atomic<std::uint64_t> last{0};
  auto nanos =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
  std::uint64_t previous = last.load();
  do {
    nanos = std::max(nanos, previous + 1);
  } while (!last.compare_exchange_weak(previous, nanos));
  char hex[20];
  std::snprintf(hex, sizeof hex, ".%llx", static_cast<unsigned long long>(nanos));
  constexpr std::size_t kLongestObject = 230;  // names end at 253
  return object.substr(0, kLongestObject) + hex;
}

/// Cut at `limit` bytes, not inside a character.
std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return std::string(text.substr(0, limit));
}

}  // namespace

EventSubject::EventSubject(const api::Object& object)
    : api_version(api::api_version_of(object)),
      kind(api::kind_of(object)),
      ns(api::namespace_of(object)),
      name(api::name_of(object)),
      uid(api::uid_of(object)),
      resource_version(api::resource_version_of(object)) {}

EventRecorder::EventRecorder(store::ApiServer& server, EventOptions options)
    : server_(server), options_(std::move(options)) {}

EventRecorder::~EventRecorder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void EventRecorder::normal(const EventSubject& subject, std::string_view reason, std::string_view message) {
  record(subject, "Normal", reason, message);
}

void EventRecorder::warning(const EventSubject& subject, std::string_view reason, std::string_view message) {
  record(subject, "Warning", reason, message);
}

bool EventRecorder::allowed(const std::string& object) {
  const auto now = options_.clock->now();
  if (buckets_.size() >= options_.remembered) {
    // Full buckets say nothing that a new one would not.
    std::erase_if(buckets_,
                  [&](const auto& entry) { return now - entry.second.at > options_.refill * options_.burst; });
    if (buckets_.size() >= options_.remembered) buckets_.clear();
  }
  auto [it, fresh] = buckets_.try_emplace(object);
  Bucket& bucket = it->second;
  if (fresh) {
    bucket.tokens = options_.burst;
  } else {
    const double gained =
        std::chrono::duration<double>(now - bucket.at) / std::chrono::duration<double>(options_.refill);
    bucket.tokens = std::min<double>(options_.burst, bucket.tokens + gained);
  }
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void EventRecorder::record(const EventSubject& subject, std::string_view type, std::string_view reason,
                           std::string_view message) {
  Waiting event{subject, std::string(type), std::string(reason), cut(message, kLongestMessage), options_.clock->wall()};
  const std::lock_guard lock(mutex_);
  if (stopping_ || queue_.size() >= options_.max_queue || !allowed(subject.uid + subject.kind + subject.name)) {
    ++dropped_;
    return;
  }
  queue_.push_back(std::move(event));
  wake_.notify_one();
}

std::uint64_t EventRecorder::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void EventRecorder::start() {
  SEDNA_CHECK(!thread_.joinable());
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    Deadline last = Deadline::never();
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_ && last.is_never()) last = Deadline::after(std::chrono::seconds(1));
      if (queue_.empty() || last.expired()) return;
      const Waiting event = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      write(event);
      lock.lock();
    }
  });
}

void EventRecorder::flush() {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (queue_.empty()) return;
    const Waiting event = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    write(event);
  }
}

void EventRecorder::write(const Waiting& event) {
  const std::lock_guard lock(writing_);
  std::string key;
  for (const auto* part : {&event.subject.uid, &event.subject.kind, &event.subject.ns, &event.subject.name,
                           &event.subject.field_path, &event.type, &event.reason, &event.message}) {
    key += *part;
    key += kSeparator;
  }
  const auto known = known_.find(key);
  if (known != known_.end() && repeat(known->second, event)) return;
  create(key, event);
}

bool EventRecorder::repeat(Known& known, const Waiting& event) {
  json::object patch;
  patch["count"] = known.count + 1;
  patch["lastTimestamp"] = api::format_time(event.at);
  const std::string ns = event.subject.ns.empty() ? "default" : event.subject.ns;
  const auto answer = server_.merge_patch(api::kinds::kEvent, ns, known.name, store::MergePatch(std::move(patch)));
  if (!answer) return false;  // expired, most likely: a new one then
  ++known.count;
  known.used = ++uses_;
  return true;
}

void EventRecorder::create(const std::string& key, const Waiting& event) {
  const auto& s = event.subject;
  const std::string ns = s.ns.empty() ? "default" : s.ns;
  const std::string time = api::format_time(event.at);
  Known known{event_name(s.name, event.at), time, 1, ++uses_};
  api::Object object = api::new_object(api::kinds::kEvent, ns, known.name);
  json::object involved{{"apiVersion", s.api_version}, {"kind", s.kind}, {"name", s.name}, {"uid", s.uid}};
  if (!s.ns.empty()) involved["namespace"] = s.ns;
  if (!s.resource_version.empty()) involved["resourceVersion"] = s.resource_version;
  if (!s.field_path.empty()) involved["fieldPath"] = s.field_path;
  object["involvedObject"] = std::move(involved);
  object["type"] = event.type;
  object["reason"] = event.reason;
  object["message"] = event.message;
  object["count"] = 1;
  object["firstTimestamp"] = time;
  object["lastTimestamp"] = time;
  object["eventTime"] = nullptr;
  json::object source{{"component", options_.component}};
  if (!options_.host.empty()) source["host"] = options_.host;
  object["source"] = std::move(source);
  object["reportingComponent"] = options_.component;
  object["reportingInstance"] = options_.host;
  if (const auto answer = server_.create(api::kinds::kEvent, object); !answer) {
    // Of an object whose namespace is being deleted, or a server that is away: not worth a second try.
    log::debug("an event was not written", {{"reason", event.reason}, {"why", answer.status().message}});
    return;
  }
  if (known_.size() >= options_.remembered) {
    const auto oldest = std::min_element(known_.begin(), known_.end(),
                                         [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    known_.erase(oldest);
  }
  known_[key] = std::move(known);
}

}  // namespace sedna::control
