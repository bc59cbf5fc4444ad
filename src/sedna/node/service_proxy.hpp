// Services of the home as the Pods of one node see them: each address and port of a Service is answered by the node's
// agent and carried to one of the Service's ready Pods. One thread; TCP.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sedna/base/metrics.hpp"
#include "sedna/control/informer.hpp"
#include "sedna/node/tcp_relay.hpp"

namespace sedna::node {

/// (address, port) of a Service → its ready Pods. Ports without one are absent: nobody listens, clients are refused at
/// once.
using ProxyTable = std::map<std::pair<std::string, std::uint16_t>, std::vector<Backend>>;

/// What Services and EndpointSlices mean. Pure.
ProxyTable proxy_table(const std::vector<control::ObjectPtr>& services, const std::vector<control::ObjectPtr>& slices);

class ServiceProxy {
 public:
  /// Sets handlers on both informers: before they start.
  ServiceProxy(control::Informer& services, control::Informer& slices, metrics::Registry& registry);
  ~ServiceProxy();
  ServiceProxy(const ServiceProxy&) = delete;
  ServiceProxy& operator=(const ServiceProxy&) = delete;
  void start();
  /// Connections under way are dropped.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sedna::node
