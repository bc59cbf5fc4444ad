// A server on any loopback port with its own registry, and handlers that many tests want.
#pragma once

#include "sedna/serve/server.hpp"

namespace sedna::serve::test {

inline ServerOptions quiet_options() {
  ServerOptions options;
  options.access_log = false;
  return options;
}

class TestServer {
 public:
  explicit TestServer(ServerOptions options = quiet_options()) : server_(std::move(options), registry_) {}
  Server* operator->() { return &server_; }
  metrics::Registry& registry() { return registry_; }

 private:
  metrics::Registry registry_;
  Server server_;
};

inline Task<Response> echo(Request& request) {
  Response out;
  out.body.push_back(request.body);
  co_return out;
}

}  // namespace sedna::serve::test
