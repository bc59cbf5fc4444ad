#include "sedna/store/kube/kube_client.hpp"

#include <array>
#include <utility>

#include "sedna/net/http.hpp"
#include "sedna/store/kube/kube_connection.hpp"
#include "sedna/store/kube/kube_watch.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::store {
namespace {

/// "?a=b&c=d", values escaped, empty ones left out.
class Query {
 public:
  Query& add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    text_.append(text_.empty() ? "?" : "&").append(name).append("=").append(net::percent_encode(value));
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Status not_understood(std::string_view what, const std::string& why) {
  Status status;
  status.code = 500;
  status.reason = "InternalError";
  status.message = "the server's answer is no " + std::string(what) + ": " + why;
  return status;
}

Outcome<json::object> object_in(const net::HttpResponse& answer) {
  json::ParseOptions options;
  options.limits.max_depth = 128;
  auto tree = json::parse(answer.body.text(), options);
  if (!tree) return not_understood("JSON", tree.error().message());
  if (!tree->is_object()) return not_understood("object", "found " + std::string(json::kind_name(*tree)));
  return std::move(tree->get_object());
}

// Lists leave apiVersion and kind out of their items.
Object with_type(Object item, const Kind& kind) {
  if (item.contains("apiVersion") && item.contains("kind")) return item;
  Object typed;
  typed.reserve(item.size() + 2);
  typed.emplace("apiVersion", kind.api_version());
  typed.emplace("kind", kind.kind);
  for (auto& member : item) {
    if (!typed.contains(member.key())) typed.emplace(member.key(), std::move(member.value()));
  }
  return typed;
}

std::string_view validation_word(FieldValidation validation) {
  switch (validation) {
    case FieldValidation::kIgnore:
      return "Ignore";
    case FieldValidation::kStrict:
      return "Strict";
    case FieldValidation::kWarn:
      break;
  }
  return "Warn";
}

// Header fields `Warning: 299 - "text"`.
void gather_warnings(const net::Headers& headers, std::vector<std::string>* into) {
  if (into == nullptr) return;
  for (const auto& [name, value] : headers) {
    if (name.size() != 7 || !net::Headers({{name, value}}).find("warning")) continue;
    const std::size_t open = value.find('"');
    std::string text;
    for (std::size_t i = open + 1; open != std::string::npos && i < value.size() && value[i] != '"'; ++i) {
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      text += value[i];
    }
    if (!text.empty()) into->push_back(std::move(text));
  }
}

net::HttpRequest get_request(std::string target) {
  net::HttpRequest request;
  request.target = std::move(target);
  return request;
}

constexpr std::string_view kJson = "application/json";

std::string_view patch_content_type(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kStrategic:
      return "application/strategic-merge-patch+json";
    case PatchType::kMerge:
      break;
  }
  return "application/merge-patch+json";
}

std::string path_of(const Kind& kind, std::string_view ns, std::string_view name, std::string_view subresource) {
  return kind.path(net::percent_encode(ns), net::percent_encode(name), subresource);
}

}  // namespace

struct KubeClient::Impl {
  Impl(KubeConfig config, KubeClientOptions options)
      : connection(std::make_shared<KubeConnection>(std::move(config), std::move(options))) {}

  /// What must be there before a path can be made.
  static std::optional<Status> fault(const Kind& kind, std::string_view ns, std::string_view name, bool needs_name) {
    if (kind.namespaced && ns.empty()) {
      return statuses::bad_request("a namespace is needed to name one of the " + std::string(kind.plural));
    }
    if (needs_name && name.empty()) return statuses::bad_request("resource name may not be empty");
    return std::nullopt;
  }

