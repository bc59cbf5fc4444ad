#include "sedna/node/image_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <set>
#include <system_error>

#include "sedna/node/files.hpp"
#include "sedna/node/image_archive.hpp"
#include "sedna/storage/archive.hpp"
#include "sedna/storage/archive_reader.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::node {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStaging = ".load-";
constexpr std::size_t kShortestId = 6;

/// One change at a time; what a killed one left goes.
class StoreLock {
 public:
  explicit StoreLock(const Path& folder) {
    make_folder(folder);
    fd_ = storage::open_file(folder / "lock", O_RDWR | O_CREAT, 0600);
    if (flock(fd_.get(), LOCK_EX | LOCK_NB) != 0)
      throw Error(ErrorCode::kUnavailable, "another `sedna image` is at work here; try again when it is done",
                  folder.string());
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().string().starts_with(kStaging)) static_cast<void>(remove_folder(entry.path()));
    }
  }

 private:
  storage::Descriptor fd_;
};

/// Removed with what it holds.
class Staging {
 public:
  explicit Staging(Path path) : path_(std::move(path)) { make_folder(path_); }
  ~Staging() { static_cast<void>(remove_folder(path_)); }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

json::array words(const std::vector<std::string>& list) {
  json::array out;
  for (const auto& word : list) out.emplace_back(word);
  return out;
}

std::vector<std::string> words_at(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  if (const auto* list = api::array_at(o, {name})) {
    for (const auto& word : *list) {
      if (word.is_string()) out.emplace_back(word.get_string());
    }
  }
  return out;
}

std::optional<unsigned> number_of(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The fields of the first line of a file of the image ("/etc/passwd") whose field `index` is `value`.
std::optional<std::vector<std::string>> account_line(const Path& rootfs, const char* file, std::size_t index,
                                                     std::string_view value) {
  const auto inside = resolve_in_rootfs(rootfs, file, true);
  std::error_code error;
  if (!inside || !fs::is_regular_file(fs::symlink_status(rootfs / inside->relative_path(), error))) return std::nullopt;
  const auto text = read_file(rootfs / inside->relative_path());
  if (!text) return std::nullopt;
  for (std::size_t begin = 0; begin < text->size();) {
    const auto end = std::min(text->find('\n', begin), text->size());
    std::vector<std::string> fields{""};
    for (const char c : std::string_view(*text).substr(begin, end - begin)) {
      if (c == ':') {
        fields.emplace_back();
      } else {
        fields.back() += c;
      }
    }
    if (fields.size() >= 3 && index < fields.size() && fields[index] == value) return fields;
    begin = end + 1;
  }
  return std::nullopt;
}

Error not_loaded(std::string_view image) {
  return Error(ErrorCode::kNotFound, "is not among the loaded images; `sedna image list` shows them",
               std::string(image));
}

/// Builds the root of one image below `folder`.
void unpack(const ArchivedImage& image, const Path& folder, const RootfsLimits& limits, std::uint64_t& size) {
  const Path root = folder / "rootfs";
  make_folder(root, 0755);
  RootfsBuilder builder(root, limits);
  const Path tar = folder / "layer.tar";
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const auto digest = storage::unpack_file(image.layers[i], tar, limits.total_size);
    if (digest != image.config.diff_ids[i])
      throw Error(ErrorCode::kDataLoss, "is not what its digest says", "layer " + std::to_string(i + 1));
    try {
      builder.apply(tar);
    } catch (const Error& error) {
      throw Error(error.code(), error.message(), "layer " + std::to_string(i + 1));
    }
    fs::remove(tar);
  }
  size = builder.size();
}

json::object described(const ArchivedImage& image, const ImageUser& user, std::uint64_t size) {
  json::object env;
  for (const auto& [name, value] : image.config.env) env[name] = value;
  json::object out{{"id", image.id},
                   {"manifest", image.manifest},
                   {"size", size},
                   {"loadedAt", api::format_time(std::chrono::system_clock::now())},
                   {"entrypoint", words(image.config.entrypoint)},
                   {"cmd", words(image.config.cmd)},
                   {"env", std::move(env)},
                   {"cwd", image.config.cwd}};
  if (user.uid) out["uid"] = *user.uid;
  if (user.gid) out["gid"] = *user.gid;
  return out;
}

}  // namespace

std::string machine_architecture() {
  utsname name{};
  if (uname(&name) != 0) return {};
  std::string machine(name.machine);
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  if (machine.starts_with("armv")) return "arm";
  if (machine == "i686" || machine == "i386") return "386";
  return machine;  // riscv64, ppc64le, s390x
}

