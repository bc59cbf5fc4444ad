#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <system_error>
#include <vector>

#include "sedna/storage/archive.hpp"
#include "sedna/storage/file_io.hpp"
#include "sedna/storage/local.hpp"

namespace sedna::storage {

namespace fs = std::filesystem;

namespace {

struct CloseArchive {
  void operator()(archive* a) const { archive_write_free(a); }
};
using Writer = std::unique_ptr<archive, CloseArchive>;

struct FreeEntry {
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using Entry = std::unique_ptr<archive_entry, FreeEntry>;

/// 1980-01-01: times are left out so that the same content gives the same bytes; tar(1) warns of 1970.
constexpr std::time_t kNoTime = 315532800;

struct Sink {
  AtomicFile* file;
  std::exception_ptr error;
};

la_ssize_t on_write(archive* a, void* client, const void* bytes, std::size_t size) {
  auto& sink = *static_cast<Sink*>(client);
  try {
    sink.file->write({static_cast<const std::byte*>(bytes), size});
    return static_cast<la_ssize_t>(size);
  } catch (...) {
    sink.error = std::current_exception();  // no exception may pass through the C library
    archive_set_error(a, EIO, "write failed");
    return -1;
  }
}

class Packing {
 public:
  explicit Packing(const fs::path& destination) : file_(destination), sink_{&file_, {}}, writer_(archive_write_new()) {
    archive* a = writer_.get();
    if (!a) throw Error(ErrorCode::kResourceExhausted, "no memory to write an archive", destination.string());
    check(archive_write_add_filter_gzip(a));
    check(archive_write_set_format_pax_restricted(a));
    check(archive_write_set_options(a, "gzip:!timestamp"));
    check(archive_write_open(a, &sink_, nullptr, &on_write, nullptr));
  }

  void add(const fs::path& path, const fs::path& name, const fs::file_status& status) {
    const Entry entry(archive_entry_new());
    if (!entry) throw Error(ErrorCode::kResourceExhausted, "no memory to write an archive", path.string());
    archive_entry* e = entry.get();
    archive_entry_set_pathname(e, name.c_str());
    archive_entry_set_mtime(e, kNoTime, 0);
    const bool executable = (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
    ++summary_.members;
    switch (status.type()) {
      case fs::file_type::directory:
        archive_entry_set_filetype(e, AE_IFDIR);
        archive_entry_set_perm(e, 0755);
        check(archive_write_header(writer_.get(), e));
        break;
      case fs::file_type::symlink: {
        const fs::path target = fs::read_symlink(path);
        if (!link_stays_inside(name, target))
          throw Error(ErrorCode::kPermissionDenied,
                      "is a symbolic link that leads out of the folder (to " + target.string() + ")", path.string());
        archive_entry_set_filetype(e, AE_IFLNK);
        archive_entry_set_perm(e, 0777);
        archive_entry_set_symlink(e, target.c_str());
        check(archive_write_header(writer_.get(), e));
        break;
      }
      case fs::file_type::regular:
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, executable ? 0755 : 0644);
        content(path, e);
        break;
      default:
        throw Error(ErrorCode::kInvalidArgument, "is neither a file, a folder nor a symbolic link", path.string());
    }
  }

  ArchiveSummary finish() {
    check(archive_write_close(writer_.get()));
    file_.commit();
    return summary_;
  }

 private:
  void check(int status) {
    if (sink_.error) std::rethrow_exception(sink_.error);
    if (status >= ARCHIVE_WARN) return;
    const char* text = archive_error_string(writer_.get());
    throw Error(ErrorCode::kInternal, std::string("cannot write the archive: ") + (text ? text : "unknown reason"),
                file_.destination().string());
  }

  void content(const fs::path& path, archive_entry* entry) {
    const Descriptor in = open_file(path, O_RDONLY | O_NOFOLLOW);
    struct stat info{};
    if (::fstat(in.get(), &info) != 0) throw system_error(errno, "cannot read", path);
    const auto size = static_cast<std::uint64_t>(info.st_size);
    archive_entry_set_size(entry, info.st_size);
    check(archive_write_header(writer_.get(), entry));
    std::vector<std::byte> piece(static_cast<std::size_t>(std::clamp<std::uint64_t>(size, 1, 1 << 18)));
    for (std::uint64_t offset = 0; offset < size;) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), size - offset));
      read_at(in, offset, std::span(piece).first(n), path);
      const la_ssize_t written = archive_write_data(writer_.get(), piece.data(), n);
      check(written == static_cast<la_ssize_t>(n) ? ARCHIVE_OK : ARCHIVE_FATAL);
      offset += n;
    }
    summary_.total_size += size;
  }

  AtomicFile file_;
  Sink sink_;
  Writer writer_;
  ArchiveSummary summary_;
};

}  // namespace

ArchiveSummary create_tar_gz(const fs::path& source, const fs::path& archive) {
  std::error_code error;
  const fs::path root = fs::canonical(source, error);
  if (error) throw system_error(error.value(), "cannot pack", source);
  std::vector<fs::path> names;
  if (fs::is_directory(root)) {
    for (fs::recursive_directory_iterator it(root, error), end; !error && it != end; it.increment(error))
      names.push_back(it->path().lexically_relative(root));
    if (error) throw system_error(error.value(), "cannot read the folder", source);
    std::sort(names.begin(), names.end());
  }
  Packing packing(archive);
  if (!fs::is_directory(root)) packing.add(root, root.filename(), fs::symlink_status(root));
  for (const auto& name : names) packing.add(root / name, name, fs::symlink_status(root / name));
  return packing.finish();
}

}  // namespace sedna::storage
