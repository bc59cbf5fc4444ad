#include "sedna/gm/data_mounts.hpp"

#include <algorithm>

#include "sedna/base/sha256.hpp"
#include "sedna/base/text.hpp"

namespace sedna::gm {

namespace {

constexpr std::string_view kInitializer = "storage-initializer";
constexpr std::string_view kDownloadVolume = "sedna-storage-initializer";

std::string_view scheme_of(std::string_view url) {
  const auto end = url.find("://");
  return end == std::string_view::npos ? std::string_view() : url.substr(0, end);
}

/// Up to and with the last slash.
std::string folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1));
}

json::array& array_member(json::object& object, std::string_view name) {
  json::value& member = object[name];
  if (!member.is_array()) member = json::array();
  return member.get_array();
}

bool any_with(const json::array& list, std::string_view member, std::string_view value) {
  return std::any_of(list.begin(), list.end(), [&](const json::value& entry) {
    return entry.is_object() && api::string_at(entry.get_object(), {member}) == value;
  });
}

json::object secret_env(std::string_view name, const Credential& credential) {
  json::object ref{{"name", credential.secret}, {"key", name}};
  json::object from;
  from["secretKeyRef"] = std::move(ref);
  json::object env{{"name", name}};
  env["valueFrom"] = std::move(from);
  return env;
}

void append_access(json::array& env, const Credential& credential) {
  env.push_back(json::object{{"name", "S3_ENDPOINT_URL"}, {"value", credential.endpoint}});
  env.push_back(secret_env("ACCESS_KEY_ID", credential));
  env.push_back(secret_env("SECRET_ACCESS_KEY", credential));
}

/// The name of the volume for a host folder: an existing one of the same path, or a new one that no other path has.
std::string add_host_volume(json::object& pod_spec, const std::string& folder) {
  auto& volumes = array_member(pod_spec, "volumes");
  std::string name = volume_name(folder);
  for (const auto& volume : volumes) {
    if (!volume.is_object() || api::string_at(volume.get_object(), {"name"}) != name) continue;
    if (api::string_at(volume.get_object(), {"hostPath", "path"}) == folder) return name;
    // Another path whose name comes out the same ("/a-b/" and "/a/b/"); upstream would mount the wrong folder.
    constexpr std::size_t kSuffix = 8, kLongest = 63;
    name = name.substr(0, kLongest - kSuffix - 1) + "-" + sha256_hex(folder).substr(0, kSuffix);
    if (any_with(volumes, "name", name)) return name;
    break;
  }
  json::object volume{{"name", name}};
  volume["hostPath"] = json::object{{"path", folder}, {"type", "Directory"}};
  volumes.push_back(std::move(volume));
  return name;
}

void add_to_containers(json::object& pod_spec, std::string_view volume, const std::string& path, bool read_only) {
  for (auto& container : array_member(pod_spec, "containers")) {
    if (!container.is_object()) continue;
    auto& mounts = array_member(container.get_object(), "volumeMounts");
    if (any_with(mounts, "mountPath", path)) continue;
    json::object mount{{"mountPath", path}, {"name", volume}};
    if (read_only) mount["readOnly"] = true;
    mounts.push_back(std::move(mount));
  }
}

json::object initializer(json::array args, const std::optional<Credential>& credential, const WorkerOptions& options) {
  json::object container{{"name", kInitializer},
                         {"image", options.storage_initializer_image},
                         {"imagePullPolicy", "IfNotPresent"},
                         {"terminationMessagePolicy", "FallbackToLogsOnError"}};
  container["args"] = std::move(args);
  json::array env;
  if (credential) append_access(env, *credential);
  env.push_back(json::object{{"name", "INDIRECT_URL_MARK"}, {"value", "@"}});
  container["env"] = std::move(env);
  json::object resources;
  resources["limits"] = json::object{{"cpu", "1"}, {"memory", "1Gi"}};
  container["resources"] = std::move(resources);
  json::array mounts;
  mounts.push_back(json::object{{"mountPath", kDownloads}, {"name", kDownloadVolume}});
  container["volumeMounts"] = std::move(mounts);
  return container;
}

}  // namespace

