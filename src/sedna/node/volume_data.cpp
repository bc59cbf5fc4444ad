#include "sedna/node/volume_data.hpp"

#include <unistd.h>

#include <algorithm>

#include "sedna/base/ids.hpp"
#include "sedna/node/files.hpp"
#include "sedna/storage/local.hpp"

namespace sedna::node {

namespace {

namespace fs = std::filesystem;

unsigned mode_at(const json::object& o, std::string_view name, unsigned fallback) {
  const auto mode = api::int_at(o, {name}, fallback);
  return static_cast<unsigned>(mode) & 0777U;
}

Result<void> put(DataFiles& files, std::string_view path, std::string content, unsigned mode) {
  const auto inside = storage::join_inside("x", path);
  if (!inside) return Error(ErrorCode::kInvalidArgument, "\"" + std::string(path) + "\" is no path inside a volume");
  files[std::string(path)] = {std::move(content), mode};
  return {};
}

Result<void> add_data(DataFiles& files, const json::object& source, Source from, const std::string& name, unsigned mode,
                      const DataLookup& lookup) {
  const auto* optional = source.if_contains("optional");
  const bool may_miss = optional != nullptr && optional->is_bool() && optional->get_bool();
  const std::string what = from == Source::kSecret ? "secret" : "configmap";
  auto data = lookup(from, name);
  if (!data) return data.error();
  if (!*data) {
    if (may_miss) return {};
    return Error(ErrorCode::kNotFound, what + " \"" + name + "\" not found");
  }
  const auto* items = api::array_at(source, {"items"});
  if (items == nullptr || items->empty()) {
    for (auto& [key, value] : **data) {
      if (auto ok = put(files, key, std::move(value), mode); !ok) return ok;
    }
    return {};
  }
  for (const auto& item : *items) {
    if (!item.is_object()) continue;
    const std::string key(api::string_at(item.get_object(), {"key"}));
    const auto it = std::ranges::find_if(**data, [&](const auto& entry) { return entry.first == key; });
    if (it == (**data).end()) {
      if (may_miss) continue;
      return Error(ErrorCode::kNotFound, what + " \"" + name + "\" references non-existent key: " + key);
    }
    if (auto ok = put(files, api::string_at(item.get_object(), {"path"}), it->second,
                      mode_at(item.get_object(), "mode", mode));
        !ok)
      return ok;
  }
  return {};
}

Result<void> add_fields(DataFiles& files, const api::Object& pod, const json::object& source, unsigned mode,
                        const PodFacts& facts) {
  const auto* items = api::array_at(source, {"items"});
  if (items == nullptr) return {};
  for (const auto& item : *items) {
    if (!item.is_object()) continue;
    const auto& o = item.get_object();
    Result<std::string> value = Error(ErrorCode::kInvalidArgument, "downwardAPI item without fieldRef");
    if (api::object_at(o, {"fieldRef"}) != nullptr) {
      value = field_value(pod, api::string_at(o, {"fieldRef", "fieldPath"}), facts);
    } else if (api::object_at(o, {"resourceFieldRef"}) != nullptr) {
      const auto wanted = api::string_at(o, {"resourceFieldRef", "containerName"});
      if (const auto* containers = api::array_at(pod, {"spec", "containers"})) {
        for (const auto& c : *containers) {
          if (c.is_object() && api::string_at(c.get_object(), {"name"}) == wanted)
            value = resource_value(c.get_object(), api::string_at(o, {"resourceFieldRef", "resource"}),
                                   api::string_at(o, {"resourceFieldRef", "divisor"}), facts);
        }
      }
    }
    if (!value) return value.error();
    if (auto ok = put(files, api::string_at(o, {"path"}), std::move(*value), mode_at(o, "mode", mode)); !ok) return ok;
  }
  return {};
}

}  // namespace

Result<DataFiles> volume_files(const api::Object& pod, std::string_view kind, const json::object& source,
                               const PodFacts& facts, const DataLookup& lookup) {
  DataFiles out;
  const unsigned mode = mode_at(source, "defaultMode", 0644);
  Result<void> added;
  if (kind == "configMap") {
    added = add_data(out, source, Source::kConfigMap, std::string(api::string_at(source, {"name"})), mode, lookup);
  } else if (kind == "secret") {
    added = add_data(out, source, Source::kSecret, std::string(api::string_at(source, {"secretName"})), mode, lookup);
  } else if (kind == "downwardAPI") {
    added = add_fields(out, pod, source, mode, facts);
  } else if (const auto* parts = api::array_at(source, {"sources"})) {
    for (const auto& part : *parts) {
      if (!part.is_object() || !added) continue;
      const auto& o = part.get_object();
      if (const auto* map = api::object_at(o, {"configMap"})) {
        added = add_data(out, *map, Source::kConfigMap, std::string(api::string_at(*map, {"name"})), mode, lookup);
      } else if (const auto* secret = api::object_at(o, {"secret"})) {
        added = add_data(out, *secret, Source::kSecret, std::string(api::string_at(*secret, {"name"})), mode, lookup);
      } else if (const auto* fields = api::object_at(o, {"downwardAPI"})) {
        added = add_fields(out, pod, *fields, mode, facts);
      } else {
        added = Error(ErrorCode::kUnimplemented,
                      "this home has no service account tokens; projected volumes take configMap, secret and "
                      "downwardAPI");
      }
    }
  }
  if (!added) return added.error();
  return out;
}

void publish_files(const Path& folder, const DataFiles& files) {
  make_folder(folder, 0755);
  const Path data = folder / "..data";
  const auto same = [&] {
    std::error_code error;
    if (!fs::exists(data, error)) return false;
    std::size_t n = 0;
    for (auto it = fs::recursive_directory_iterator(fs::canonical(data, error), error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      if (it->is_regular_file(error)) ++n;
    }
    return n == files.size() && std::ranges::all_of(files, [&](const auto& entry) {
             return read_file(data / entry.first) == entry.second.content;
           });
  };
  if (same()) return;
  std::error_code error;
  const Path before = fs::read_symlink(data, error);
  const Path fresh = folder / ("..v" + random_hex(6));
  make_folder(fresh, 0755);
  for (const auto& [path, file] : files) {
    make_folder((fresh / path).parent_path(), 0755);
    write_file(fresh / path, file.content, file.mode);
  }
  const Path link = folder / ("..link" + random_hex(6));
  fs::create_symlink(fresh.filename(), link);
  fs::rename(link, data);
  // The names that a reader opens: links through ..data, made once.
  for (const auto& [path, file] : files) {
    const Path top = *Path(path).begin();
    if (!fs::exists(fs::symlink_status(folder / top, error))) fs::create_symlink(Path("..data") / top, folder / top);
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_symlink() && entry.path() != data && !fs::exists(entry.path(), error)) fs::remove(entry.path(), error);
  }
  if (!before.empty()) static_cast<void>(remove_folder(folder / before.filename()));
}

}  // namespace sedna::node
