#include "sedna/node/volumes.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "sedna/base/ids.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/volume_data.hpp"
#include "sedna/storage/local.hpp"

namespace sedna::node {

namespace {

namespace fs = std::filesystem;

Error mount_error(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

bool is_inside(const Path& path, const Path& folder) {
  const auto relative = path.lexically_normal().lexically_relative(folder.lexically_normal());
  return !relative.empty() && *relative.begin() != "..";
}

Result<Volume> host_path(const json::object& source, const NodePaths& node) {
  const std::string type(api::string_at(source, {"type"}));
  const Path wanted(std::string(api::string_at(source, {"path"})));
  auto mapped = map_host_path(wanted, node);
  if (!mapped) return mapped.error();
  const Path& path = *mapped;
  std::error_code error;
  auto status = fs::status(path, error);
  const bool there = fs::exists(status);
  const auto fail = [&](const std::string& what) {
    return mount_error("hostPath type check failed: " + wanted.string() + " " + what);
  };
  if (type == "DirectoryOrCreate" || (type.empty() && !there)) {
    if (!there) {
      fs::create_directories(path, error);
      if (error) return mount_error("cannot make the folder " + path.string() + ": " + error.message());
      ::chmod(path.c_str(), 0755);
      status = fs::status(path, error);
    }
    if (!type.empty() && !fs::is_directory(status)) return fail("is not a directory");
  } else if (type == "FileOrCreate") {
    if (!there) {
      const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
      if (fd < 0) return mount_error("cannot make the file " + path.string() + "; its folder must exist");
      ::close(fd);
    } else if (!fs::is_regular_file(status)) {
      return fail("is not a file");
    }
  } else if (type == "Directory" && !fs::is_directory(status)) {
    return fail("is not a directory" + std::string(there ? "" : " (it does not exist on this machine)"));
  } else if (type == "File" && !fs::is_regular_file(status)) {
    return fail("is not a file" + std::string(there ? "" : " (it does not exist on this machine)"));
  } else if (type == "Socket" && !fs::is_socket(status)) {
    return fail("is not a socket file");
  } else if (type == "CharDevice" && !fs::is_character_file(status)) {
    return fail("is not a character device");
  } else if (type == "BlockDevice" && !fs::is_block_file(status)) {
    return fail("is not a block device");
  }
  Volume out;
  out.source = path;
  out.device = fs::is_character_file(status) || fs::is_block_file(status) || path == "/dev" || is_inside(path, "/dev");
  return out;
}

Result<Volume> empty_dir(const Path& path) {
  make_folder(path, 0777);
  Volume out;
  out.source = path;
  return out;
}

Result<Volume> volume_of(const api::Object& pod, const json::object& volume, const VolumeContext& context) {
  const std::string name(api::string_at(volume, {"name"}));
  if (const auto* source = api::object_at(volume, {"hostPath"})) return host_path(*source, context.node);
  const Path folder = context.pod.volume(name);
  if (api::object_at(volume, {"emptyDir"}) != nullptr) return empty_dir(folder);
  for (const char* kind : {"configMap", "secret", "downwardAPI", "projected"}) {
    const auto* source = api::object_at(volume, {kind});
    if (source == nullptr) continue;
    auto files = volume_files(pod, kind, *source, context.facts, context.lookup);
    if (!files) return files.error();
    publish_files(folder, *files);
    Volume out;
    out.source = folder;
    out.from_data = true;
    return out;
  }
  for (const auto& member : volume) {
    if (member.key() == "name") continue;
    return mount_error(std::string(member.key()) +
                       " volumes are not available in this home; use hostPath, emptyDir, configMap or secret");
  }
  return empty_dir(folder);
}

}  // namespace

Result<Path> map_host_path(const Path& given, const NodePaths& node) {
  if (!given.is_absolute() || given.string().find('\0') != std::string::npos)
    return mount_error("hostPath \"" + given.string() + "\" is not an absolute path");
  if (std::ranges::find(given, Path("..")) != given.end())
    return mount_error("hostPath \"" + given.string() + "\" must not contain '..'");
  const Path path = given.lexically_normal();
  const Path own("/var/lib/sedna");
  if (path == own || path == own / "" || is_inside(path, own)) {
    const auto below = path.lexically_relative(own);
    return below == "." || below.empty() ? node.var_lib_sedna() : node.var_lib_sedna() / below;
  }
  std::error_code error;
  const Path real = fs::weakly_canonical(path, error);
  const Path state = fs::weakly_canonical(node.state, error);
  if (is_inside(real, state) || is_inside(state, real)) {
    if (real != "/" && is_inside(real, state))
      return mount_error("hostPath \"" + given.string() + "\" lies in the state folder of this home");
  }
  return path;
}

Result<Volumes> prepare_volumes(const api::Object& pod, const VolumeContext& context) {
  Volumes out;
  const auto* all = api::array_at(pod, {"spec", "volumes"});
  if (all == nullptr) return out;
  make_folder(context.pod.volumes());
  for (const auto& entry : *all) {
    if (!entry.is_object()) continue;
    const std::string name(api::string_at(entry.get_object(), {"name"}));
    if (auto safe = storage::join_inside("/", name); !safe || name.find('/') != std::string::npos)
      return mount_error("\"" + name + "\" is not a name for a volume");
    auto volume = volume_of(pod, entry.get_object(), context);
    if (!volume) {
      return Error(volume.error().code(),
                   "MountVolume.SetUp failed for volume \"" + name + "\" : " + volume.error().message());
    }
    out.emplace(name, std::move(*volume));
  }
  return out;
}

Result<std::vector<SandboxMount>> container_mounts(const json::object& container, const Volumes& volumes,
                                                   const Environment& environment) {
  std::vector<SandboxMount> out;
  const auto* all = api::array_at(container, {"volumeMounts"});
  if (all == nullptr) return out;
  for (const auto& entry : *all) {
    if (!entry.is_object()) continue;
    const auto& mount = entry.get_object();
    const std::string name(api::string_at(mount, {"name"}));
    const auto volume = volumes.find(name);
    if (volume == volumes.end()) return mount_error("volumeMount names the unknown volume \"" + name + "\"");
    const Path target = Path("/") / Path(std::string(api::string_at(mount, {"mountPath"}))).lexically_normal();
    if (std::ranges::find(target, Path("..")) != target.end() || target == "/")
      return mount_error("mountPath \"" + target.string() + "\" cannot be mounted at");
    Path source = volume->second.source;
    std::string sub(api::string_at(mount, {"subPath"}));
    if (const auto expression = api::string_at(mount, {"subPathExpr"}); !expression.empty())
      sub = expand(expression, environment);
    if (!sub.empty()) {
      auto joined = storage::join_inside(source, sub);
      if (!joined) return mount_error("subPath \"" + sub + "\" must stay inside its volume");
      std::error_code error;
      if (!fs::exists(*joined, error)) fs::create_directories(*joined, error);
      const Path real = fs::canonical(*joined, error);
      if (error || !is_inside(real, fs::canonical(source, error)))
        return mount_error("subPath \"" + sub + "\" must stay inside its volume");
      source = real;
    }
    const auto* ro = mount.if_contains("readOnly");
    SandboxMount one(source, target, volume->second.from_data || (ro != nullptr && ro->is_bool() && ro->get_bool()));
    one.device = volume->second.device;
    // "/x/" and "/x" are one place.
    if (!one.target.has_filename()) one.target = one.target.parent_path();
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace sedna::node
