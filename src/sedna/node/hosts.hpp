// The names of Services for the Pods of this node: a hosts file per Pod, bound at /etc/hosts in its containers and
// rewritten in place when Services change; in plain mode, addresses put into the environment instead.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "sedna/control/informer.hpp"
#include "sedna/control/periodic.hpp"
#include "sedna/node/paths.hpp"

namespace sedna::node {

/// A Service and the addresses its name stands for.
struct ServiceName {
  std::string ns, name;
  std::vector<std::string> addresses;
};
/// The text of a hosts file for a Pod of namespace `ns`.
std::string hosts_text(const std::string& ns, const std::string& hostname, const std::string& ip,
                       const std::vector<ServiceName>& services);
/// Names of Services ("web.default", "web.default.svc.cluster.local", in namespace `ns` also "web") that stand alone or
/// as the host of URLs in `value`, replaced by their address.
std::string replace_service_names(const std::string& ns, const std::string& value,
                                  const std::vector<ServiceName>& services);

/// Thread-safe.
class Hosts {
 public:
  Hosts(control::Informer& services, control::Informer& slices);
  /// After the informers' handlers are set (the constructor does that) and they have started.
  void start() { task_.start(); }
  void stop() { task_.stop(); }
  /// Writes the Pod's file now, and whenever something changes, until forget().
  void add(const api::Object& pod, const std::string& ip, const Path& file);
  void forget(const std::string& uid);
  std::string rewrite(const std::string& ns, const std::string& value) const;

 private:
  struct Entry {
    std::string ns, hostname, ip;
    Path file;
    std::string written;
  };
  std::vector<ServiceName> names() const;
  void write(Entry& entry, const std::vector<ServiceName>& services) const;
  void refresh();

  control::Informer& services_;
  control::Informer& slices_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  control::PeriodicTask task_;
};

}  // namespace sedna::node
