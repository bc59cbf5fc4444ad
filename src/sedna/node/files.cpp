#include "sedna/node/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "sedna/base/error.hpp"

namespace sedna::node {

namespace {

[[noreturn]] void fail(const char* doing, const Path& path) {
  const int error = errno;
  throw Error(error == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kUnavailable,
              std::string(doing) + ": " + std::strerror(error), path.string());
}

}  // namespace

void write_file(const Path& path, std::string_view text, unsigned mode, bool durable) {
  const Path part = path.string() + ".part";
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) fail("cannot write", part);
  for (std::size_t done = 0; done < text.size();) {
    const auto n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = errno;
      ::close(fd);
      ::unlink(part.c_str());
      errno = error;
      fail("cannot write", part);
    }
    done += static_cast<std::size_t>(n);
  }
  ::fchmod(fd, mode);
  const bool synced = !durable || ::fsync(fd) == 0;
  if (::close(fd) != 0 || !synced || ::rename(part.c_str(), path.c_str()) != 0) fail("cannot write", path);
}

std::optional<std::string> read_file(const Path& path) {
  // Also files of /proc, whose process may end while they are read.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string out;
  std::array<char, 16 * 1024> piece{};
  ssize_t n = 0;
  while ((n = ::read(fd, piece.data(), piece.size())) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    out.append(piece.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  if (n < 0) return std::nullopt;
  return out;
}

std::optional<json::object> read_json(const Path& path) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  auto value = json::parse(*text);
  if (!value || !value->is_object()) return std::nullopt;
  return std::move(value->get_object());
}

void make_folder(const Path& path, unsigned mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    errno = error.value();
    fail("cannot make the folder", path);
  }
  ::chmod(path.c_str(), mode);
}

std::string remove_folder(const Path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return {};
  // A container may have left folders that its owner may not enter.
  for (auto it = std::filesystem::recursive_directory_iterator(
           path, std::filesystem::directory_options::skip_permission_denied, error);
       !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    std::error_code ignored;  // what stays is named below
    if (it->is_directory(ignored) && !it->is_symlink(ignored))
      std::filesystem::permissions(it->path(), std::filesystem::perms::owner_all, std::filesystem::perm_options::add,
                                   ignored);
  }
  std::filesystem::remove_all(path, error);
  return error ? path.string() + ": " + error.message() : std::string();
}

}  // namespace sedna::node
