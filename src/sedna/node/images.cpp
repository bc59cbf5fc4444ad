#include "sedna/node/images.hpp"

#include <filesystem>

#include "sedna/json/yaml.hpp"
#include "sedna/node/files.hpp"

namespace sedna::node {

namespace {

Error bad(std::string_view image, std::string_view field, std::string_view what) {
  return Error(ErrorCode::kInvalidArgument, std::string(what),
               std::string(image) + (field.empty() ? "" : "." + std::string(field)));
}

Result<std::vector<std::string>> words(const json::value& v, std::string_view image, std::string_view field) {
  if (v.is_string()) return std::vector<std::string>{"/bin/sh", "-c", std::string(v.get_string())};
  if (!v.is_array()) return bad(image, field, "must be a list of words or one shell command");
  std::vector<std::string> out;
  for (const auto& word : v.get_array()) {
    if (!word.is_string()) return bad(image, field, "must be a list of strings");
    out.emplace_back(word.get_string());
  }
  return out;
}

std::string absolute(std::string_view path, const std::string& folder) {
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

Result<ImageEntry> entry_of(std::string_view image, const json::value& v, const std::string& folder) {
  ImageEntry out;
  if (!v.is_object()) {
    auto command = words(v, image, {});
    if (!command) return command.error();
    out.command = std::move(*command);
  } else {
    for (const auto& member : v.get_object()) {
      const std::string_view name = member.key();
      const auto& value = member.value();
      if (name == "command" || name == "args") {
        auto list = words(value, image, name);
        if (!list) return list.error();
        (name == "command" ? out.command : out.args) = std::move(*list);
      } else if (name == "cwd" || name == "venv" || name == "rootfs") {
        if (!value.is_string()) return bad(image, name, "must be a path");
        (name == "cwd" ? out.cwd : name == "venv" ? out.venv : out.rootfs) = absolute(value.get_string(), folder);
      } else if (name == "env") {
        if (!value.is_object()) return bad(image, name, "must map names to strings");
        for (const auto& e : value.get_object()) {
          if (!e.value().is_string()) return bad(image, "env." + std::string(e.key()), "must be a string");
          out.env[std::string(e.key())] = e.value().get_string();
        }
      } else {
        return bad(image, name, "is not known; there are command, args, cwd, env, venv and rootfs");
      }
    }
  }
  if (out.command.empty() && out.args.empty()) return bad(image, "command", "is missing");
  return out;
}

std::string without_tag(std::string_view image) {
  const auto at = image.find('@');
  if (at != std::string_view::npos) image = image.substr(0, at);
  const auto slash = image.rfind('/'), colon = image.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash))
    image = image.substr(0, colon);
  return std::string(image);
}

std::vector<std::string> strings(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  const auto* list = api::array_at(o, {name});
  if (list == nullptr) return out;
  for (const auto& v : *list) {
    if (v.is_string()) out.emplace_back(v.get_string());
  }
  return out;
}

}  // namespace

Result<ImageMap> ImageMap::parse(std::string_view text, const std::string& folder) {
  auto document = json::parse_yaml_one(text);
  if (!document) return document.error();
  ImageMap out;
  if (document->is_null()) return out;
  if (!document->is_object()) return Error(ErrorCode::kInvalidArgument, "must map images to commands");
  for (const auto& member : document->get_object()) {
    auto entry = entry_of(member.key(), member.value(), folder);
    if (!entry) return entry.error();
    out.add(std::string(member.key()), std::move(*entry));
  }
  return out;
}

ImageMap ImageMap::load(const std::string& path) {
  if (path.empty()) return {};
  const auto text = read_file(path);
  if (!text) throw Error(ErrorCode::kNotFound, "cannot read the image-to-command file", path);
  auto map = parse(*text, std::filesystem::absolute(path).parent_path().string());
  if (!map) throw map.error().within(path);
  return std::move(*map);
}

const ImageEntry* ImageMap::find(std::string_view image) const {
  if (const auto it = entries_.find(image); it != entries_.end()) return &it->second;
  const auto it = entries_.find(without_tag(image));
  return it == entries_.end() ? nullptr : &it->second;
}

bool is_storage_initializer(std::string_view image) {
  const std::string name = without_tag(image);
  return name == "sedna-storage-initializer" || name.ends_with("/sedna-storage-initializer");
}

Result<Invocation> resolve_invocation(const json::object& container, const ImageMap& images) {
  const std::string image(api::string_at(container, {"image"}));
  const auto command = strings(container, "command"), args = strings(container, "args");
  const ImageEntry* entry = images.find(image);
  Invocation out;
  if (entry != nullptr) {
    out.cwd = entry->cwd;
    out.env = entry->env;
    out.venv = entry->venv;
    out.rootfs = entry->rootfs;
    out.uid = entry->uid;
    out.gid = entry->gid;
    if (entry->rootfs.empty()) {
      for (const std::string& path : {entry->cwd, entry->venv}) {
        if (!path.empty()) out.host_paths.push_back(path);
      }
      // A program by its path, which is seen from the working folder.
      if (!entry->command.empty() && entry->command.front().find('/') != std::string::npos) {
        out.host_paths.push_back(absolute(entry->command.front(), entry->cwd.empty() ? "/" : entry->cwd));
      }
    }
  }
  if (!command.empty()) {
    out.argv = command;
    out.argv.insert(out.argv.end(), args.begin(), args.end());
  } else if (entry != nullptr) {
    out.argv = entry->command;
    const auto& rest = args.empty() ? entry->args : args;
    out.argv.insert(out.argv.end(), rest.begin(), rest.end());
  }
  if (out.argv.empty()) {
    return Error(ErrorCode::kNotFound, "images are not pulled on this machine, and nothing says what \"" + image +
                                           "\" runs. Give the container a command, or load the image from an archive "
                                           "(`docker save`, OCI) with `sedna image "
                                           "load FILE`, or start with `sedna up --images FILE`, where FILE has: \"" +
                                           image + "\": {command: [\"python3\", \"/path/to/worker.py\"]}");
  }
  if (const auto cwd = api::string_at(container, {"workingDir"}); !cwd.empty()) out.cwd = cwd;
  return out;
}

}  // namespace sedna::node
