#include "sedna/cluster/services.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <set>

#include "sedna/cluster/endpoints.hpp"
#include "sedna/cluster/pods.hpp"

namespace sedna::cluster {

using control::ReconcileResult;

AddressRange AddressRange::parse(const std::string& cidr) {
  const auto fail = [&] {
    return Error(ErrorCode::kInvalidArgument, "is not an IPv4 range such as 10.96.0.0/16", cidr);
  };
  const auto slash = cidr.find('/');
  if (slash == std::string::npos) throw fail();
  in_addr address{};
  if (inet_pton(AF_INET, cidr.substr(0, slash).c_str(), &address) != 1) throw fail();
  int bits = 0;
  const auto [end, error] = std::from_chars(cidr.data() + slash + 1, cidr.data() + cidr.size(), bits);
  if (error != std::errc() || end != cidr.data() + cidr.size() || bits < 8 || bits > 30) throw fail();
  const std::uint32_t size = 1U << (32 - bits);
  AddressRange out;
  const std::uint32_t base = ntohl(address.s_addr) & ~(size - 1);
  out.first = base + 1;
  out.last = base + size - 2;
  return out;
}

std::string AddressRange::text(std::uint32_t address) {
  in_addr in{htonl(address)};
  char buffer[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &in, buffer, sizeof buffer);
  return buffer;
}

ServiceLoop::ServiceLoop(store::ApiServer& server, Caches& caches, const std::string& service_cidr)
    : server_(server), caches_(caches), range_(AddressRange::parse(service_cidr)) {}

void ServiceLoop::watch(control::Controller& controller) {
  controller.watch(caches_.of(api::kinds::kService));
  controller.watch_owned(caches_.of(api::kinds::kEndpointSlice), api::kinds::kService);
  // A Pod concerns the Services that select it. Most changes of a Pod's status change nothing for them.
  caches_.pods().add_handler([this, &controller](const control::ObjectCache::Change& change) {
    if (change.before && change.after) {
      const auto same = [&](std::initializer_list<std::string_view> path) {
        const auto* a = api::find(*change.before, path);
        const auto* b = api::find(*change.after, path);
        return a == nullptr ? b == nullptr : b != nullptr && *a == *b;
      };
      if (same({"metadata", "labels"}) && same({"status", "podIP"}) && same({"status", "phase"}) &&
          same({"metadata", "deletionTimestamp"}) && is_ready(*change.before) == is_ready(*change.after))
        return;
    }
    for (const auto* side : {&change.before, &change.after}) {
      if (*side == nullptr) continue;
      const auto* labels = api::object_at(**side, {"metadata", "labels"});
      if (labels == nullptr) continue;
      for (const auto& entry : *labels) {
        if (!entry.value().is_string()) continue;
        const auto label = std::string(entry.key()) + "=" + std::string(entry.value().get_string());
        for (const auto& service : caches_.of(api::kinds::kService).cache().by_index(kBySelector, label)) {
          if (api::namespace_of(*service) == api::namespace_of(**side) &&
              labels_match(api::object_at(*service, {"spec", "selector"}), **side))
            controller.queue().add(api::key_of(*service));
        }
      }
    }
  });
}

std::string ServiceLoop::free_address() const {
  std::set<std::string, std::less<>> taken;
  for (const auto& service : caches_.of(api::kinds::kService).cache().list())
    taken.emplace(api::string_at(*service, {"spec", "clusterIP"}));
  for (auto address = range_.first; address <= range_.last; ++address) {
    auto text = AddressRange::text(address);
    if (!taken.contains(text)) return text;
  }
  return {};
}

std::string ServiceLoop::sync_slices(const api::Object& service) {
  auto& slices = caches_.of(api::kinds::kEndpointSlice);
  std::vector<control::ObjectPtr> pods;
  const auto* selector = api::object_at(service, {"spec", "selector"});
  if (selector != nullptr && !selector->empty() && selector->begin()->value().is_string()) {
    const auto first =
        std::string(selector->begin()->key()) + "=" + std::string(selector->begin()->value().get_string());
    pods = caches_.pods().cache().by_index(kByLabel, first);
  }
  const auto wanted = endpoint_slices(service, pods);
  std::set<std::string, std::less<>> keep;
  for (const auto& slice : wanted) {
    keep.emplace(api::name_of(slice));
    const auto there = slices.cache().get(api::namespace_of(slice), api::name_of(slice));
    if (there && same_slice(*there, slice)) continue;
    store::Outcome<api::Object> written = store::Status{};
    if (there) {
      auto changed = *there;
      for (const char* part : {"endpoints", "ports"}) changed[part] = slice.at(part);
      changed["metadata"].as_object()["labels"] = slice.at("metadata").at("labels");
      written = server_.update(api::kinds::kEndpointSlice, changed);
    } else {
      written = server_.create(api::kinds::kEndpointSlice, slice);
    }
    if (!written) return written.status().message;
    slices.remember(std::move(*written));
  }
  const auto uid = std::string(api::uid_of(service));
  for (const auto& slice : slices.cache().by_index(kByController, uid)) {
    if (api::label(*slice, kManagedByLabel) != kManager || keep.contains(api::name_of(*slice))) continue;
    std::string why;
    if (!remove_object(server_, slices, *slice, why)) return why;
  }
  return {};
}

ReconcileResult ServiceLoop::reconcile(const std::string& key) {
  auto& services = caches_.of(api::kinds::kService);
  auto service = services.cache().get(key);
  if (service == nullptr || api::is_deleting(*service)) return ReconcileResult::done();
  if (api::string_at(*service, {"spec", "clusterIP"}).empty() &&
      api::string_at(*service, {"spec", "type"}, "ClusterIP") != "ExternalName") {
    const auto address = free_address();
    if (address.empty()) return ReconcileResult::failed("every address for Services is taken");
    auto patched = server_.merge_patch(
        api::kinds::kService, api::namespace_of(*service), api::name_of(*service),
        store::MergePatch(json::object{{"spec", {{"clusterIP", address}, {"clusterIPs", json::array{address}}}}},
                          api::resource_version_of(*service)));
    if (!patched) {
      if (patched.status().is_not_found()) return ReconcileResult::done();
      return ReconcileResult::failed(patched.status().message);
    }
    services.remember(std::move(*patched));
    service = services.cache().get(key);
    if (service == nullptr) return ReconcileResult::done();
  }
  auto why = sync_slices(*service);
  return why.empty() ? ReconcileResult::done() : ReconcileResult::failed(std::move(why));
}

}  // namespace sedna::cluster
