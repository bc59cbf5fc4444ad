#include "sedna/store/embedded/engine.hpp"

#include <algorithm>
#include <future>

#include "sedna/api/admission.hpp"
#include "sedna/store/embedded/kind_strategy.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {
namespace {

namespace kinds = api::kinds;

constexpr int kNameAttempts = 8;
/// A change is computed again at most this often when others are faster; the client is then told of the conflict.
constexpr int kRaces = 64;

std::string key_for(const Kind& kind, std::string_view ns, std::string_view name) {
  return kind.namespaced ? api::make_key(ns, name) : std::string(name);
}

/// In Kubernetes' words, but without the whole object in the message.
Status invalid_patch(const std::string& why) {
  Status status;
  status.code = 422;
  status.reason = "Invalid";
  status.message = " \"\" is invalid: patch: Invalid value: " + why;
  status.causes.push_back({"FieldValueInvalid", "Invalid value: " + why, "patch"});
  return status;
}

Status changed_type(const Kind& kind, const Object& next) {
  return invalid_patch("a " + std::string(kind.kind) + " of " + kind.api_version() + " cannot become a " +
                       std::string(api::kind_of(next)) + " of " + std::string(api::api_version_of(next)));
}

/// What can't be read as an object of the kind: 400, and of a patched one a patch that is invalid (422).
Status wrong_shape(const Kind&, Engine::Source source, const Object&, std::string message) {
  if (source == Engine::Source::kBody) return statuses::bad_request(std::move(message));
  const std::size_t reader = message.find(" cannot be handled as a ");
  const std::size_t why = reader == std::string::npos ? reader : message.find(": ", reader);
  return invalid_patch(why == std::string::npos ? message : message.substr(why + 2));
}

}  // namespace

Engine::Engine(EngineOptions options) : options_(std::move(options)), core_(options_.core) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    if (core_.find(kinds::kNamespace, name)) continue;
    std::promise<Outcome<StoredPtr>> made;
    create(kinds::kNamespace, {}, api::new_object(kinds::kNamespace, {}, name), {},
           [&made](Outcome<StoredPtr> outcome) { made.set_value(std::move(outcome)); });
    const Outcome<StoredPtr> outcome = made.get_future().get();
    static_cast<void>(outcome.value());  // throws
  }
}

Outcome<StoredPtr> Engine::get(const Kind& kind, std::string_view ns, std::string_view name) const {
  StoredPtr found = core_.find(kind, key_for(kind, ns, name));
  if (!found) return statuses::not_found(kind, name);
  return found;
}

Outcome<RawList> Engine::list(const Kind& kind, const ListOptions& options, VersionMatch match) const {
  auto filter = Filter::make(kind, options.ns, options.label_selector, options.field_selector);
  if (!filter) return filter.status();
  return core_.list(kind, *filter, options, match);
}

Outcome<std::shared_ptr<WatchCursor>> Engine::watch(const Kind& kind, const WatchOptions& options) {
  auto filter = Filter::make(kind, options.ns, options.label_selector, options.field_selector);
  if (!filter) return filter.status();
  return core_.watch(kind, *std::move(filter), options);
}

std::optional<Status> Engine::shape(const Kind& kind, Source source, Object& object,
                                    const WriteOptions& options) const {
  std::vector<std::string> unknown;
  std::vector<std::string> hints;
  api::prune_and_default(kind, object, unknown, &hints);
  if (!unknown.empty() && options.field_validation == FieldValidation::kStrict) {
    return wrong_shape(kind, source, object, api::strict_message(kind, unknown));
  }
  if (options.warnings != nullptr) {
    options.warnings->clear();
    if (options.field_validation == FieldValidation::kWarn) *options.warnings = std::move(unknown);
    options.warnings->insert(options.warnings->end(), hints.begin(), hints.end());
  }
  return std::nullopt;
}

std::optional<Status> Engine::check(const Kind& kind, const Object& object, const Object* old) {
  const api::FieldErrors errors = api::validate(kind, object, old);
  if (!errors.empty()) return statuses::invalid(kind, api::name_of(object), errors);
  return std::nullopt;
}

std::optional<Status> Engine::check_namespace(const Kind& kind, std::string_view ns, std::string_view name) const {
  if (!kind.namespaced) return std::nullopt;
  const StoredPtr found = core_.latest(kinds::kNamespace, ns);
  if (!found) return statuses::not_found(kinds::kNamespace, ns);
  if (!found->deleting) return std::nullopt;
  Status status = statuses::forbidden(
      kind, name, "unable to create new content in namespace " + std::string(ns) + " because it is being terminated");
  status.causes.push_back(
      {"NamespaceTerminating", "namespace " + std::string(ns) + " is being terminated", "metadata.namespace"});
  return status;
}

