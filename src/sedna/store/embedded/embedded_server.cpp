#include "sedna/store/embedded/embedded_server.hpp"

#include <future>

#include "sedna/api/patch.hpp"
#include "sedna/store/embedded/engine.hpp"
#include "sedna/store/embedded/watch_cursor.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {
namespace {

EngineOptions engine_options(const EmbeddedOptions& options) {
  EngineOptions out;
  out.core.path = options.path;
  out.core.history_events = options.history_events;
  out.clock = options.clock;
  return out;
}

/// Runs a call that answers by callback and waits for its answer.
template <class F>
Outcome<Object> wait_for(F start) {
  std::promise<Outcome<StoredPtr>> answer;
  start([&answer](Outcome<StoredPtr> outcome) { answer.set_value(std::move(outcome)); });
  const Outcome<StoredPtr> outcome = answer.get_future().get();
  if (!outcome) return outcome.status();
  return (*outcome)->object();
}

WatchEvent to_event(const Kind& kind, RawEvent raw) {
  WatchEvent event;
  event.type = raw.type;
  event.initial_events_end = raw.initial_events_end;
  event.status = std::move(raw.status);
  if (raw.stored) {
    event.object = raw.stored->object();
    // A removal by selector shows the version at which the object left.
  } else if (raw.type == WatchEvent::Type::kBookmark) {
    event.object["apiVersion"] = kind.api_version();
    event.object["kind"] = kind.kind;
    api::make_object(event.object, {"metadata"})["resourceVersion"] = std::to_string(raw.resource_version);
  }
  return event;
}

class EmbeddedWatch final : public Watch {
 public:
  explicit EmbeddedWatch(std::shared_ptr<WatchCursor> cursor) : cursor_(std::move(cursor)) {}
  ~EmbeddedWatch() override { cursor_->stop(); }

  std::optional<WatchEvent> next(Deadline deadline) override {
    for (;;) {
      if (auto raw = cursor_->poll()) return to_event(cursor_->kind(), *std::move(raw));
      if (cursor_->done() || deadline.expired()) return std::nullopt;
      cursor_->wait(std::min(deadline.at(), cursor_->due()));
    }
  }
  bool ended() const override { return cursor_->done(); }
  void stop() override { cursor_->stop(); }

 private:
  std::shared_ptr<WatchCursor> cursor_;
};

Engine::Change merge(const MergePatch& patch) {
  return [body = patch.body()](const Object& current) -> Outcome<Object> {
    json::value next = current;
    api::apply_merge_patch(next, body);
    // A patch that says which version it was made from must meet that version.
    const auto version = api::resource_version_of(next.get_object());
    if (!version.empty() && version != api::resource_version_of(current)) {
      const Kind* kind = api::find_kind(current);
      return statuses::conflict(*kind, api::name_of(current));
    }
    return std::move(next.get_object());
  };
}

}  // namespace

EmbeddedServer::EmbeddedServer(EmbeddedOptions options) : engine_(std::make_unique<Engine>(engine_options(options))) {}
EmbeddedServer::~EmbeddedServer() = default;

Outcome<Object> EmbeddedServer::get(const Kind& kind, std::string_view ns, std::string_view name) {
  const auto found = engine_->get(kind, ns, name);
  if (!found) return found.status();
  return (*found)->object();
}

Outcome<ListResult> EmbeddedServer::list(const Kind& kind, const ListOptions& options) {
  auto raw = engine_->list(kind, options);
  if (!raw) return raw.status();
  ListResult out;
  out.resource_version = std::to_string(raw->resource_version);
  out.continue_token = std::move(raw->continue_token);
  out.remaining = raw->remaining;
  out.items.reserve(raw->items.size());
  for (const StoredPtr& stored : raw->items) out.items.push_back(stored->object());
  return out;
}

Outcome<std::unique_ptr<Watch>> EmbeddedServer::watch(const Kind& kind, const WatchOptions& options) {
  WatchOptions from = options;
  // Kubernetes begins such a watch with what exists; our interface says: from now on.
  if (from.resource_version.empty() && !from.send_initial_events) {
    from.resource_version = std::to_string(engine_->core().resource_version());
  }
  auto cursor = engine_->watch(kind, from);
  if (!cursor) return cursor.status();
  std::unique_ptr<Watch> out = std::make_unique<EmbeddedWatch>(*std::move(cursor));
  return out;
}

Outcome<Object> EmbeddedServer::create(const Kind& kind, const Object& object, const WriteOptions& options) {
  return wait_for([&](Engine::Done done) { engine_->create(kind, {}, object, options, std::move(done)); });
}

Outcome<Object> EmbeddedServer::update(const Kind& kind, const Object& object, const WriteOptions& options) {
  return wait_for([&](Engine::Done done) {
    engine_->modify(kind, api::namespace_of(object), api::name_of(object), Part::kMain, Engine::Source::kBody,
                    Engine::replacement(kind, object), options, std::move(done));
  });
}

Outcome<Object> EmbeddedServer::update_status(const Kind& kind, const Object& object, const WriteOptions& options) {
  return wait_for([&](Engine::Done done) {
    engine_->modify(kind, api::namespace_of(object), api::name_of(object), Part::kStatus, Engine::Source::kBody,
                    Engine::replacement(kind, object), options, std::move(done));
  });
}

Outcome<Object> EmbeddedServer::merge_patch(const Kind& kind, std::string_view ns, std::string_view name,
                                            const MergePatch& patch, const WriteOptions& options) {
  return wait_for([&](Engine::Done done) {
    engine_->modify(kind, ns, name, Part::kMain, Engine::Source::kPatch, merge(patch), options, std::move(done));
  });
}

Outcome<Object> EmbeddedServer::merge_patch_status(const Kind& kind, std::string_view ns, std::string_view name,
                                                   const MergePatch& patch, const WriteOptions& options) {
  return wait_for([&](Engine::Done done) {
    engine_->modify(kind, ns, name, Part::kStatus, Engine::Source::kPatch, merge(patch), options, std::move(done));
  });
}

Outcome<Object> EmbeddedServer::remove(const Kind& kind, std::string_view ns, std::string_view name,
                                       const DeleteOptions& options) {
  return wait_for([&](Engine::Done done) { engine_->remove(kind, ns, name, options, std::move(done)); });
}

void EmbeddedServer::backup(const std::string& path) {
  engine_->core().backup(path);
}

}  // namespace sedna::store::embedded
