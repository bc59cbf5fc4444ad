#include "sedna/apiserver/resources.hpp"

#include "sedna/apiserver/access.hpp"
#include "sedna/apiserver/request_body.hpp"
#include "sedna/apiserver/scale.hpp"
#include "sedna/apiserver/watch_body.hpp"
#include "sedna/apiserver/write_call.hpp"
#include "sedna/store/embedded/watch_cursor.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::apiserver {
namespace {

using serve::Response;
using store::embedded::Engine;
using store::embedded::Part;
using store::embedded::StoredPtr;
namespace statuses = store::statuses;
namespace kinds = api::kinds;

constexpr auto kDefaultWatch = std::chrono::minutes(30);
constexpr auto kLongestWatch = std::chrono::hours(24);

/// The server may end a watch; the client says after how long at most.
store::Outcome<store::WatchOptions> watch_options(const RequestInfo& info) {
  store::WatchOptions options;
  options.ns = info.ns;
  options.label_selector = info.query.get("labelSelector");
  options.field_selector = info.query.get("fieldSelector");
  if (!info.name.empty()) options.field_selector = "metadata.name=" + info.name;
  options.resource_version = info.query.get("resourceVersion");
  options.send_initial_events = info.query.flag("sendInitialEvents");
  options.bookmarks = info.query.flag("allowWatchBookmarks");
  if (options.send_initial_events && !options.bookmarks) {
    return statuses::bad_request("sendInitialEvents needs allowWatchBookmarks=true");
  }
  if (info.query.has("sendInitialEvents") && info.query.get("resourceVersionMatch") != "NotOlderThan") {
    return statuses::bad_request(
        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
        "resourceVersionMatch to NotOlderThan");
  }
  const auto timeout = info.query.number("timeoutSeconds");
  if (!timeout) return statuses::bad_request(timeout.error().what());
  const auto wanted = std::chrono::seconds(timeout->value_or(0));
  options.timeout = wanted.count() > 0 ? std::min<SteadyClock::duration>(wanted, kLongestWatch) : kDefaultWatch;
  return options;
}

bool is_gone(const Engine& engine, const StoredPtr& stored) {
  const StoredPtr now = engine.core().find(*stored->kind, stored->key);
  return !now || now->row != stored->row;
}

bool is_status(const RequestInfo& info) {
  return info.subresource == "status";
}

/// Kinds whose deletion answers with the object itself, as kube-apiserver does.
bool answers_with_object(const Kind& kind) {
  return &kind == &kinds::kPod || &kind == &kinds::kService;
}

net::Task<Response> ready(Response response) {
  co_return response;
}

}  // namespace

Response Resources::get(const RequestInfo& info, const Wanted& wanted) const {
  const auto found = engine_.get(*info.kind, info.ns, info.name);
  return found ? object_response(200, *found, wanted) : status_response(found.status());
}

Response Resources::list(const RequestInfo& info, const Wanted& wanted) const {
  store::ListOptions options;
  options.ns = info.ns;
  options.label_selector = info.query.get("labelSelector");
  options.field_selector = info.query.get("fieldSelector");
  options.continue_token = info.query.get("continue");
  options.resource_version = info.query.get("resourceVersion");
  const auto limit = info.query.number("limit");
  if (!limit) return status_response(statuses::bad_request(limit.error().what()));
  options.limit = static_cast<std::size_t>(limit->value_or(0));
  const std::string_view match = info.query.get("resourceVersionMatch");
  auto rule = store::embedded::VersionMatch::kUnset;
  if (match == "Exact") rule = store::embedded::VersionMatch::kExact;
  if (match == "NotOlderThan") rule = store::embedded::VersionMatch::kNotOlderThan;
  if (!match.empty() && rule == store::embedded::VersionMatch::kUnset) {
    return status_response(statuses::bad_request("resourceVersionMatch: Unsupported value: \"" + std::string(match) +
                                                 "\": supported values: \"Exact\", \"NotOlderThan\""));
  }
  auto list = engine_.list(*info.kind, options, rule);
  if (!list) return status_response(list.status());
  return list_response(*info.kind, *std::move(list), wanted);
}

Response Resources::watch(const RequestInfo& info, const Wanted& wanted) {
  const auto options = watch_options(info);
  if (!options) return status_response(options.status());
  auto cursor = engine_.watch(*info.kind, *options);
  if (!cursor) return status_response(cursor.status());
  return watch_response(*std::move(cursor), wanted);
}

net::Task<Response> Resources::create(serve::Request& request, RequestInfo info, Wanted wanted) {
  auto options = write_options(info.query);
  if (!options) co_return status_response(options.status());
  auto object = parse_object(*info.kind, request, options->field_validation);
  if (!object) co_return status_response(object.status());
  if (auto refused = check_node_write(request.identity, info, *object)) co_return status_response(*refused);
  std::vector<std::string> warnings;
  options->warnings = &warnings;
  const auto start = [this, &info, &object, &options](Engine::Done done) {
    engine_.create(*info.kind, info.ns, *std::move(object), *options, std::move(done));
  };
  const WriteOutcome outcome = co_await await_write(engine_.core(), start);
  Response response = outcome ? object_response(201, *outcome, wanted) : status_response(outcome.status());
  add_warnings(response, warnings);
  co_return response;
}