std::optional<Status> Engine::check_size(const Stored& stored) const {
  if (stored.text.size() <= options_.max_object) return std::nullopt;
  return statuses::too_large("the object takes " + std::to_string(stored.text.size()) + " bytes, limit is " +
                             std::to_string(options_.max_object));
}

void Engine::create(const Kind& kind, std::string_view ns, Object object, const WriteOptions& options, Done done) {
  if (auto fault = api::decode_fault(kind, object)) return done(statuses::bad_request(*std::move(fault)));
  object["apiVersion"] = kind.api_version();
  object["kind"] = kind.kind;
  json::object& metadata = api::make_object(object, {"metadata"});
  const std::string own(api::namespace_of(object));
  if (kind.namespaced) {
    if (!own.empty() && !ns.empty() && own != ns) {
      return done(statuses::bad_request(
          "the namespace of the provided object does not match the namespace sent on the request"));
    }
    if (own.empty()) metadata["namespace"] = ns;
  } else if (!own.empty()) {
    return done(
        statuses::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
  }
  if (const std::string_view version = api::resource_version_of(object); !version.empty() && version != "0") {
    Status status;
    status.message = "resourceVersion should not be set on objects to be created";
    return done(status);
  }
  if (auto refused = check_namespace(kind, api::namespace_of(object), api::name_of(object))) {
    return done(*std::move(refused));
  }
  create_attempt(kind, std::move(object), options, kNameAttempts, std::move(done));
}

void Engine::create_attempt(const Kind& kind, Object object, const WriteOptions& options, int attempts, Done done) {
  const std::string base(api::string_at(object, {"metadata", "generateName"}));
  const bool generates = api::name_of(object).empty() && !base.empty();
  const Time now = options_.clock->wall();
  prepare_create(kind, object, now);
  if (generates) api::make_object(object, {"metadata"})["name"] = generated_name(base);
  if (auto refused = shape(kind, Source::kBody, object, options)) return done(*std::move(refused));
  if (auto refused = check(kind, object, nullptr)) return done(*std::move(refused));
  reset_status(kind, object);  // admission's defaults are no status
  for (int attempt = 1;; ++attempt) {
    const std::string key = api::key_of(object);
    auto stored = make_stored(kind, object);
    if (auto refused = check_size(*stored)) return done(*std::move(refused));
    if (options.dry_run) {
      if (!core_.latest(kind, key)) {
        leave_without_version(*stored);
        return done(StoredPtr(stored));
      }
    } else if (core_.put(nullptr, std::move(stored), done)) {
      return;
    }
    if (!generates || attempt == attempts) {
      Status status = statuses::already_exists(kind, api::name_of(object));
      if (const StoredPtr there = core_.latest(kind, key); there && there->deleting) {
        status.message.insert(0, "object is being deleted: ");
      }
      if (generates) {
        status.message += ", the server was not able to generate a unique name for the object";
        status.retry_after_seconds = 1;
      }
      return done(std::move(status));
    }
    api::make_object(object, {"metadata"})["name"] = generated_name(base);
  }
}

Engine::Change Engine::replacement(const Kind& kind, Object sent) {
  return [&kind, sent = std::move(sent)](const Object& current) -> Outcome<Object> {
    if (current.empty()) {  // there is none: it is made
      Object made = sent;
      api::make_object(made, {"metadata"}).erase("resourceVersion");
      return made;
    }
    const std::string_view version = api::resource_version_of(sent);
    const std::string_view name = api::name_of(current);
    if (const std::string_view uid = api::uid_of(sent); !uid.empty() && uid != api::uid_of(current)) {
      return statuses::conflict(kind, name,
                                "Precondition failed: UID in precondition: " + std::string(uid) +
                                    ", UID in object meta: " + std::string(api::uid_of(current)));
    }
    if (version.empty() || version == "0") {
      if (!allows_unconditional_update(kind)) {
        Status status = statuses::invalid(
            kind, name, {api::invalid("metadata.resourceVersion", "0", "must be specified for an update")});
        // Said by Kubernetes' storage, which knows the resource and not the kind.
        status.kind = kind.plural;
        status.message.replace(0, status.message.find(' '), statuses::resource_name(kind));
        return status;
      }
    } else if (version.find_first_not_of("0123456789") != std::string_view::npos) {
      Status status;
      status.message = "strconv.ParseUint: parsing " + api::in_quotes(version) + ": invalid syntax";
      return status;
    } else if (version != api::resource_version_of(current)) {
      return statuses::conflict(kind, name);
    }
    return sent;
  };
}

void Engine::modify(const Kind& kind, std::string_view ns, std::string_view name, Part part, Source source,
                    const Change& change, const WriteOptions& options, Done done) {
  if (part == Part::kStatus && !kind.has_status) return done(statuses::no_such_path());
  // What was sent whole is read before anything else: that it can't be read is said before that it is too old.
  std::optional<Object> sent;
  if (source == Source::kBody) {
    Outcome<Object> read = change(Object());
    if (!read) return done(read.status());
    if (auto fault = api::decode_fault(kind, *read)) return done(statuses::bad_request(*std::move(fault)));
    if (options.field_validation == FieldValidation::kStrict) {
      Object copy = *read;
      if (auto refused = shape(kind, source, copy, options)) return done(*std::move(refused));
    }
    sent = *std::move(read);
  }
  const std::string key = key_for(kind, ns, name);
  for (int races = 0; races < kRaces; ++races) {
    const StoredPtr base = core_.latest(kind, key);
    if (!base) {
      if (part == Part::kStatus || !sent) return done(statuses::not_found(kind, name));
      return make_by_update(kind, ns, name, *std::move(sent), options, std::move(done));
    }
    const Object current = base->object();
    Outcome<Object> next = change(current);
    if (!next) return done(next.status());
    if (auto fault = sent ? std::nullopt : api::decode_fault(kind, *next))
      return done(wrong_shape(kind, source, *next, *std::move(fault)));
    if (const std::string_view named = api::name_of(*next); !named.empty() && named != name) {
      return done(statuses::bad_request("the name of the object (" + std::string(named) +
                                        ") does not match the name on the URL (" + std::string(name) + ")"));
    }
    if (const std::string_view inside = api::namespace_of(*next); kind.namespaced && !inside.empty() && inside != ns) {
      return done(statuses::bad_request(
          "the namespace of the provided object does not match the namespace sent on the request"));
    }
    if ((next->contains("kind") && api::kind_of(*next) != kind.kind) ||
        (next->contains("apiVersion") && api::api_version_of(*next) != kind.api_version())) {
      return done(changed_type(kind, *next));
    }
    (*next)["apiVersion"] = kind.api_version();
    (*next)["kind"] = kind.kind;
    // Before what may not be changed is put back: unknown fields are told wherever they stand.
    if (auto refused = shape(kind, source, *next, options)) return done(*std::move(refused));
    if (auto refused = prepare_update(kind, part, current, *next)) return done(*std::move(refused));
    if (auto refused = check(kind, *next, &current)) return done(*std::move(refused));
    if (*next == current && core_.find(kind, key) == base) return done(base);
    bool raced = false;
    modify_attempt(kind, key, base, part, *std::move(next), options, done, raced);
    if (!raced) return;
  }
  done(statuses::conflict(kind, name));
}

void Engine::make_by_update(const Kind& kind, std::string_view ns, std::string_view name, Object sent,
                            const WriteOptions& options, Done done) {
  if (!allows_create_on_update(kind)) return done(statuses::not_found(kind, name));
  if (const std::string_view uid = api::uid_of(sent); !uid.empty()) {
    return done(statuses::conflict(
        kind, name, "Precondition failed: UID in precondition: " + std::string(uid) + ", UID in object meta: "));
  }
  create(kind, ns, std::move(sent), options, std::move(done));
}

void Engine::modify_attempt(const Kind& kind, const std::string& key, const StoredPtr& base, Part part, Object next,
                            const WriteOptions& options, const Done& done, bool& raced) {
  auto stored = make_stored(kind, next);
  if (auto refused = check_size(*stored)) return done(*std::move(refused));
  if (options.dry_run) {
    number_version(*stored, base->resource_version);
    if (core_.latest(kind, key) == base) return done(StoredPtr(stored));
    raced = true;
  } else if (part == Part::kMain && gone_after_update(kind, next)) {
    raced = !core_.erase(base, std::move(stored), done);
  } else {
    raced = !core_.put(base, std::move(stored), done);
  }
}

void Engine::remove(const Kind& kind, std::string_view ns, std::string_view name, const DeleteOptions& options,
                    Done done) {
  const std::string key = key_for(kind, ns, name);
  for (int races = 0; races < kRaces; ++races) {
    const StoredPtr base = core_.latest(kind, key);
    if (!base) return done(statuses::not_found(kind, name));
    Object object = base->object();
    const auto removal = prepare_delete(kind, object, options, options_.clock->wall());
    if (!removal) return done(removal.status());
    if (*removal == Removal::kWait) return done(base);
    auto stored = make_stored(kind, object);
    if (options.dry_run) {
      number_version(*stored, base->resource_version);
      return done(StoredPtr(stored));
    }
    const bool settled = *removal == Removal::kNow ? core_.erase(base, std::move(stored), done)
                                                   : core_.put(base, std::move(stored), done);
    if (settled) return;
  }
  done(statuses::conflict(kind, name));
}

}  // namespace sedna::store::embedded
