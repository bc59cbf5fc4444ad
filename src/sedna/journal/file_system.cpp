#include "sedna/journal/file_system.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "sedna/base/error.hpp"

namespace sedna::journal {

namespace {

[[noreturn]] void fail(const char* doing, const std::string& path, int number) {
  const std::string message = std::string(doing) + ": " + std::generic_category().message(number);
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      throw Error(ErrorCode::kResourceExhausted, message, path);
    case EROFS:
    case EACCES:
    case EPERM:
      throw Error(ErrorCode::kPermissionDenied, message, path);
    case ENOENT:
      throw Error(ErrorCode::kNotFound, message, path);
    default:
      throw Error(ErrorCode::kUnavailable, message, path);
  }
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  std::uint64_t size() override {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) fail("cannot look at it", path_, errno);
    return static_cast<std::uint64_t>(st.st_size);
  }
  std::string read(std::uint64_t offset, std::size_t count) override {
    std::string out(count, '\0');
    std::size_t done = 0;
    while (done < count) {
      const ssize_t n = ::pread(fd_, out.data() + done, count - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot read it", path_, errno);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    out.resize(done);
    return out;
  }
  void write(std::uint64_t offset, const std::string& bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write it", path_, errno);
      done += static_cast<std::size_t>(n);
    }
  }
  void truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("cannot shorten it", path_, errno);
  }
  void sync() override {
    if (::fdatasync(fd_) != 0) fail("cannot bring it to the disk", path_, errno);
  }

 private:
  int fd_;
  std::string path_;
};

void sync_folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail("cannot open its folder", path, errno);
  const int result = ::fsync(fd);
  const int number = errno;
  ::close(fd);
  // Some file systems have nothing to sync in a folder, and say so.
  if (result != 0 && number != EINVAL) fail("cannot bring its folder to the disk", path, number);
}

class PosixFileSystem final : public FileSystem {
 public:
  std::unique_ptr<File> open(const std::string& path) override {
    constexpr mode_t kMode = 0600;
    const bool fresh = ::access(path.c_str(), F_OK) != 0;
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
    if (fd < 0) fail("cannot open it", path, errno);
    auto file = std::make_unique<PosixFile>(fd, path);
    if (fresh) sync_folder_of(path);
    return file;
  }
  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("cannot rename it", from, errno);
    sync_folder_of(to);
  }
  void remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("cannot remove it", path, errno);
  }
  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }
  void make_folder(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) fail("cannot make the folder", path, error.value());
    constexpr mode_t kMode = 0700;
    if (::chmod(path.c_str(), kMode) != 0) fail("cannot set the folder's mode", path, errno);
  }
};

}  // namespace

FileSystem& FileSystem::posix() {
  static PosixFileSystem instance;
  return instance;
}

}  // namespace sedna::journal
