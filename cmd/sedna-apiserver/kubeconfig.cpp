#include <cstdio>
#include <fstream>
#include <sstream>

#include "sedna/apiserver/state_folder.hpp"
#include "sedna/base/error.hpp"
#include "sedna/json/json.hpp"

#include "commands.hpp"

namespace sedna::apiserver_program {
namespace {

/// Where the server is, as an existing kubeconfig says.
std::string server_in(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  const auto body = json::parse(text.str());
  if (!body || !body->is_object()) return {};
  const json::value* clusters = body->get_object().if_contains("clusters");
  if (clusters == nullptr || !clusters->is_array() || clusters->get_array().empty()) return {};
  const json::value& first = clusters->get_array().front();
  const json::value* cluster = first.is_object() ? first.get_object().if_contains("cluster") : nullptr;
  const json::value* server =
      cluster != nullptr && cluster->is_object() ? cluster->get_object().if_contains("server") : nullptr;
  return server != nullptr && server->is_string() ? std::string(server->get_string()) : std::string();
}

}  // namespace

int make_kubeconfig(const std::string& state, const std::string& name, const std::string& server) {
  apiserver::StateFolder folder(state);
  std::string url = server;
  // Daemons reach the server where the GM does.
  const bool daemon = name.starts_with("node-") || name.starts_with("lc-") || name == "gm";
  if (url.empty()) url = server_in(folder.file(daemon ? "kubeconfigs/gm" : "kubeconfig"));
  if (url.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "the server has not been started on this folder yet: say where it will be",
                "--server");
  }
  std::printf("%s\n", folder.write_kubeconfig(name, url).c_str());
  return 0;
}

}  // namespace sedna::apiserver_program