Result<ImageUser> image_user(const Path& rootfs, std::string_view user) {
  ImageUser out;
  if (user.empty() || user == "root" || user == "0" || user == "0:0" || user == "root:root") return out;
  const auto colon = user.find(':');
  const auto who = user.substr(0, colon);
  const auto line = account_line(rootfs, "/etc/passwd", number_of(who) ? 2 : 0, who);
  out.uid = number_of(who);
  if (!out.uid && line) out.uid = number_of((*line)[2]);
  if (!out.uid) return Error(ErrorCode::kNotFound, "is not in the image's /etc/passwd", "user " + std::string(who));
  out.gid = line && line->size() > 3 ? number_of((*line)[3]) : std::optional<unsigned>(0);
  if (colon != std::string_view::npos) {
    const auto group = user.substr(colon + 1);
    out.gid = number_of(group);
    if (const auto found = account_line(rootfs, "/etc/group", 0, group); !out.gid && found)
      out.gid = number_of((*found)[2]);
    if (!out.gid) return Error(ErrorCode::kNotFound, "is not in the image's /etc/group", "group " + std::string(group));
  }
  if (!out.gid) out.gid = 0;
  return out;
}

json::object ImageStore::names() const {
  return read_json(folder_ / "names.json").value_or(json::object{});
}

void ImageStore::write_names(const json::object& names) const {
  write_file(folder_ / "names.json", json::write(names), 0600, true);
}

std::optional<StoredImage> ImageStore::read(const std::string& id) const {
  const auto o = read_json(folder_ / id / "image.json");
  if (!o) return std::nullopt;
  StoredImage out;
  out.id = id;
  out.manifest = api::string_at(*o, {"manifest"});
  out.size = static_cast<std::uint64_t>(api::int_at(*o, {"size"}));
  out.loaded_at = api::string_at(*o, {"loadedAt"});
  out.entry.command = words_at(*o, "entrypoint");
  out.entry.args = words_at(*o, "cmd");
  out.entry.cwd = api::string_at(*o, {"cwd"});
  if (const auto* env = api::object_at(*o, {"env"})) {
    for (const auto& member : *env) {
      if (member.value().is_string()) out.entry.env[std::string(member.key())] = member.value().get_string();
    }
  }
  if (api::find(*o, {"uid"}) != nullptr) out.entry.uid = static_cast<unsigned>(api::int_at(*o, {"uid"}));
  if (api::find(*o, {"gid"}) != nullptr) out.entry.gid = static_cast<unsigned>(api::int_at(*o, {"gid"}));
  out.entry.rootfs = (folder_ / id / "rootfs").string();
  for (const auto& member : names()) {
    if (member.value().is_string() && member.value().get_string() == id) out.names.emplace_back(member.key());
  }
  return out;
}

std::vector<StoredImage> ImageStore::list() const {
  std::vector<StoredImage> out;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder_, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const auto id = it->path().filename().string();
    if (id.size() != 64) continue;
    if (auto image = read(id)) out.push_back(std::move(*image));
  }
  std::ranges::sort(out,
                    [](const auto& a, const auto& b) { return std::tie(a.names, a.id) < std::tie(b.names, b.id); });
  return out;
}

std::optional<StoredImage> ImageStore::find(std::string_view image) const {
  const auto at = image.find('@');
  if (at != std::string_view::npos) {
    const auto digest = sha256_of_digest(image.substr(at + 1));
    if (!digest) return std::nullopt;
    for (auto& stored : list()) {
      if (stored.manifest == *digest || stored.id == *digest) return std::move(stored);
    }
    return std::nullopt;
  }
  const auto known = names();
  const auto id = api::string_at(known, {canonical_image_name(image)});
  return id.size() == 64 ? read(std::string(id)) : std::nullopt;
}

