#include "sedna/node/limits.hpp"

#include <algorithm>

#include "sedna/api/quantity.hpp"

namespace sedna::node {

namespace {

namespace fs = std::filesystem;

std::int64_t limit(const json::object& container, std::string_view what, bool millis) {
  const auto* limits = api::object_at(container, {"resources", "limits"});
  const auto* v = limits == nullptr ? nullptr : limits->if_contains(what);
  if (v == nullptr) return 0;
  const auto quantity = api::Quantity::from_json(*v);
  if (!quantity) return 0;
  return millis ? quantity->milli_value() : quantity->value();
}

std::vector<Path> gpu_files() {
  std::vector<Path> out;
  std::error_code error;
  for (auto it = fs::directory_iterator("/dev", error); !error && it != fs::directory_iterator(); it.increment(error)) {
    if (it->path().filename().string().starts_with("nvidia")) out.push_back(it->path());
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

int count_gpus() {
  const auto files = gpu_files();
  return static_cast<int>(std::ranges::count_if(files, [](const Path& path) {
    const std::string name = path.filename().string();
    return name.size() > 6 && std::all_of(name.begin() + 6, name.end(), [](char c) { return c >= '0' && c <= '9'; });
  }));
}

ContainerLimits container_limits(const json::object& container, const Cgroups& cgroups, const std::string& name) {
  ContainerLimits out;
  const CgroupLimits wanted{limit(container, "memory", false), limit(container, "cpu", true)};
  if (wanted.memory > 0 || wanted.cpu_millis > 0) {
    auto made = cgroups.make(name, wanted);
    out.cgroups = std::move(made.join);
    if (!made.memory) out.watched_memory = wanted.memory;
    if (wanted.cpu_millis > 0 && !made.cpu)
      out.notes.emplace_back("cpu limits are not enforced on this machine (no writable control group)");
  }
  if (limit(container, "nvidia.com/gpu", false) > 0) out.devices = gpu_files();
  return out;
}

}  // namespace sedna::node
