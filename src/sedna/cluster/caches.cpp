#include "sedna/cluster/caches.hpp"

#include <algorithm>

namespace sedna::cluster {

namespace {

void keep_metadata(api::Object& object) {
  std::vector<std::string> drop;
  for (const auto& entry : object) {
    const std::string_view key = entry.key();
    if (key != "apiVersion" && key != "kind" && key != "metadata") drop.emplace_back(key);
  }
  for (const auto& key : drop) object.erase(key);
  if (auto* metadata = api::find(object, {"metadata"}); metadata != nullptr && metadata->is_object())
    metadata->get_object().erase("annotations");
}

/// No loop reads what a Pod's containers run with; they are most of a Pod's bytes.
void trim_pod(api::Object& pod) {
  auto* spec = api::find(pod, {"spec"});
  if (spec == nullptr || !spec->is_object()) return;
  spec->get_object().erase("initContainers");
  spec->get_object().erase("volumes");
  if (auto* containers = api::find(pod, {"spec", "containers"}); containers != nullptr && containers->is_array()) {
    for (auto& container : containers->get_array()) {
      if (!container.is_object()) continue;
      for (const char* part : {"env", "volumeMounts", "command", "args", "livenessProbe", "readinessProbe",
                               "startupProbe", "lifecycle", "image"})
        container.get_object().erase(part);
    }
  }
  if (auto* status = api::find(pod, {"status"}); status != nullptr && status->is_object()) {
    status->get_object().erase("containerStatuses");
    status->get_object().erase("initContainerStatuses");
  }
}

std::vector<std::string> owner_uids(const api::Object& object) {
  std::vector<std::string> out;
  for (const auto& owner : api::owners_of(object)) out.push_back(owner.uid);
  return out;
}

std::vector<std::string> labels_of(const api::Object& object) {
  std::vector<std::string> out;
  if (const auto* labels = api::object_at(object, {"metadata", "labels"})) {
    for (const auto& entry : *labels) {
      if (entry.value().is_string())
        out.push_back(std::string(entry.key()) + "=" + std::string(entry.value().get_string()));
    }
  }
  return out;
}

std::vector<std::string> first_selector_entry(const api::Object& service) {
  const auto* selector = api::object_at(service, {"spec", "selector"});
  if (selector == nullptr || selector->empty() || !selector->begin()->value().is_string()) return {};
  return {std::string(selector->begin()->key()) + "=" + std::string(selector->begin()->value().get_string())};
}

}  // namespace

Caches::Caches(store::ApiServer& server) {
  using namespace api::kinds;
  for (const api::Kind* kind : api::all_kinds()) {
    if (kind == &kEvent) continue;
    control::InformerOptions options;
    const bool whole = kind == &kDeployment || kind == &kService || kind == &kEndpointSlice || kind == &kNode ||
                       kind == &kLease || kind == &kNamespace;
    if (kind == &kPod) {
      options.trim = trim_pod;
    } else if (!whole) {
      options.trim = keep_metadata;
    }
    if (kind == &kLease) options.ns = "kube-node-lease";
    auto informer = std::make_unique<control::Informer>(server, *kind, std::move(options));
    if (kind != &kLease) {
      collected_.push_back(kind);
      informer->add_index(kByOwner, owner_uids);
    }
    if (kind == &kPod) {
      informer->add_index(kByController, control::index_by_controller_uid);
      informer->add_index(kByNode, [](const api::Object& pod) {
        return std::vector<std::string>{std::string(api::string_at(pod, {"spec", "nodeName"}))};
      });
      informer->add_index(kByLabel, labels_of);
    }
    if (kind == &kService) informer->add_index(kBySelector, first_selector_entry);
    if (kind == &kEndpointSlice) informer->add_index(kByController, control::index_by_controller_uid);
    informers_.emplace(kind, std::move(informer));
  }
}

control::Informer& Caches::of(const api::Kind& kind) const {
  const auto it = informers_.find(&kind);
  SEDNA_CHECK(it != informers_.end());
  return *it->second;
}

void Caches::start() {
  for (auto& [kind, informer] : informers_) informer->start();
}

void Caches::stop() {
  for (auto& [kind, informer] : informers_) informer->stop();
}

bool Caches::wait_synced(Deadline deadline) const {
  return std::ranges::all_of(informers_, [&](const auto& one) { return one.second->wait_synced(deadline); });
}

bool remove_object(store::ApiServer& server, control::Informer& informer, const api::Object& object, std::string& why,
                   std::optional<std::int64_t> grace) {
  store::DeleteOptions options;
  options.uid = api::uid_of(object);
  options.grace_period_seconds = grace;
  auto gone = server.remove(informer.kind(), api::namespace_of(object), api::name_of(object), options);
  if (gone) {
    // Kept by finalizers or a grace period: the watch tells when it goes.
    if (api::is_deleting(*gone)) {
      auto still = server.get(informer.kind(), api::namespace_of(object), api::name_of(object));
      if (still && api::uid_of(*still) == api::uid_of(object)) {
        informer.remember(std::move(*still));
        return true;
      }
    }
    informer.remember_gone(*gone);
    return true;
  }
  if (gone.status().is_not_found()) {
    informer.remember_gone(object);
    return true;
  }
  if (gone.status().is_conflict()) return true;  // another object of that name by now
  why = gone.status().message;
  return false;
}

}  // namespace sedna::cluster
