#include "sedna/node/image_manifest.hpp"

#include <algorithm>

#include "sedna/api/object.hpp"
#include "sedna/json/json.hpp"

namespace sedna::node {

namespace {

constexpr std::size_t kMostLayers = 1000;  // overlayfs ends at 500

Error bad(std::string_view field, std::string_view what) {
  return Error(ErrorCode::kInvalidArgument, std::string(what), std::string(field));
}

Result<json::value> document(std::string_view text) {
  json::ParseOptions options;
  options.duplicates = json::ParseOptions::Duplicates::kLastWins;  // as the programs that write and read these do
  return json::parse(text, options);
}

Result<json::object> object_document(std::string_view text) {
  auto value = document(text);
  if (!value) return value.error();
  if (!value->is_object()) return bad("", "must be a JSON object");
  return std::move(value->get_object());
}

/// Absent and null are the empty list.
Result<std::vector<std::string>> strings_at(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  const auto* value = o.if_contains(name);
  if (value == nullptr || value->is_null()) return out;
  if (!value->is_array()) return bad(name, "must be a list of strings");
  for (const auto& item : value->get_array()) {
    if (!item.is_string()) return bad(name, "must be a list of strings");
    if (item.get_string().find('\0') != json::string::npos) return bad(name, "has a zero byte");
    out.emplace_back(item.get_string());
  }
  return out;
}

Result<OciBlob> blob_of(const json::value& value, std::string_view field) {
  if (!value.is_object()) return bad(field, "must be an object with digest and size");
  const auto& o = value.get_object();
  OciBlob out;
  auto digest = sha256_of_digest(api::string_at(o, {"digest"}));
  if (!digest) return digest.error().within(field);
  out.digest = std::move(*digest);
  out.media_type = api::string_at(o, {"mediaType"});
  const auto size = api::int_at(o, {"size"}, -1);
  if (size < 0) return bad(std::string(field) + ".size", "must be a number of bytes");
  out.size = static_cast<std::uint64_t>(size);
  return out;
}

bool is_hex_digest(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

void add_name(std::vector<std::string>& names, std::string_view name) {
  auto canonical = canonical_image_name(name);
  if (!canonical.empty() && std::ranges::find(names, canonical) == names.end()) names.push_back(std::move(canonical));
}

}  // namespace

Result<std::string> sha256_of_digest(std::string_view digest) {
  constexpr std::string_view kHead = "sha256:";
  if (!digest.starts_with(kHead) || !is_hex_digest(digest.substr(kHead.size())))
    return bad("digest", "must be sha256: and 64 hex digits, not \"" + std::string(digest.substr(0, 100)) + "\"");
  return std::string(digest.substr(kHead.size()));
}

bool OciBlob::is_index() const {
  return media_type.find("index") != std::string::npos || media_type.find("manifest.list") != std::string::npos;
}

std::string canonical_image_name(std::string_view name) {
  for (const std::string_view head : {"docker.io/", "index.docker.io/"}) {
    if (name.starts_with(head)) {
      name.remove_prefix(head.size());
      if (name.starts_with("library/")) name.remove_prefix(std::string_view("library/").size());
      break;
    }
  }
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-/:@").find(c) != std::string_view::npos;
  };
  if (name.empty() || name.size() > 500 || name.starts_with('/') || name.starts_with(':') || name.starts_with('@') ||
      !std::ranges::all_of(name, ordinary))
    return {};
  std::string out(name);
  if (name.find('@') != std::string_view::npos) return out;
  const auto slash = name.rfind('/'), colon = name.rfind(':');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  if (!tagged) out += ":latest";
  return out;
}

Result<std::vector<DockerImage>> parse_docker_manifest(std::string_view text) {
  auto value = document(text);
  if (!value) return value.error();
  if (!value->is_array() || value->get_array().empty()) return bad("", "must be a list of images");
  std::vector<DockerImage> out;
  for (const auto& item : value->get_array()) {
    const std::string field = "[" + std::to_string(out.size()) + "]";
    if (!item.is_object()) return bad(field, "must be an object");
    const auto& o = item.get_object();
    DockerImage image;
    image.config = api::string_at(o, {"Config"});
    if (image.config.empty()) return bad(field + ".Config", "must name a file of the archive");
    auto layers = strings_at(o, "Layers");
    if (!layers) return layers.error().within(field);
    if (layers->size() > kMostLayers) return bad(field + ".Layers", "are too many");
    image.layers = std::move(*layers);
    auto names = strings_at(o, "RepoTags");
    if (!names) return names.error().within(field);
    for (const auto& name : *names) add_name(image.names, name);
    out.push_back(std::move(image));
  }
  return out;
}

Result<std::vector<OciEntry>> parse_oci_index(std::string_view text) {
  auto o = object_document(text);
  if (!o) return o.error();
  const auto* list = api::array_at(*o, {"manifests"});
  if (list == nullptr) return bad("manifests", "must be a list");
  std::vector<OciEntry> out;
  for (const auto& item : *list) {
    const std::string field = "manifests[" + std::to_string(out.size()) + "]";
    auto blob = blob_of(item, field);
    if (!blob) return blob.error();
    const auto& fields = item.get_object();
    OciEntry entry;
    entry.blob = std::move(*blob);
    entry.architecture = api::string_at(fields, {"platform", "architecture"});
    entry.os = api::string_at(fields, {"platform", "os"});
    add_name(entry.names, api::string_at(fields, {"annotations", "io.containerd.image.name"}));
    const auto reference = api::string_at(fields, {"annotations", "org.opencontainers.image.ref.name"});
    if (reference.find_first_of("/:") != std::string_view::npos) {
      add_name(entry.names, reference);
    } else {
      entry.tag = reference;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

Result<OciManifest> parse_oci_manifest(std::string_view text) {
  auto o = object_document(text);
  if (!o) return o.error();
  OciManifest out;
  const auto* config = o->if_contains("config");
  if (config == nullptr) return bad("config", "is missing");
  auto blob = blob_of(*config, "config");
  if (!blob) return blob.error();
  out.config = std::move(*blob);
  const auto* layers = api::array_at(*o, {"layers"});
  if (layers == nullptr) return bad("layers", "must be a list");
  if (layers->size() > kMostLayers) return bad("layers", "are too many");
  for (const auto& layer : *layers) {
    auto one = blob_of(layer, "layers[" + std::to_string(out.layers.size()) + "]");
    if (!one) return one.error();
    if (one->media_type.find("encrypted") != std::string::npos)
      return Error(ErrorCode::kUnimplemented, "has an encrypted layer", "layers");
    out.layers.push_back(std::move(*one));
  }
  return out;
}

Result<ImageConfig> parse_image_config(std::string_view text) {
  auto o = object_document(text);
  if (!o) return o.error();
  ImageConfig out;
  out.architecture = api::string_at(*o, {"architecture"});
  out.os = api::string_at(*o, {"os"});
  static const json::object kNone;
  const auto* found = api::object_at(*o, {"config"});
  const auto& config = found != nullptr ? *found : kNone;
  for (const auto& [name, list] : {std::pair{"Entrypoint", &out.entrypoint}, std::pair{"Cmd", &out.cmd}}) {
    auto words = strings_at(config, name);
    if (!words) return words.error().within("config");
    *list = std::move(*words);
  }
  auto env = strings_at(config, "Env");
  if (!env) return env.error().within("config");
  for (const auto& line : *env) {
    const auto equals = line.find('=');
    if (equals == 0 || line.empty()) return bad("config.Env", "has an entry without a name");
    out.env.emplace_back(line.substr(0, equals), equals == std::string::npos ? "" : line.substr(equals + 1));
  }
  out.cwd = api::string_at(config, {"WorkingDir"});
  if (out.cwd.find('\0') != std::string::npos) return bad("config.WorkingDir", "has a zero byte");
  if (!out.cwd.empty() && !out.cwd.starts_with('/')) out.cwd.insert(0, "/");
  out.user = api::string_at(config, {"User"});
  const auto* rootfs = api::object_at(*o, {"rootfs"});
  auto ids = strings_at(rootfs != nullptr ? *rootfs : kNone, "diff_ids");
  if (!ids) return ids.error().within("rootfs");
  for (const auto& id : *ids) {
    auto digest = sha256_of_digest(id);
    if (!digest) return digest.error().within("rootfs.diff_ids");
    out.diff_ids.push_back(std::move(*digest));
  }
  return out;
}

}  // namespace sedna::node