  Outcome<Object> write(const Kind& kind, std::string_view method, std::string target, std::string_view content_type,
                        std::string body, const WriteOptions& options) const {
    Query query;
    query.add("fieldManager", options.field_manager).add("fieldValidation", validation_word(options.field_validation));
    if (options.dry_run) query.add("dryRun", "All");
    net::HttpRequest request;
    request.method = std::string(method);
    request.target = std::move(target) + query.text();
    request.headers.add("Content-Type", std::string(content_type));
    request.body.push_back(Bytes::from_string(std::move(body)));
    auto answer = connection->exchange(std::move(request), connection->call_deadline());
    if (!answer) return answer.status();
    gather_warnings(answer->headers, options.warnings);
    auto object = object_in(*answer);
    if (!object) return object.status();
    return with_type(std::move(*object), kind);
  }

  Outcome<Object> put(const Kind& kind, const Object& object, std::string_view subresource,
                      const WriteOptions& options) const {
    const std::string_view ns = api::namespace_of(object);
    const std::string_view name = api::name_of(object);
    if (auto wrong = fault(kind, ns, name, true)) return std::move(*wrong);
    return write(kind, "PUT", path_of(kind, ns, name, subresource), kJson, json::write(object), options);
  }

  Outcome<Object> patch(const Kind& kind, std::string_view ns, std::string_view name, std::string_view subresource,
                        PatchType type, const json::value& body, const WriteOptions& options) const {
    if (auto wrong = fault(kind, ns, name, true)) return std::move(*wrong);
    return write(kind, "PATCH", path_of(kind, ns, name, subresource), patch_content_type(type), json::write(body),
                 options);
  }

  Outcome<ListResult> page(const Kind& kind, const ListOptions& options, std::size_t limit,
                           const std::string& token) const {
    Query query;
    query.add("labelSelector", options.label_selector).add("fieldSelector", options.field_selector);
    if (limit > 0) query.add("limit", std::to_string(limit));
    query.add("continue", token);
    // A continuation says itself which version it goes on with.
    if (token.empty()) query.add("resourceVersion", options.resource_version);
    auto answer = connection->exchange(get_request(kind.path(options.ns) + query.text()), connection->call_deadline());
    if (!answer) return answer.status();
    auto body = object_in(*answer);
    if (!body) return body.status();
    ListResult result;
    result.resource_version = std::string(api::string_at(*body, {"metadata", "resourceVersion"}));
    result.continue_token = std::string(api::string_at(*body, {"metadata", "continue"}));
    if (const json::value* left = api::find(*body, {"metadata", "remainingItemCount"}); left && left->is_int64()) {
      result.remaining = left->get_int64();
    }
    json::value* items = body->if_contains("items");
    if (items == nullptr || items->is_null()) return result;
    if (!items->is_array()) return not_understood("list", "its items are " + std::string(json::kind_name(*items)));
    result.items.reserve(items->get_array().size());
    for (json::value& item : items->get_array()) {
      if (!item.is_object()) return not_understood("list", "an item is " + std::string(json::kind_name(item)));
      result.items.push_back(with_type(std::move(item.get_object()), kind));
    }
    return result;
  }

  Outcome<ListResult> list(const Kind& kind, const ListOptions& options) const {
    if (options.limit > 0 || !options.continue_token.empty()) {
      return page(kind, options, options.limit, options.continue_token);
    }
    auto all = page(kind, options, connection->options().page_size, {});
    while (all && !all->continue_token.empty()) {
      auto next = page(kind, options, connection->options().page_size, all->continue_token);
      if (!next && next.status().is_expired()) {
        // The pages' version was given up while we read: one answer with everything, as of now.
        ListOptions whole = options;
        whole.resource_version.clear();
        return page(kind, whole, 0, {});
      }
      if (!next) return next.status();
      for (Object& item : next->items) all->items.push_back(std::move(item));
      all->continue_token = std::move(next->continue_token);
    }
    if (all) all->remaining.reset();
    return all;
  }