std::vector<StoredImage> ImageStore::load(const Path& archive, const std::string& name) const {
  const auto given = canonical_image_name(name);
  if (!name.empty() && (given.empty() || given.find('@') != std::string::npos))
    throw Error(ErrorCode::kInvalidArgument, "is no image name (repository/name:tag)", name);
  const StoreLock lock(folder_);
  const Staging staging(folder_ / (kStaging + std::to_string(getpid())));
  const Path content = staging.path() / "archive";
  storage::ArchiveLimits limits;
  limits.total_size = limits_.total_size;
  storage::extract_archive(archive, content, limits);
  std::vector<ArchivedImage> images;
  try {
    images = read_image_archive(content, machine_architecture());
  } catch (const Error& error) {
    throw error.within(archive.string());
  }
  if (images.size() > 1 && !given.empty())
    throw Error(ErrorCode::kInvalidArgument,
                "has " + std::to_string(images.size()) + " images: none can be given a name", archive.string());
  auto known = names();
  std::vector<std::string> ids;
  for (auto& image : images) {
    if (!given.empty()) image.names.push_back(given);
    if (image.names.empty())
      throw Error(
          ErrorCode::kInvalidArgument,
          (image.tag.empty() ? "has an image without a name"
                             : "has an image of which only the tag is known (" + image.tag.substr(0, 80) + ")") +
              std::string("; say what it is called with --name repository/name:tag"),
          archive.string());
    for (const auto& one : image.names) known[one] = image.id;
    if (std::ranges::find(ids, image.id) != ids.end()) continue;
    ids.push_back(image.id);
    if (read(image.id)) continue;  // the same content: loaded before
    const Path fresh = staging.path() / image.id;
    make_folder(fresh);
    try {
      std::uint64_t size = 0;
      unpack(image, fresh, limits_, size);
      auto user = image_user(fresh / "rootfs", image.config.user);
      if (!user) throw Error(user.error());
      write_file(fresh / "image.json", json::write(described(image, *user, size)), 0600, true);
    } catch (const Error& error) {
      throw error.within(archive.string());
    }
  }
  // Nothing was changed so far. All of it reaches the disk before it counts.
  const auto here = storage::open_file(staging.path(), O_RDONLY | O_DIRECTORY);
  if (syncfs(here.get()) != 0) throw storage::system_error(errno, "cannot write to", folder_);
  for (const auto& id : ids) {
    std::error_code error;
    const Path fresh = staging.path() / id;
    if (!fs::exists(fresh, error)) continue;
    // A folder without image.json is none of ours to keep: a removal that was killed.
    if (fs::exists(folder_ / id, error)) static_cast<void>(remove_folder(folder_ / id));
    fs::rename(fresh, folder_ / id, error);
    if (error) throw storage::system_error(error.value(), "cannot move into place", folder_ / id);
  }
  storage::sync_folder(folder_);
  write_names(known);
  std::vector<StoredImage> out;
  for (const auto& id : ids) {
    if (auto image = read(id)) out.push_back(std::move(*image));
  }
  return out;
}

std::vector<std::string> ImageStore::users(const StoredImage& image) const {
  std::set<std::string> out;
  std::error_code error;
  for (auto node = fs::directory_iterator(state_ / "nodes", error); !error && node != fs::directory_iterator();
       node.increment(error)) {
    std::error_code none;
    const NodePaths paths(state_, node->path().filename().string());
    for (auto it = fs::directory_iterator(paths.pods(), none); !none && it != fs::directory_iterator();
         it.increment(none)) {
      const auto pod = read_json(PodPaths(it->path()).pod());
      if (!pod) continue;
      for (const char* list : {"initContainers", "containers"}) {
        const auto* containers = api::array_at(*pod, {"spec", list});
        if (containers == nullptr) continue;
        for (const auto& container : *containers) {
          if (!container.is_object()) continue;
          const auto used = find(api::string_at(container.get_object(), {"image"}));
          if (used && used->id == image.id) out.insert(api::key_of(*pod));
        }
      }
    }
  }
  return {out.begin(), out.end()};
}

void ImageStore::remove(const std::string& name_or_id, bool force) const {
  const StoreLock lock(folder_);
  auto image = find(name_or_id);
  bool by_id = name_or_id.find('@') != std::string::npos;
  if (!image && name_or_id.size() >= kShortestId) {
    for (auto& stored : list()) {
      if (!stored.id.starts_with(name_or_id)) continue;
      if (image) throw Error(ErrorCode::kInvalidArgument, "is how several ids begin", name_or_id);
      image = std::move(stored);
      by_id = true;
    }
  }
  if (!image) throw not_loaded(name_or_id);
  const bool all = by_id || image->names.size() <= 1;
  if (all && !force) {
    if (const auto pods = users(*image); !pods.empty())
      throw Error(ErrorCode::kConflict,
                  "is used by Pod " + pods.front() +
                      (pods.size() > 1 ? " and " + std::to_string(pods.size() - 1) + " more" : std::string()) +
                      "; delete it first, or use --force",
                  name_or_id);
  }
  auto known = names();
  for (const auto& name : image->names) {
    if (all || name == canonical_image_name(name_or_id)) known.erase(name);
  }
  write_names(known);
  if (!all) return;
  // Out of the way at once: it is either whole or not there.
  const Path gone = folder_ / (kStaging + image->id);
  std::error_code error;
  fs::rename(folder_ / image->id, gone, error);
  if (error) throw storage::system_error(error.value(), "cannot remove", folder_ / image->id);
  if (const auto left = remove_folder(gone); !left.empty())
    throw Error(ErrorCode::kPermissionDenied, "cannot be removed", left);
}

}  // namespace sedna::node
