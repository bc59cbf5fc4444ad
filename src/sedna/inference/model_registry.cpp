#include "sedna/inference/model_registry.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "sedna/base/log.hpp"

namespace sedna::inference {

namespace {

namespace fs = std::filesystem;

/// "2" < "10": shorter numbers first.
bool version_less(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

bool is_version(const std::string& text) {
  return !text.empty() && text.size() <= 18 && text[0] != '0' &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// A name that is one folder's name and nothing else.
void check_name(const std::string& name) {
  const bool plain =
      !name.empty() && name.size() <= 255 && name[0] != '.' &&
      std::ranges::all_of(name, [](unsigned char c) { return c > 0x20 && c != '/' && c != '\\' && c != 0x7f; });
  if (!plain) throw Error(ErrorCode::kInvalidArgument, "is not a model name", name);
}

/// Versions of a model folder that hold a model file, ascending.
std::vector<std::string> versions_on_disk(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    const std::string version = entry.path().filename().string();
    if (is_version(version) && fs::is_regular_file(entry.path() / "model.onnx", ec)) found.push_back(version);
  }
  std::ranges::sort(found, version_less);
  return found;
}

}  // namespace

ModelRegistry::ModelRegistry(ServingOptions options, metrics::Registry& metrics, std::string repository,
                             ModelLoader loader)
    : options_(options), metrics_(metrics), repository_(std::move(repository)), loader_(std::move(loader)) {
  std::error_code ec;
  if (!repository_.empty() && !fs::is_directory(repository_, ec)) {
    throw Error(ErrorCode::kNotFound, "the model repository is not a folder", repository_);
  }
}

ModelRegistry::~ModelRegistry() {
  stop();
}

ServedModelPtr ModelRegistry::add(EstimatorPtr estimator) {
  const std::string name = estimator->metadata().name;
  const std::string version = estimator->metadata().version;
  check_name(name);
  if (!is_version(version))
    throw Error(ErrorCode::kInvalidArgument, "model versions are numbers from 1", name + "/" + version);
  auto model = std::make_shared<ServedModel>(std::move(estimator), options_, metrics_);
  ServedModelPtr old;
  {
    const std::lock_guard lock(mutex_);
    old = std::exchange(models_[name][version], model);
    failures_.erase(name);
  }
  // `old` is freed here or by its last request; its waiting requests are still worked off.
  return model;
}

ServedModelPtr ModelRegistry::find(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  const auto model = models_.find(name);
  if (model == models_.end() || model->second.empty()) return nullptr;
  if (!version.empty()) {
    const auto found = model->second.find(version);
    return found == model->second.end() ? nullptr : found->second;
  }
  if (model->second.size() == 1) return model->second.begin()->second;
  return std::ranges::max_element(model->second, version_less, [](const auto& v) { return v.first; })->second;
}

Error ModelRegistry::not_found(std::string_view name, std::string_view version) const {
  std::string known;
  bool has_name = false;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [model, versions] : models_) {
      if (model == name) has_name = true;
      known += (known.empty() ? "" : ", ") + model;
    }
  }
  std::string text = "model '" + std::string(name) + "'";
  text += has_name ? " has no version " + std::string(version) : " is not known";
  text += known.empty() ? "; no model is loaded" : "; loaded: " + known;
  return Error(ErrorCode::kNotFound, std::move(text));
}

std::vector<ServedModelPtr> ModelRegistry::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<ServedModelPtr> out;
  for (const auto& [name, versions] : models_) {
    for (const auto& [version, model] : versions) out.push_back(model);
  }
  return out;
}

std::vector<std::string> ModelRegistry::versions(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  const auto model = models_.find(name);
  if (model == models_.end()) return out;
  for (const auto& [version, served] : model->second) out.push_back(version);
  std::ranges::sort(out, version_less);
  return out;
}

std::vector<tensor::oip::RepositoryEntry> ModelRegistry::index() const {
  std::vector<tensor::oip::RepositoryEntry> entries;
  std::map<std::string, std::string> failed;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, versions] : models_) {
      for (const auto& [version, model] : versions) entries.push_back({name, version, "READY", ""});
    }
    failed.insert(failures_.begin(), failures_.end());
  }
  if (repository_.empty()) return entries;
  std::error_code ec;
  for (const auto& folder : fs::directory_iterator(repository_, ec)) {
    const std::string name = folder.path().filename().string();
    for (const std::string& version : versions_on_disk(folder.path())) {
      const bool loaded = std::ranges::any_of(
          entries, [&](const tensor::oip::RepositoryEntry& e) { return e.name == name && e.version == version; });
      if (loaded) continue;
      const auto why = failed.find(name);
      entries.push_back({name, version, "UNAVAILABLE", why == failed.end() ? "unloaded" : why->second});
    }
  }
  std::ranges::sort(entries, {}, [](const tensor::oip::RepositoryEntry& e) { return std::pair(e.name, e.version); });
  return entries;
}

void ModelRegistry::load(const std::string& name) {
  if (repository_.empty())
    throw Error(ErrorCode::kUnimplemented, "this server has no model repository (--model-repository)");
  check_name(name);
  const std::lock_guard one_at_a_time(load_mutex_);
  const fs::path folder = fs::path(repository_) / name;
  const auto versions = versions_on_disk(folder);
  if (versions.empty()) {
    throw Error(ErrorCode::kNotFound,
                "the repository has no model '" + name + "' (expected " + name + "/<version>/model.onnx)");
  }
  const std::string& version = versions.back();
  EstimatorPtr estimator;
  try {
    estimator = loader_((folder / version / "model.onnx").string(), name, version);
  } catch (const Error& error) {
    const std::lock_guard lock(mutex_);
    failures_[name] = error.message();
    throw;
  }
  add(std::move(estimator));
  std::vector<ServedModelPtr> old;  // freed outside the lock
  {
    const std::lock_guard lock(mutex_);
    auto& served = models_[name];
    for (auto it = served.begin(); it != served.end();) {
      if (it->first == version) {
        ++it;
        continue;
      }
      old.push_back(std::move(it->second));
      it = served.erase(it);
    }
  }
  log::info("model loaded", {{"model", name}, {"version", version}});
}

void ModelRegistry::unload(const std::string& name) {
  if (repository_.empty())
    throw Error(ErrorCode::kUnimplemented, "this server has no model repository (--model-repository)");
  decltype(models_)::node_type node;
  {
    const std::lock_guard lock(mutex_);
    const auto it = models_.find(name);
    if (it != models_.end()) node = models_.extract(it);
  }
  if (node.empty()) throw not_found(name, {});
  log::info("model unloaded", {{"model", name}});
}

void ModelRegistry::stop() {
  for (const ServedModelPtr& model : all()) model->stop();
}

}  // namespace sedna::inference
