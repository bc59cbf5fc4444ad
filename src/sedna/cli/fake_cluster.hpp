// A Cluster for tests: the embedded engine in process; plain requests answer what the test put there.
#pragma once

#include <map>
#include <string>

#include "sedna/cli/cluster.hpp"
#include "sedna/store/embedded/embedded_server.hpp"

namespace sedna::cli {

class FakeCluster : public Cluster {
 public:
  FakeCluster() {
    static_cast<void>(
        server_.create(api::kinds::kNamespace, api::new_object(api::kinds::kNamespace, "", "default"), {}));
  }
  store::ApiServer& api() override { return server_; }
  store::Outcome<std::string> get(const std::string& target, const std::string&) override {
    const auto it = bodies.find(target);
    if (it != bodies.end()) return it->second;
    store::Status status;
    status.code = 404;
    status.reason = "NotFound";
    status.message = target + " is not there";
    return status;
  }
  store::Outcome<bool> stream(const std::string& target, const std::string& accept, const Sink& sink) override {
    auto body = get(target, accept);
    if (!body) return body.status();
    return sink(*body);
  }
  std::string url() const override { return "https://127.0.0.1:1"; }
  std::string default_namespace() const override { return "default"; }

  std::map<std::string, std::string> bodies;  ///< by target

 private:
  store::embedded::EmbeddedServer server_;
};

}  // namespace sedna::cli
