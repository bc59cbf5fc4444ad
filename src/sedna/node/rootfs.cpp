#include "sedna/node/rootfs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <span>
#include <system_error>
#include <vector>

#include "sedna/storage/archive_reader.hpp"
#include "sedna/storage/file_io.hpp"
#include "sedna/storage/local.hpp"

namespace sedna::node {

namespace fs = std::filesystem;
using storage::ArchiveMember;
using storage::system_error;

namespace {

constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq", kAufs = ".wh..wh.";
constexpr int kMostLinks = 40;  // as the kernel

Error refused(ErrorCode code, const Path& tar, const std::string& name, const std::string& reason) {
  return Error(code, "member '" + name.substr(0, 200) + "' " + reason, tar.filename().string());
}

bool is_folder(const Path& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

std::optional<Path> resolve_in_rootfs(const Path& rootfs, const Path& inside, bool follow_last) {
  std::deque<std::string> left;
  const auto push_front = [&](const Path& path) {
    std::deque<std::string> words;
    for (const auto& part : path.relative_path()) words.push_back(part.string());
    left.insert(left.begin(), words.begin(), words.end());
  };
  push_front(inside);
  Path at = "/";
  for (int links = 0; !left.empty();) {
    const std::string name = left.front();
    left.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      at = at.parent_path();
      continue;
    }
    const Path here = rootfs / at.relative_path() / name;
    std::error_code error;
    const bool last = std::ranges::all_of(left, [](const auto& word) { return word.empty() || word == "."; });
    if ((!last || follow_last) && fs::is_symlink(fs::symlink_status(here, error)) && !error) {
      if (++links > kMostLinks) return std::nullopt;
      const Path target = fs::read_symlink(here, error);
      if (error) return std::nullopt;
      if (target.is_absolute()) at = "/";
      push_front(target);
      continue;
    }
    at /= name;
  }
  return at;
}

void RootfsBuilder::apply(const Path& tar) {
  tar_ = tar;
  made_.clear();
  storage::ArchiveReader reader(tar);
  while (const auto member = reader.next()) take(reader, *member);
}

void RootfsBuilder::count(std::uint64_t bytes) {
  size_ += bytes;
  if (size_ > limits_.total_size)
    throw Error(ErrorCode::kResourceExhausted,
                "the image unpacks to more than " + std::to_string(limits_.total_size) + " bytes",
                tar_.filename().string());
}

Path RootfsBuilder::place(const std::string& name) {
  // Names only: what lies on the way is looked at below, on disk.
  const auto plain = storage::join_inside("/", name);
  if (!plain) throw refused(plain.error().code(), tar_, name, plain.error().message());
  const auto inside = resolve_in_rootfs(root_, *plain, false);
  if (!inside) throw refused(ErrorCode::kInvalidArgument, tar_, name, "lies behind links that go in circles");
  if (*inside == "/") throw refused(ErrorCode::kInvalidArgument, tar_, name, "has no name of its own");
  const Path path = root_ / inside->relative_path();
  Path above = root_;
  for (const auto& part : inside->relative_path().parent_path()) {
    above /= part;
    if (is_folder(above)) continue;
    if (::mkdir(above.c_str(), 0755) != 0) {
      if (errno == EEXIST) throw refused(ErrorCode::kInvalidArgument, tar_, name, "lies below what is no folder");
      throw system_error(errno, "cannot make the folder", above);
    }
    made_.insert(above);
  }
  return path;
}

void RootfsBuilder::remove_lower(const Path& path) {
  if (!made_.contains(path)) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) throw system_error(error.value(), "cannot remove what a layer hides", path);
    return;
  }
  if (!is_folder(path)) return;
  std::vector<Path> children;
  for (const auto& entry : fs::directory_iterator(path)) children.push_back(entry.path());
  for (const auto& child : children) remove_lower(child);
}

void RootfsBuilder::whiteout(const Path& folder, const std::string& hidden) {
  if (hidden.empty() || hidden == "." || hidden == "..")
    throw refused(ErrorCode::kInvalidArgument, tar_, std::string(kWhiteout) + hidden, "hides nothing that can be");
  remove_lower(folder / hidden);
}