  Outcome<std::unique_ptr<KubeWatch>> open_watch(const Kind& kind, const WatchOptions& options, bool initial,
                                                 const std::string& version, std::deque<WatchEvent> first = {}) const {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(options.timeout).count();
    Query query;
    query.add("watch", "true")
        .add("labelSelector", options.label_selector)
        .add("fieldSelector", options.field_selector)
        .add("resourceVersion", version)
        .add("timeoutSeconds", std::to_string(std::max<std::int64_t>(1, seconds)));
    if (options.bookmarks || initial) query.add("allowWatchBookmarks", "true");
    if (initial) query.add("sendInitialEvents", "true").add("resourceVersionMatch", "NotOlderThan");
    std::string path = kind.path(options.ns);
    auto stream = connection->open(get_request(path + query.text()), connection->call_deadline());
    if (!stream) return stream.status();
    return std::make_unique<KubeWatch>(connection, std::move(*stream), std::move(path), std::move(first));
  }

  /// The server's own initial events. Nothing when it does not have them (an old server, or an etcd of 3.4).
  std::optional<Outcome<std::unique_ptr<Watch>>> watch_list(const Kind& kind, const WatchOptions& options) const {
    auto watch = open_watch(kind, options, true, options.resource_version);
    Status refused;
    if (watch) {
      // Some servers refuse inside the stream; all others begin at once, if only with the bookmark.
      auto first = (*watch)->next(connection->call_deadline());
      if (!first) {
        if (!(*watch)->ended()) return std::unique_ptr<Watch>(std::move(*watch));
        Status status;
        status.code = 503;
        status.reason = "ServiceUnavailable";
        status.message = "the server ended the watch before it had begun";
        return status;
      }
      if (first->type != WatchEvent::Type::kError) {
        (*watch)->put_back(std::move(*first));
        return std::unique_ptr<Watch>(std::move(*watch));
      }
      refused = first->status;
    } else {
      refused = watch.status();
    }
    // What every request would be told is no word about this kind of watch.
    for (const int code : {401, 403, 404, 410, 429, 503, 504}) {
      if (refused.code == code) return refused;
    }
    return std::nullopt;
  }

  Outcome<std::unique_ptr<Watch>> watch(const Kind& kind, const WatchOptions& options) const {
    if (options.send_initial_events && !connection->watch_list_refused()) {
      if (auto begun = watch_list(kind, options)) return std::move(*begun);
      connection->refuse_watch_list();
    }
    std::deque<WatchEvent> first;
    std::string version = options.resource_version;
    if (options.send_initial_events || version.empty()) {
      ListOptions what;
      what.ns = options.ns;
      what.label_selector = options.label_selector;
      what.field_selector = options.field_selector;
      if (!options.send_initial_events) what.limit = 1;  // only its version is wanted: from now on
      auto listed = list(kind, what);
      if (!listed) return listed.status();
      version = listed->resource_version;
      if (options.send_initial_events) {
        for (Object& item : listed->items) first.emplace_back().object = std::move(item);
        WatchEvent& end = first.emplace_back();
        end.type = WatchEvent::Type::kBookmark;
        end.initial_events_end = true;
        api::make_object(end.object, {"metadata"})["resourceVersion"] = version;
      }
    }
    auto opened = open_watch(kind, options, false, version, std::move(first));
    if (!opened) return opened.status();
    return std::unique_ptr<Watch>(std::move(*opened));
  }

  Outcome<Object> remove(const Kind& kind, std::string_view ns, std::string_view name,
                         const DeleteOptions& options) const {
    if (auto wrong = fault(kind, ns, name, true)) return std::move(*wrong);
    static constexpr std::array<std::string_view, 3> kWords{"Background", "Foreground", "Orphan"};
    json::object body{{"apiVersion", "v1"},
                      {"kind", "DeleteOptions"},
                      {"propagationPolicy", kWords.at(static_cast<std::size_t>(options.propagation))}};
    if (options.grace_period_seconds) body["gracePeriodSeconds"] = *options.grace_period_seconds;
    if (!options.uid.empty()) api::make_object(body, {"preconditions"})["uid"] = options.uid;
    if (!options.resource_version.empty()) {
      api::make_object(body, {"preconditions"})["resourceVersion"] = options.resource_version;
    }
    if (options.dry_run) body["dryRun"] = json::array{"All"};
    net::HttpRequest request;
    request.method = "DELETE";
    request.target = path_of(kind, ns, name, {});
    request.headers.add("Content-Type", std::string(kJson));
    request.body.push_back(Bytes::from_string(json::write(body)));
    auto answer = connection->exchange(std::move(request), connection->call_deadline());
    if (!answer) return answer.status();
    auto object = object_in(*answer);
    if (!object) return object.status();
    if (api::kind_of(*object) != "Status") return with_type(std::move(*object), kind);
    Object gone = api::new_object(kind, ns, name);
    if (const std::string_view uid = api::string_at(*object, {"details", "uid"}); !uid.empty()) {
      api::make_object(gone, {"metadata"})["uid"] = uid;
    }
    return gone;
  }

