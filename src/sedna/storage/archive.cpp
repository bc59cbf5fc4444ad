#include "sedna/storage/archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "sedna/storage/file_io.hpp"
#include "sedna/storage/local.hpp"

namespace sedna::storage {

namespace fs = std::filesystem;

namespace {

struct CloseArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, CloseArchive>;

std::string why(archive* a) {
  const char* text = archive_error_string(a);
  return text ? text : "unknown reason";
}

/// Name or link target as UTF-8 where libarchive knows it, else the raw bytes. Null when there is none.
const char* name_of(archive_entry* entry) {
  const char* utf8 = archive_entry_pathname_utf8(entry);
  return utf8 ? utf8 : archive_entry_pathname(entry);
}

const char* target_of(archive_entry* entry) {
  const char* utf8 = archive_entry_symlink_utf8(entry);
  return utf8 ? utf8 : archive_entry_symlink(entry);
}

const char* hardlink_of(archive_entry* entry) {
  const char* utf8 = archive_entry_hardlink_utf8(entry);
  return utf8 ? utf8 : archive_entry_hardlink(entry);
}

/// Unpacks into a folder that only this object writes to. Symbolic links are made last of all: while members are
/// written there is none in the folder, so that no member can be written through one.
class Extraction {
 public:
  Extraction(const fs::path& source, fs::path root, const ArchiveLimits& limits)
      : source_(source), root_(std::move(root)), limits_(limits), packed_(fs::file_size(source)) {}

  ArchiveSummary run() {
    const Reader reader(archive_read_new());
    archive* a = reader.get();
    if (!a) throw Error(ErrorCode::kResourceExhausted, "no memory to read an archive", source_.string());
    archive_read_support_filter_gzip(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_zip(a);
    if (archive_read_open_filename(a, source_.c_str(), 1 << 17) != ARCHIVE_OK) throw damaged(a);
    for (;;) {
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(a, &entry);
      if (status == ARCHIVE_EOF) break;
      if (status < ARCHIVE_WARN) throw damaged(a);
      take(a, entry);
    }
    if (archive_format(a) == ARCHIVE_FORMAT_EMPTY)
      throw Error(ErrorCode::kDataLoss, "is empty, not an archive", source_.string());
    for (const auto& [path, target] : links_) {
      if (::unlink(path.c_str()) != 0) throw system_error(errno, "cannot replace", path);
      if (::symlink(target.c_str(), path.c_str()) != 0) throw system_error(errno, "cannot make the link", path);
    }
    return summary_;
  }

 private:
  Error damaged(archive* a) const {
    const int number = archive_errno(a);
    if (number == ENOENT || number == EACCES) return system_error(number, "cannot open", source_);
    return Error(ErrorCode::kDataLoss, "is not a whole .tar, .tar.gz or .zip archive: " + why(a), source_.string());
  }

  Error refused(ErrorCode code, const std::string& name, const std::string& reason) const {
    return Error(code, "member '" + name.substr(0, 200) + "' " + reason, source_.string());
  }

  fs::path place(const std::string& name) const {
    auto path = join_inside(root_, name);
    if (!path) throw refused(path.error().code(), name, path.error().message());
    return std::move(*path);
  }

  void take(archive* a, archive_entry* entry) {
    if (++summary_.members > limits_.members)
      throw Error(ErrorCode::kResourceExhausted, "has more than " + std::to_string(limits_.members) + " members",
                  source_.string());
    const char* raw = name_of(entry);
    const std::string name(raw ? raw : "");
    if (archive_entry_is_encrypted(entry)) throw refused(ErrorCode::kUnimplemented, name, "is encrypted");
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFDIR && (name == "." || name == "./")) return;
    const fs::path path = place(name);
    if (const char* target = hardlink_of(entry)) return hard_link(name, path, target);
    switch (type) {
      case AE_IFDIR:
        return folder(name, path);
      case AE_IFREG:
        make_parent(name, path);
        return file(a, entry, name, path);
      case AE_IFLNK:
        return symbolic_link(name, path, target_of(entry));
      default:
        throw refused(ErrorCode::kPermissionDenied, name, "is a device, pipe or socket");
    }
  }

  void folder(const std::string& name, const fs::path& path) {
    try {
      make_folder(path);
    } catch (const Error& error) {
      throw refused(error.code(), name, error.message());
    }
  }

  void make_parent(const std::string& name, const fs::path& path) { folder(name, path.parent_path()); }