void RootfsBuilder::make_way(const Path& path, bool for_folder) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return;
  if (S_ISDIR(info.st_mode) && for_folder) return;
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw system_error(error.value(), "cannot replace", path);
}

void RootfsBuilder::take(storage::ArchiveReader& reader, const ArchiveMember& member) {
  if (++members_ > limits_.members)
    throw Error(ErrorCode::kResourceExhausted,
                "the image has more than " + std::to_string(limits_.members) + " members", tar_.filename().string());
  const std::string& name = member.name;
  if (member.type == ArchiveMember::Type::kFolder && (name == "." || name == "./" || name == "/")) return;
  const Path path = place(name);
  const std::string last = path.filename().string();
  if (last == kOpaque) {
    if (is_folder(path.parent_path())) {
      std::vector<Path> children;
      for (const auto& entry : fs::directory_iterator(path.parent_path())) children.push_back(entry.path());
      for (const auto& child : children) remove_lower(child);
    }
    return;
  }
  if (last.starts_with(kAufs)) return;  // book-keeping of a storage driver
  if (last.starts_with(kWhiteout)) return whiteout(path.parent_path(), last.substr(kWhiteout.size()));
  switch (member.type) {
    case ArchiveMember::Type::kFolder:
      make_way(path, true);
      if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
        throw system_error(errno, "cannot make the folder", path);
      // Ours to look into and to remove, whatever the image says.
      if (::chmod(path.c_str(), (member.mode & 0777) | 0700) != 0)
        throw system_error(errno, "cannot set the mode of", path);
      break;
    case ArchiveMember::Type::kFile:
      make_way(path, false);
      file(reader, member, path);
      break;
    case ArchiveMember::Type::kSymbolicLink:
      make_way(path, false);
      if (::symlink(member.target.c_str(), path.c_str()) != 0) throw system_error(errno, "cannot make the link", path);
      break;
    case ArchiveMember::Type::kHardLink:
      hard_link(member, path);
      break;
    case ArchiveMember::Type::kSpecial:
      if (path.lexically_relative(root_).begin()->string() == "dev") return;
      throw refused(ErrorCode::kPermissionDenied, tar_, name, "is a device, pipe or socket");
  }
  made_.insert(path);
}

void RootfsBuilder::file(storage::ArchiveReader& reader, const ArchiveMember& member, const Path& path) {
  const auto out = storage::open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  std::uint64_t end = 0;
  reader.content([&](std::uint64_t offset, std::span<const std::byte> piece) {
    const std::uint64_t to = offset + piece.size();
    if (to > end) count(to - end);
    end = std::max(end, to);
    if (::lseek(out.get(), static_cast<off_t>(offset), SEEK_SET) < 0) throw system_error(errno, "cannot seek", path);
    storage::write_all(out, piece, path);
  });
  if (member.size > end) {  // a hole at the end of a sparse file
    count(member.size - end);
    if (::ftruncate(out.get(), static_cast<off_t>(member.size)) != 0) throw system_error(errno, "cannot extend", path);
  }
  if (::fchmod(out.get(), (member.mode & 0777) | 0400) != 0) throw system_error(errno, "cannot set the mode of", path);
}

void RootfsBuilder::hard_link(const ArchiveMember& member, const Path& path) {
  const auto plain =
      storage::join_inside("/", member.target.starts_with('/') ? member.target.substr(1) : member.target);
  const auto inside = plain ? resolve_in_rootfs(root_, *plain, false) : std::nullopt;
  const Path original = inside ? root_ / inside->relative_path() : Path();
  struct stat info{};
  if (!inside || ::lstat(original.c_str(), &info) != 0 || S_ISDIR(info.st_mode))
    throw refused(ErrorCode::kDataLoss, tar_, member.name,
                  "links to '" + member.target.substr(0, 200) + "', which is no file of the image");
  if (original == path) return;
  make_way(path, false);
  if (::link(original.c_str(), path.c_str()) != 0) throw system_error(errno, "cannot link", path);
}

}  // namespace sedna::node