net::Task<Response> Resources::change(serve::Request& request, RequestInfo info, Wanted wanted) {
  auto options = write_options(info.query);
  if (!options) co_return status_response(options.status());
  const Part part = is_status(info) ? Part::kStatus : Part::kMain;
  Engine::Change change;
  if (info.verb == Verb::kPatch) {
    auto patch = patch_change(*info.kind, request);
    if (!patch) co_return status_response(patch.status());
    change = *std::move(patch);
  } else {
    auto object = parse_object(*info.kind, request, options->field_validation);
    if (!object) co_return status_response(object.status());
    change = Engine::replacement(*info.kind, *std::move(object));
  }
  std::vector<std::string> warnings;
  options->warnings = &warnings;
  const auto source = info.verb == Verb::kPatch ? Engine::Source::kPatch : Engine::Source::kBody;
  const auto start = [this, &info, &change, &options, part, source](Engine::Done done) {
    engine_.modify(*info.kind, info.ns, info.name, part, source, change, *options, std::move(done));
  };
  const WriteOutcome outcome = co_await await_write(engine_.core(), start);
  Response response = outcome ? object_response(200, *outcome, wanted) : status_response(outcome.status());
  add_warnings(response, warnings);
  co_return response;
}

net::Task<Response> Resources::remove(serve::Request& request, RequestInfo info, Wanted wanted) {
  const auto options = delete_options(request, info.query);
  if (!options) co_return status_response(options.status());
  const auto start = [this, &info, &options](Engine::Done done) {
    engine_.remove(*info.kind, info.ns, info.name, *options, std::move(done));
  };
  const WriteOutcome outcome = co_await await_write(engine_.core(), start);
  if (!outcome) co_return status_response(outcome.status());
  const StoredPtr& stored = *outcome;
  const bool stays = options->dry_run ? stored->deleting : !is_gone(engine_, stored);
  if (answers_with_object(*info.kind) || stays) {
    co_return object_response(200, stored, wanted);
  }
  co_return success_response(*info.kind, info.name, api::uid_of(stored->object()));
}

net::Task<Response> Resources::remove_all(serve::Request& request, RequestInfo info, Wanted wanted) {
  const auto options = delete_options(request, info.query);
  if (!options) co_return status_response(options.status());
  store::ListOptions selection;
  selection.ns = info.ns;
  selection.label_selector = info.query.get("labelSelector");
  selection.field_selector = info.query.get("fieldSelector");
  auto list = engine_.list(*info.kind, selection);
  if (!list) co_return status_response(list.status());
  store::embedded::RawList removed;
  removed.resource_version = list->resource_version;
  for (const StoredPtr& stored : list->items) {
    const std::string ns(stored->ns());
    const std::string name(stored->name());
    const auto start = [this, &info, &options, &ns, &name](Engine::Done done) {
      engine_.remove(*info.kind, ns, name, *options, std::move(done));
    };
    const WriteOutcome outcome = co_await await_write(engine_.core(), start);
    // Somebody else was faster.
    if (!outcome && outcome.status().is_not_found()) continue;
    if (!outcome) co_return status_response(outcome.status());
    removed.items.push_back(*outcome);
  }
  co_return list_response(*info.kind, std::move(removed), wanted);
}

net::Task<Response> Resources::scale(serve::Request& request, RequestInfo info) {
  const auto found = engine_.get(*info.kind, info.ns, info.name);
  if (!found) co_return status_response(found.status());
  if (info.verb == Verb::kGet) co_return json_response(200, scale_of((*found)->object()));
  auto options = write_options(info.query);
  if (!options) co_return status_response(options.status());
  auto change = scale_change(request, info.verb == Verb::kPatch);
  if (!change) co_return status_response(change.status());
  const auto start = [this, &info, &change, &options](Engine::Done done) {
    engine_.modify(*info.kind, info.ns, info.name, Part::kMain, Engine::Source::kPatch, *change, *options,
                   std::move(done));
  };
  const WriteOutcome outcome = co_await await_write(engine_.core(), start);
  if (!outcome) co_return status_response(outcome.status());
  co_return json_response(200, scale_of((*outcome)->object()));
}

net::Task<Response> Resources::handle(serve::Request& request, RequestInfo info) {
  Wanted wanted = wanted_shape(request.headers.get("Accept"), info.query.get("includeObject"));
  if (!wanted.acceptable) {
    return ready(status_response(statuses::not_acceptable(
        "only the following media types are accepted: application/json, application/json;as=Table;v=v1;g=meta.k8s.io, "
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")));
  }
  const bool known = info.subresource.empty() || (is_status(info) && info.kind->has_status) ||
                     (info.subresource == "scale" && info.kind->has_scale) ||
                     (info.subresource == "finalize" && info.kind == &kinds::kNamespace);
  if (!known) return ready(status_response(statuses::no_such_path()));
  if (info.subresource == "scale") return scale(request, std::move(info));
  switch (info.verb) {
    case Verb::kGet:
      return ready(info.query.flag("watch") ? watch(info, wanted) : get(info, wanted));
    case Verb::kList:
      return ready(list(info, wanted));
    case Verb::kWatch:
      return ready(watch(info, wanted));
    case Verb::kCreate:
      if (!info.name.empty()) break;
      return create(request, std::move(info), std::move(wanted));
    case Verb::kUpdate:
    case Verb::kPatch:
      if (info.name.empty()) break;
      return change(request, std::move(info), std::move(wanted));
    case Verb::kDelete:
      if (!info.subresource.empty()) break;
      return remove(request, std::move(info), std::move(wanted));
    case Verb::kDeleteCollection:
      if (info.kind == &kinds::kNamespace) break;
      return remove_all(request, std::move(info), std::move(wanted));
  }
  return ready(status_response(statuses::method_not_supported(*info.kind, verb_name(info.verb))));
}

}  // namespace sedna::apiserver