  void file(archive* a, archive_entry* entry, const std::string& name, const fs::path& path) {
    const unsigned mode = (archive_entry_perm(entry) & 0100) ? 0777 : 0666;
    const Descriptor out = create(name, path, mode);
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    la_int64_t end = 0;
    for (;;) {
      const int status = archive_read_data_block(a, &block, &size, &offset);
      if (status == ARCHIVE_EOF) break;
      if (status < ARCHIVE_WARN) throw damaged(a);
      count(offset + static_cast<la_int64_t>(size) - end);
      end = std::max(end, offset + static_cast<la_int64_t>(size));
      if (::lseek(out.get(), offset, SEEK_SET) < 0) throw system_error(errno, "cannot seek", path);
      write_all(out, {static_cast<const std::byte*>(block), size}, path);
    }
    // A sparse member ends in a hole; its declared length counts as unpacked too.
    const la_int64_t declared = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : end;
    if (declared > end) {
      count(declared - end);
      if (::ftruncate(out.get(), declared) != 0) throw system_error(errno, "cannot extend", path);
    }
  }

  Descriptor create(const std::string& name, const fs::path& path, unsigned mode) const {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd >= 0) return Descriptor(fd);
    if (errno == EEXIST) throw refused(ErrorCode::kAlreadyExists, name, "is there twice");
    throw system_error(errno, "cannot create", path);
  }

  void count(la_int64_t bytes) {
    if (bytes > 0) summary_.total_size += static_cast<std::uint64_t>(bytes);
    if (summary_.total_size > limits_.total_size)
      throw Error(ErrorCode::kResourceExhausted,
                  "unpacks to more than " + std::to_string(limits_.total_size) + " bytes", source_.string());
    if (summary_.total_size > limits_.ratio_from &&
        static_cast<double>(summary_.total_size) > limits_.ratio * static_cast<double>(packed_))
      throw Error(ErrorCode::kResourceExhausted,
                  "unpacks to more than " + std::to_string(static_cast<long long>(limits_.ratio)) +
                      " times its size, as archives made to fill disks do",
                  source_.string());
  }

  void hard_link(const std::string& name, const fs::path& path, const char* target) {
    const fs::path original = place(target);
    make_parent(name, path);
    struct stat info{};
    if (::lstat(original.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || links_.contains(original))
      throw refused(ErrorCode::kDataLoss, name,
                    "links to '" + std::string(target).substr(0, 200) + "', which is no earlier file of the archive");
    if (::link(original.c_str(), path.c_str()) != 0) {
      if (errno == EEXIST) throw refused(ErrorCode::kAlreadyExists, name, "is there twice");
      throw system_error(errno, "cannot link", path);
    }
  }

  void symbolic_link(const std::string& name, const fs::path& path, const char* target) {
    if (!target || !link_stays_inside(path.lexically_relative(root_), target))
      throw refused(
          ErrorCode::kPermissionDenied, name,
          "is a symbolic link that leads out (to '" + std::string(target ? target : "").substr(0, 200) + "')");
    make_parent(name, path);
    // Held back until the end; an empty file keeps the name taken, so that no member can go below it.
    create(name, path, 0600);
    links_.emplace(path, target);
  }

  const fs::path& source_;
  fs::path root_;
  const ArchiveLimits& limits_;
  std::uint64_t packed_;
  ArchiveSummary summary_;
  std::map<fs::path, std::string> links_;
};

}  // namespace

ArchiveSummary extract_archive(const fs::path& archive, const fs::path& folder, const ArchiveLimits& limits) {
  if (!fs::is_regular_file(archive))
    throw Error(fs::exists(archive) ? ErrorCode::kInvalidArgument : ErrorCode::kNotFound, "is no file to unpack",
                archive.string());
  fs::path destination = fs::absolute(folder).lexically_normal();
  if (!destination.has_filename()) destination = destination.parent_path();
  if (fs::exists(destination) && !(fs::is_directory(destination) && fs::is_empty(destination)))
    throw Error(ErrorCode::kAlreadyExists, "the folder to unpack into is not empty", destination.string());
  make_folder(destination.parent_path());
  const fs::path temporary = temporary_beside(destination);
  if (::mkdir(temporary.c_str(), 0777) != 0) throw system_error(errno, "cannot make the folder", temporary);
  try {
    const ArchiveSummary summary = Extraction(archive, temporary, limits).run();
    // rename(2) replaces an empty folder.
    if (::rename(temporary.c_str(), destination.c_str()) != 0)
      throw system_error(errno, "cannot move the unpacked folder into place", destination);
    sync_folder(destination.parent_path());
    return summary;
  } catch (...) {
    std::error_code ignored;  // the first error is the one that tells something
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace sedna::storage