  std::shared_ptr<KubeConnection> connection;
};

KubeClient::KubeClient(KubeConfig config, KubeClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(options))) {}

KubeClient::~KubeClient() = default;

Outcome<Object> KubeClient::get(const Kind& kind, std::string_view ns, std::string_view name) {
  if (auto wrong = Impl::fault(kind, ns, name, true)) return std::move(*wrong);
  auto answer =
      impl_->connection->exchange(get_request(path_of(kind, ns, name, {})), impl_->connection->call_deadline());
  if (!answer) return answer.status();
  auto object = object_in(*answer);
  if (!object) return object.status();
  return with_type(std::move(*object), kind);
}

Outcome<ListResult> KubeClient::list(const Kind& kind, const ListOptions& options) {
  return impl_->list(kind, options);
}

Outcome<std::unique_ptr<Watch>> KubeClient::watch(const Kind& kind, const WatchOptions& options) {
  return impl_->watch(kind, options);
}

Outcome<Object> KubeClient::create(const Kind& kind, const Object& object, const WriteOptions& options) {
  const std::string_view ns = api::namespace_of(object);
  if (auto wrong = Impl::fault(kind, ns, {}, false)) return std::move(*wrong);
  return impl_->write(kind, "POST", kind.path(net::percent_encode(ns)), kJson, json::write(object), options);
}

Outcome<Object> KubeClient::update(const Kind& kind, const Object& object, const WriteOptions& options) {
  return impl_->put(kind, object, {}, options);
}

Outcome<Object> KubeClient::update_status(const Kind& kind, const Object& object, const WriteOptions& options) {
  return impl_->put(kind, object, "status", options);
}

Outcome<Object> KubeClient::merge_patch(const Kind& kind, std::string_view ns, std::string_view name,
                                        const MergePatch& patch, const WriteOptions& options) {
  return impl_->patch(kind, ns, name, {}, PatchType::kMerge, patch.body(), options);
}

Outcome<Object> KubeClient::merge_patch_status(const Kind& kind, std::string_view ns, std::string_view name,
                                               const MergePatch& patch, const WriteOptions& options) {
  return impl_->patch(kind, ns, name, "status", PatchType::kMerge, patch.body(), options);
}

Outcome<Object> KubeClient::remove(const Kind& kind, std::string_view ns, std::string_view name,
                                   const DeleteOptions& options) {
  return impl_->remove(kind, ns, name, options);
}

Outcome<Object> KubeClient::patch(const Kind& kind, std::string_view ns, std::string_view name,
                                  std::string_view subresource, PatchType type, const json::value& body,
                                  const WriteOptions& options) {
  return impl_->patch(kind, ns, name, subresource, type, body, options);
}

Outcome<net::HttpResponse> KubeClient::raw(const net::HttpRequest& request) {
  return impl_->connection->exchange(request, impl_->connection->call_deadline());
}

Outcome<std::unique_ptr<net::HttpStream>> KubeClient::open(const net::HttpRequest& request) {
  return impl_->connection->open(request, impl_->connection->call_deadline());
}

void KubeClient::shutdown() {
  impl_->connection->shutdown();
}

const KubeConfig& KubeClient::config() const {
  return impl_->connection->config();
}

}  // namespace sedna::store
