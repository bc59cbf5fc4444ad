#include "sedna/node/hosts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "sedna/base/log.hpp"

namespace sedna::node {

namespace {

constexpr std::string_view kDomain = ".svc.cluster.local";
/// Changes come in bunches; each rewrites every file once.
constexpr auto kNever = std::chrono::hours(24);

std::vector<std::string> spellings(const ServiceName& service, const std::string& ns) {
  const std::string full = service.name + "." + service.ns;
  std::vector<std::string> out;
  if (service.ns == ns) out.push_back(service.name);
  out.insert(out.end(), {full, full + ".svc", full + std::string(kDomain)});
  return out;
}

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

}  // namespace

std::string hosts_text(const std::string& ns, const std::string& hostname, const std::string& ip,
                       const std::vector<ServiceName>& services) {
  std::string out =
      "# Written by sedna-node: this Pod and the Services of this home.\n"
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  if (!ip.empty()) out += ip + "\t" + hostname + "\n";
  for (const auto& service : services) {
    for (const auto& address : service.addresses) {
      out += address + "\t";
      const auto names = spellings(service, ns);
      for (std::size_t i = 0; i < names.size(); ++i) out += (i == 0 ? "" : " ") + names[i];
      out += "\n";
    }
  }
  return out;
}

std::string replace_service_names(const std::string& ns, const std::string& value,
                                  const std::vector<ServiceName>& services) {
  for (const auto& service : services) {
    if (service.addresses.empty()) continue;
    auto names = spellings(service, ns);
    std::ranges::reverse(names);  // the longest first
    for (const auto& name : names) {
      const bool bare = name == service.name;  // a single word is replaced only where it is clearly a host
      if (value == name && (!bare || value.find('.') != std::string::npos)) return service.addresses.front();
      for (const std::string_view before : {"://", ""}) {
        if (before.empty() && bare) continue;
        const std::string wanted = std::string(before) + name;
        const auto at = value.find(wanted);
        if (at == std::string::npos) continue;
        const auto begin = at + before.size(), end = at + wanted.size();
        const bool starts = begin == 0 || !name_character(value[begin - 1]);
        const bool ends = end == value.size() || value[end] == ':' || value[end] == '/';
        if (!starts || !ends) continue;
        return value.substr(0, begin) + service.addresses.front() + value.substr(end);
      }
    }
  }
  return value;
}

Hosts::Hosts(control::Informer& services, control::Informer& slices)
    : services_(services), slices_(slices), task_("hosts", kNever, [this] { refresh(); }) {
  services.add_handler([this](const control::ObjectCache::Change& change) {
    if (change.before && change.after &&
        api::string_at(*change.before, {"spec", "clusterIP"}) == api::string_at(*change.after, {"spec", "clusterIP"}))
      return;
    task_.trigger();
  });
  slices.add_handler([this](const control::ObjectCache::Change& change) {
    const auto& any = change.after ? change.after : change.before;
    if (api::label(*any, "service.kubernetes.io/headless")) task_.trigger();
  });
}

std::vector<ServiceName> Hosts::names() const {
  std::vector<ServiceName> out;
  for (const auto& service : services_.cache().list()) {
    ServiceName one{std::string(api::namespace_of(*service)), std::string(api::name_of(*service)), {}};
    const std::string address(api::string_at(*service, {"spec", "clusterIP"}));
    if (address == "None") {
      for (const auto& slice : slices_.cache().list(one.ns)) {
        if (api::label(*slice, "kubernetes.io/service-name") != std::string_view(one.name)) continue;
        const auto* endpoints = api::array_at(*slice, {"endpoints"});
        if (endpoints == nullptr) continue;
        for (const auto& endpoint : *endpoints) {
          if (!endpoint.is_object()) continue;
          const auto* ready = api::find(endpoint.get_object(), {"conditions", "ready"});
          const auto* addresses = api::array_at(endpoint.get_object(), {"addresses"});
          if (ready == nullptr || !ready->is_bool() || !ready->get_bool() || addresses == nullptr) continue;
          for (const auto& a : *addresses) {
            if (a.is_string()) one.addresses.emplace_back(a.get_string());
          }
        }
      }
    } else if (!address.empty()) {
      one.addresses.push_back(address);
    }
    if (!one.addresses.empty()) out.push_back(std::move(one));
  }
  return out;
}

/// In place: the file is bound into containers by its inode. Readers see it whole, as it is written by one call.
void Hosts::write(Entry& entry, const std::vector<ServiceName>& services) const {
  auto text = hosts_text(entry.ns, entry.hostname, entry.ip, services);
  if (text == entry.written) return;
  const int fd = ::open(entry.file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  const bool ok = fd >= 0 && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
                  ::ftruncate(fd, static_cast<off_t>(text.size())) == 0;
  if (fd >= 0) ::close(fd);
  if (!ok) {
    log::warning("cannot write a hosts file", {{"file", entry.file.string()}});
    return;
  }
  entry.written = std::move(text);
}

void Hosts::add(const api::Object& pod, const std::string& ip, const Path& file) {
  const auto services = names();
  const std::lock_guard lock(mutex_);
  auto& entry = entries_[std::string(api::uid_of(pod))];
  entry.ns = api::namespace_of(pod);
  entry.hostname = api::string_at(pod, {"spec", "hostname"}, api::name_of(pod));
  entry.ip = ip;
  entry.file = file;
  write(entry, services);
}

void Hosts::forget(const std::string& uid) {
  const std::lock_guard lock(mutex_);
  entries_.erase(uid);
}

std::string Hosts::rewrite(const std::string& ns, const std::string& value) const {
  return replace_service_names(ns, value, names());
}

void Hosts::refresh() {
  const auto services = names();
  const std::lock_guard lock(mutex_);
  for (auto& [uid, entry] : entries_) write(entry, services);
}

}  // namespace sedna::node
