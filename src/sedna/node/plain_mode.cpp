#include "sedna/node/plain_mode.hpp"

#include <algorithm>

namespace sedna::node {

namespace {

std::string rewrite_one(const std::vector<SandboxMount>& mounts, const std::string& path) {
  if (!path.starts_with('/')) return path;
  const SandboxMount* best = nullptr;
  for (const auto& mount : mounts) {
    const std::string target = mount.target.string();
    const bool below = path == target || path.starts_with(target.ends_with('/') ? target : target + "/");
    if (below && (best == nullptr || target.size() > best->target.string().size())) best = &mount;
  }
  if (best == nullptr) return path;
  return best->source.string() + path.substr(best->target.string().size());
}

}  // namespace

std::string rewrite_paths(const std::vector<SandboxMount>& mounts, const std::string& text) {
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(';', begin), text.size());
    // upstream's storage initializer marks indirect destinations with @
    const bool marked = begin < text.size() && text[begin] == '@';
    if (begin > 0) out += ';';
    if (marked) out += '@';
    out += rewrite_one(mounts, text.substr(begin + (marked ? 1 : 0), end - begin - (marked ? 1 : 0)));
    begin = end + 1;
  }
  return out;
}

void rewrite_for_plain_mode(const std::vector<SandboxMount>& mounts, std::vector<std::string>& argv,
                            Environment& environment) {
  for (auto& word : argv) word = rewrite_paths(mounts, word);
  for (auto& [name, value] : environment)
    value = name == "DATA_PATH_PREFIX" ? std::string() : rewrite_paths(mounts, value);
}

void set_plain_addresses(const std::string& pod_ip, const std::string& node_ip, Environment& environment) {
  for (const char* name : {"BIG_MODEL_BIND_IP", "EDGE_BIND_IP", "AGG_BIND_IP"}) {
    if (std::ranges::find(environment, name, &Environment::value_type::first) == environment.end()) {
      environment.emplace_back(name, pod_ip);
    }
  }
  const auto lc = std::ranges::find(environment, "LC_SERVER", &Environment::value_type::first);
  if (lc == environment.end()) return;
  for (const std::string host : {"://localhost:", "://127.0.0.1:"}) {
    if (const auto at = lc->second.find(host); at != std::string::npos) {
      lc->second.replace(at, host.size(), "://" + node_ip + ":");
      return;
    }
  }
}

}  // namespace sedna::node
