#include "sedna/cli/version.hpp"

#include "sedna/api/object.hpp"

namespace sedna::cli {

int version(Cluster* cluster, Console& console, const Output& output) {
  json::object all{{"client", json::object{{"version", kVersion}}}};
  std::string trouble;
  if (cluster != nullptr) {
    const auto body = cluster->get("/version", "application/json");
    if (body) {
      auto parsed = json::parse(*body);
      if (parsed && parsed->is_object()) all["server"] = std::move(*parsed);
    } else {
      trouble = body.status().message;
    }
  }
  if (!output.is_table()) {
    print_value(console, output, all);
  } else {
    console.line("sedna " + std::string(kVersion));
    const std::string_view server = api::string_at(all, {"server", "gitVersion"});
    if (!server.empty()) console.line("server " + std::string(server) + " at " + cluster->url());
  }
  if (!trouble.empty()) {
    console.warn(cluster->url() + ": " + trouble);
    return 1;
  }
  return 0;
}

}  // namespace sedna::cli