std::string volume_name(std::string_view host_path) {
  std::string out;
  for (const char c : to_lower(host_path)) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (kept) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != '-') {
      out.push_back('-');
    }
  }
  constexpr std::size_t kLongest = 63;
  if (out.size() > kLongest) out.resize(kLongest);
  if (out.empty()) return "sedna-default-volume-name";
  if (out.back() == '-') out.back() = 'z';
  return out;
}

PlacedMount place_mount(const Mount& mount) {
  PlacedMount out;
  const std::string scheme = to_lower(scheme_of(mount.url));
  if (scheme.empty()) {
    if (!mount.url.starts_with('/')) {
      throw Error(ErrorCode::kInvalidArgument,
                  "is neither an absolute path on the node nor a URL (s3://, http://, https://)", mount.url);
    }
    out.how = PlacedMount::How::kHostPath;
    out.host_folder = folder_of(mount.url);
    out.env_value = std::string(kDataPrefix) + mount.url;
    return out;
  }
  if (scheme != "s3" && scheme != "http" && scheme != "https") {
    throw Error(ErrorCode::kInvalidArgument,
                "has a scheme that is not known here; use s3://, http://, https:// or an "
                "absolute path on the node",
                mount.url);
  }
  if (!mount.download) {
    out.env_value = mount.url;
    return out;
  }
  // /downloads/<host or bucket>/<path>: what follows a '?' belongs to the address and not to the file's name.
  std::string_view rest = std::string_view(mount.url).substr(scheme.size() + 3);
  rest = rest.substr(0, rest.find_first_of("?#"));
  for (std::string_view left = rest; !left.empty();) {
    const auto slash = std::min(left.find('/'), left.size());
    if (left.substr(0, slash) == "..") {
      throw Error(ErrorCode::kInvalidArgument, "must not contain '..'", mount.url);
    }
    left.remove_prefix(std::min(slash + 1, left.size()));
  }
  out.how = PlacedMount::How::kDownload;
  out.env_value = std::string(kDownloads) + "/" + std::string(rest);
  out.target_folder = folder_of(out.env_value);
  return out;
}

MountEnv add_mounts(json::object& pod_spec, const std::vector<Mount>& mounts, const WorkerOptions& options) {
  MountEnv out;
  json::array args;
  std::optional<Credential> init_access, worker_access;
  bool host_paths = false;
  for (const Mount& mount : mounts) {
    const PlacedMount placed = place_mount(mount);
    out.paths.push_back({mount.env, placed.env_value});
    const bool s3 = to_lower(scheme_of(mount.url)) == "s3";
    switch (placed.how) {
      case PlacedMount::How::kHostPath: {
        host_paths = true;
        const std::string name = add_host_volume(pod_spec, placed.host_folder);
        add_to_containers(pod_spec, name, std::string(kDataPrefix) + placed.host_folder, false);
        break;
      }
      case PlacedMount::How::kDownload:
        args.push_back(json::value(mount.url));
        args.push_back(json::value(placed.target_folder));
        if (s3 && !init_access) init_access = mount.credential;
        break;
      case PlacedMount::How::kUrl:
        if (s3 && !worker_access) worker_access = mount.credential;
        break;
    }
  }
  if (!args.empty()) {
    json::object volume{{"name", kDownloadVolume}};
    volume["emptyDir"] = json::object();
    array_member(pod_spec, "volumes").push_back(std::move(volume));
    array_member(pod_spec, "initContainers").push_back(initializer(std::move(args), init_access, options));
    add_to_containers(pod_spec, kDownloadVolume, std::string(kDownloads), true);
  }
  if (host_paths) out.before.push_back(json::object{{"name", "DATA_PATH_PREFIX"}, {"value", kDataPrefix}});
  if (worker_access) append_access(out.before, *worker_access);
  return out;
}

}  // namespace sedna::gm
