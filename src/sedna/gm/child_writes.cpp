#include "sedna/gm/child_writes.hpp"

#include "sedna/gm/children.hpp"

namespace sedna::gm {

namespace {

std::string named(const api::Object& object) {
  return std::string(api::kind_of(object)) + " " + std::string(api::name_of(object));
}

const api::Kind& kind_of(const api::Object& object) {
  const api::Kind* kind = api::find_kind(object);
  SEDNA_CHECK(kind != nullptr);
  return *kind;
}

json::object hash_patch(std::string_view hash) {
  json::object metadata;
  metadata["annotations"] = json::object{{kSpecHash, hash}};
  json::object body;
  body["metadata"] = std::move(metadata);
  return body;
}

}  // namespace

ChildObstacle explain_refusal(const api::Object& wanted, const store::Status& status) {
  if (status.is_transient() || status.is_conflict()) throw status.to_error();
  ChildObstacle out;
  out.message = named(wanted) + ": " + status.message;
  if (status.code == 403) {
    out.reason = "Forbidden";
    // A quota, or rights that this GM's account lacks (upstream's role has none for autoscalers).
    out.message += ". Hint: check quotas of the namespace and the role of GM's service account";
  } else if (status.is_not_found()) {
    out.reason = "NamespaceGone";
    out.failing = false;
  } else {
    out.reason = "InvalidWorker";
    for (const auto& cause : status.causes) {
      if (!cause.field.empty() && status.message.find(cause.field) == std::string::npos) {
        out.message += "; " + cause.field + ": " + cause.message;
      }
    }
  }
  return out;
}

std::optional<ChildObstacle> foreign_child(const api::Object& live, const api::Object& owner) {
  const auto controller = api::controller_of(live);
  if (controller && controller->uid == api::uid_of(owner)) return std::nullopt;
  ChildObstacle out;
  if (controller && controller->kind == api::kind_of(owner) && controller->name == api::name_of(owner)) {
    out.reason = "WaitingForDeletion";
    out.message =
        named(live) + " of an earlier " + std::string(api::kind_of(owner)) + " of the same name is still being deleted";
    out.failing = false;
    return out;
  }
  out.reason = "NameConflict";
  out.message = "there is already a " + named(live) + ", which does not belong to this " +
                std::string(api::kind_of(owner)) + ". Hint: delete it or choose another name";
  return out;
}

std::optional<ChildObstacle> create_child(store::ApiServer& server, control::Informer& informer,
                                          const api::Object& owner, const api::Object& wanted) {
  const api::Kind& kind = kind_of(wanted);
  auto created = server.create(kind, wanted);
  if (created) {
    informer.remember(std::move(*created));
    return std::nullopt;
  }
  if (!created.status().already_exists()) return explain_refusal(wanted, created.status());
  auto live = server.get(kind, api::namespace_of(wanted), api::name_of(wanted));
  if (!live) throw live.status().to_error();  // gone again: the next try makes it
  if (auto foreign = foreign_child(*live, owner)) return foreign;
  informer.remember(std::move(*live));
  return std::nullopt;
}

std::optional<ChildObstacle> patch_child(store::ApiServer& server, control::Informer& informer, const api::Object& live,
                                         json::object body) {
  auto answer = server.merge_patch(kind_of(live), api::namespace_of(live), api::name_of(live),
                                   store::MergePatch(std::move(body), api::resource_version_of(live)));
  if (!answer) return explain_refusal(live, answer.status());
  informer.remember(std::move(*answer));
  return std::nullopt;
}

std::optional<ChildObstacle> remove_child(store::ApiServer& server, control::Informer& informer,
                                          const api::Object& live) {
  store::DeleteOptions options;
  options.uid = api::uid_of(live);
  const auto answer = server.remove(kind_of(live), api::namespace_of(live), api::name_of(live), options);
  if (!answer && !answer.status().is_not_found()) return explain_refusal(live, answer.status());
  if (answer) informer.remember_gone(*answer);
  return std::nullopt;
}

std::optional<PodWarning> newest_warning(store::ApiServer& server, std::string_view ns, std::string_view pod) {
  store::ListOptions options;
  options.ns = ns;
  options.field_selector = "involvedObject.kind=Pod,involvedObject.name=" + std::string(pod);
  const auto events = server.list(api::kinds::kEvent, options);
  if (!events) return std::nullopt;
  const api::Object* newest = nullptr;
  for (const auto& event : events->items) {
    if (api::string_at(event, {"type"}) != "Warning") continue;
    if (newest == nullptr || api::string_at(event, {"lastTimestamp"}) >= api::string_at(*newest, {"lastTimestamp"})) {
      newest = &event;
    }
  }
  if (newest == nullptr) return std::nullopt;
  return PodWarning{std::string(api::string_at(*newest, {"reason"})),
                    std::string(api::string_at(*newest, {"message"}))};
}

void adopt_child(store::ApiServer& server, control::Informer& informer, const api::Object& live,
                 std::string_view hash) {
  auto answer = server.merge_patch(kind_of(live), api::namespace_of(live), api::name_of(live),
                                   store::MergePatch(hash_patch(hash)));
  if (!answer) throw answer.status().to_error();
  informer.remember(std::move(*answer));
}

std::optional<ChildObstacle> sync_hashed_spec(store::ApiServer& server, control::Informer& informer,
                                              const api::Object& live, const api::Object& wanted) {
  const std::string hash(api::annotation(wanted, kSpecHash).value_or(""));
  const auto known = api::annotation(live, kSpecHash);
  if (known && *known == hash) return std::nullopt;
  static const json::object kNone;
  const auto* spec = api::object_at(wanted, {"spec"});
  const auto* live_spec = api::object_at(live, {"spec"});
  SEDNA_CHECK(spec != nullptr);
  if (live_spec == nullptr) live_spec = &kNone;
  if (!known && is_subset(json::value(*spec), json::value(*live_spec))) {
    adopt_child(server, informer, live, hash);
    return std::nullopt;
  }
  json::object body = hash_patch(hash);
  body["spec"] = patch_to(*live_spec, *spec);
  return patch_child(server, informer, live, std::move(body));
}

}  // namespace sedna::gm
