#include "sedna/storage/local.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <vector>

#include "sedna/base/sha256.hpp"
#include "sedna/storage/file_io.hpp"

namespace sedna::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

void check_limit(std::uint64_t size, const TransferOptions& options, const fs::path& source) {
  if (options.max_size && size > options.max_size)
    throw Error(ErrorCode::kResourceExhausted,
                "larger than the limit of " + std::to_string(options.max_size) + " bytes", source.string());
  if (options.deadline.expired())
    throw Error(ErrorCode::kDeadlineExceeded, "the deadline passed while copying", source.string());
}

/// Throws what the file system library would, as our Error.
template <class Function>
auto checked(std::string_view doing, const fs::path& subject, Function function) {
  try {
    return function();
  } catch (const fs::filesystem_error& error) {
    throw system_error(error.code().value(), doing, subject);
  }
}

std::uint64_t copy_entries(const fs::path& source, const fs::path& destination, const TransferOptions& options) {
  std::uint64_t total = 0;
  TransferOptions each = options;
  each.sha256.clear();
  make_folder(destination);
  checked("cannot read the folder", source, [&] {
    for (fs::recursive_directory_iterator it(source), end; it != end; ++it) {
      const fs::path relative = it->path().lexically_relative(source);
      const fs::path to = destination / relative;
      switch (it->symlink_status().type()) {
        case fs::file_type::directory:
          make_folder(to);
          break;
        case fs::file_type::regular: {
          if (options.max_size) each.max_size = options.max_size - total;
          check_limit(total + it->file_size(), options, source);
          each.progress = options.progress ? Progress([&](std::uint64_t done, std::optional<std::uint64_t>) {
            options.progress(total + done, std::nullopt);
          })
                                           : Progress();
          total += copy_local_file(it->path(), to, each);
          break;
        }
        case fs::file_type::symlink: {
          const fs::path target = fs::read_symlink(it->path());
          if (!link_stays_inside(relative, target))
            throw Error(ErrorCode::kPermissionDenied,
                        "is a symbolic link that leads out of the folder (to " + target.string() + ")",
                        it->path().string());
          std::error_code error;
          fs::remove(to, error);
          if (error) throw system_error(error.value(), "cannot replace", to);
          fs::create_symlink(target, to);
          break;
        }
        default:
          throw Error(ErrorCode::kInvalidArgument, "is neither a file, a folder nor a symbolic link",
                      it->path().string());
      }
    }
  });
  return total;
}

}  // namespace

Result<fs::path> join_inside(const fs::path& folder, std::string_view name) {
  const std::string shown(name.substr(0, 200));
  if (name.empty()) return Error(ErrorCode::kInvalidArgument, "has no name");
  if (name.find('\0') != std::string_view::npos)
    return Error(ErrorCode::kInvalidArgument, "has a NUL character in its name", shown.substr(0, shown.find('\0')));
  if (name.front() == '/') return Error(ErrorCode::kPermissionDenied, "has an absolute path", shown);
  fs::path out = folder;
  bool any = false;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    const std::string_view segment = name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") return Error(ErrorCode::kPermissionDenied, "leads out of its folder", shown);
    if (segment.size() > 255) return Error(ErrorCode::kInvalidArgument, "has a name of more than 255 bytes", shown);
    out /= segment;
    any = true;
  }
  if (!any) return Error(ErrorCode::kInvalidArgument, "has no name", shown);
  return out;
}

bool link_stays_inside(const fs::path& link, const fs::path& target) {
  if (target.empty() || target.is_absolute()) return false;
  std::ptrdiff_t depth = 0;
  for (const auto& part : link.lexically_normal().parent_path()) depth += part != ".";
  bool down = false;
  for (const auto& part : target) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      down = true;
    } else if (down || --depth < 0) {
      // After a step down, ".." may start from wherever another link leads, so that counting levels proves nothing.
      return false;
    }
  }
  return true;
}

std::uint64_t copy_local_file(const fs::path& source, const fs::path& destination, const TransferOptions& options) {
  const Descriptor in = open_file(source, O_RDONLY);
  struct stat info{};
  if (::fstat(in.get(), &info) != 0) throw system_error(errno, "cannot read", source);
  if (!S_ISREG(info.st_mode))
    throw Error(ErrorCode::kInvalidArgument, S_ISDIR(info.st_mode) ? "is a folder" : "is not a regular file",
                source.string());
  const auto size = static_cast<std::uint64_t>(info.st_size);
  check_limit(size, options, source);
  struct stat there{};
  const bool same =
      ::stat(destination.c_str(), &there) == 0 && there.st_dev == info.st_dev && there.st_ino == info.st_ino;
  if (same) return size;
  AtomicFile out(destination, info.st_mode & 0777);
  out.reserve(size);
  std::vector<std::byte> piece(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size + 1)));
  Sha256 digest;
  while (const std::size_t n = read_some(in, piece, source)) {
    const auto bytes = std::span<const std::byte>(piece).first(n);
    check_limit(out.size() + n, options, source);
    if (!options.sha256.empty()) digest.update(bytes);
    out.write(bytes);
    if (options.progress) options.progress(out.size(), size);
  }
  if (!options.sha256.empty()) {
    const std::string actual = digest.finish();
    if (actual != options.sha256)
      throw Error(ErrorCode::kDataLoss, "the content's SHA-256 is " + actual + ", expected " + options.sha256,
                  source.string());
  }
  out.commit();
  return out.size();
}

std::uint64_t copy_local_folder(const fs::path& source, const fs::path& destination, const TransferOptions& options) {
  if (!options.sha256.empty())
    throw Error(ErrorCode::kInvalidArgument, "a folder has no SHA-256 to check", source.string());
  const fs::path from = checked("cannot read the folder", source, [&] { return fs::canonical(source); });
  // "a/b/" names b: without this its temporary would lie inside it.
  fs::path named = fs::absolute(destination).lexically_normal();
  if (!named.has_filename()) named = named.parent_path();
  const fs::path to = checked("cannot use the folder", destination, [&] { return fs::weakly_canonical(named); });
  if (to == from) return 0;
  const auto inside = to.lexically_relative(from);
  if (!inside.empty() && *inside.begin() != "..")
    throw Error(ErrorCode::kInvalidArgument, "a folder cannot be copied into itself", destination.string());
  if (fs::exists(to)) return copy_entries(from, to, options);
  make_folder(to.parent_path());
  const fs::path temporary = temporary_beside(to);
  try {
    const std::uint64_t total = copy_entries(from, temporary, options);
    if (::rename(temporary.c_str(), to.c_str()) != 0)
      throw system_error(errno, "cannot move the finished folder into place", to);
    sync_folder(to.parent_path());
    return total;
  } catch (...) {
    std::error_code ignored;  // the first error is the one that tells something
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace sedna::storage
