#include "sedna/storage/file_io.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "sedna/base/ids.hpp"

namespace sedna::storage {

namespace fs = std::filesystem;

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void Descriptor::reset() noexcept {
  // Written data is made sure of by fsync before, so that the result of close tells nothing.
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error system_error(int error_number, std::string_view doing, const fs::path& subject) {
  const std::string reason = std::generic_category().message(error_number);
  ErrorCode code = ErrorCode::kInternal;
  std::string message = std::string(doing) + ": " + reason;
  switch (error_number) {
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    case EEXIST:
      code = ErrorCode::kAlreadyExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kPermissionDenied;
      break;
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
      code = ErrorCode::kInvalidArgument;
      break;
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::kResourceExhausted;
      message = std::string(doing) + ": disk full (" + reason + "); free some space and try again";
      break;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EFBIG:
      code = ErrorCode::kResourceExhausted;
      break;
    default:
      break;
  }
  return Error(code, message, subject.string());
}

Descriptor open_file(const fs::path& file, int flags, unsigned mode) {
  int fd;
  do {
    fd = ::open(file.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw system_error(errno, (flags & O_ACCMODE) == O_RDONLY ? "cannot open" : "cannot create", file);
  return Descriptor(fd);
}

std::size_t read_some(const Descriptor& in, std::span<std::byte> into, const fs::path& file) {
  for (;;) {
    const ssize_t n = ::read(in.get(), into.data(), into.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw system_error(errno, "cannot read", file);
  }
}

void read_at(const Descriptor& in, std::uint64_t offset, std::span<std::byte> into, const fs::path& file) {
  while (!into.empty()) {
    const ssize_t n = ::pread(in.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error(errno, "cannot read", file);
    if (n == 0) throw Error(ErrorCode::kDataLoss, "the file became shorter while it was read", file.string());
    into = into.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void write_all(const Descriptor& out, std::span<const std::byte> bytes, const fs::path& file) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(out.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error(errno, "cannot write", file);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void sync_folder(const fs::path& folder) {
  const Descriptor fd = open_file(folder.empty() ? fs::path(".") : folder, O_RDONLY | O_DIRECTORY);
  // Some file systems (FUSE, older network mounts) cannot sync a folder and say so with EINVAL; nothing more can be
  // done.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw system_error(errno, "cannot sync the folder", folder);
}

void make_folder(const fs::path& folder) {
  if (folder.empty()) return;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw system_error(error.value(), "cannot make the folder", folder);
  if (!fs::is_directory(folder)) throw system_error(ENOTDIR, "cannot make the folder", folder);
}

namespace {

fs::path beside(const fs::path& destination, const std::string& suffix) {
  // The name is cut so that the suffix always fits into the 255 bytes that file systems allow.
  return destination.parent_path() / ("." + destination.filename().string().substr(0, 200) + suffix);
}

void check_destination(const fs::path& destination) {
  if (!destination.has_filename() || destination.filename() == "." || destination.filename() == "..")
    throw Error(ErrorCode::kInvalidArgument, "the destination must name a file", destination.string());
  if (fs::is_directory(destination))
    throw Error(ErrorCode::kInvalidArgument, "the destination is a folder; name the file in it", destination.string());
}

}  // namespace

fs::path temporary_beside(const fs::path& destination) {
  return beside(destination, ".tmp-" + random_hex(8));
}

AtomicFile::AtomicFile(fs::path destination, unsigned mode) : destination_(std::move(destination)) {
  check_destination(destination_);
  make_folder(destination_.parent_path());
  temporary_ = temporary_beside(destination_);
  fd_ = open_file(temporary_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

AtomicFile AtomicFile::resumable(fs::path destination, std::string_view source) {
  check_destination(destination);
  make_folder(destination.parent_path());
  AtomicFile file;
  file.temporary_ = beside(destination, ".part");
  file.fd_ = open_file(file.temporary_, O_RDWR | O_CREAT | O_NOFOLLOW, 0666);
  struct stat opened{};
  struct stat named{};
  // Somebody else is downloading it: leave theirs alone. The second check: they renamed it away after we opened it.
  if (::flock(file.fd_.get(), LOCK_EX | LOCK_NB) != 0 || ::fstat(file.fd_.get(), &opened) != 0 ||
      ::lstat(file.temporary_.c_str(), &named) != 0 || opened.st_ino != named.st_ino || !S_ISREG(opened.st_mode)) {
    file.done_ = true;  // nothing to remove: it is not ours
    return AtomicFile(std::move(destination));
  }
  file.destination_ = std::move(destination);
  file.source_ = std::string(source);
  file.resumable_ = true;
  std::string known_source;
  std::string version;
  if (std::ifstream in(file.note()); in) {
    std::getline(in, known_source);
    std::getline(in, version);
  }
  if (opened.st_size > 0 && !version.empty() && known_source == file.source_) {
    file.version_ = version;
    file.size_ = static_cast<std::uint64_t>(opened.st_size);
    if (::lseek(file.fd_.get(), 0, SEEK_END) < 0) throw system_error(errno, "cannot seek", file.temporary_);
  } else {
    file.truncate(0);
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : destination_(std::move(other.destination_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::move(other.fd_)),
      size_(other.size_),
      source_(std::move(other.source_)),
      version_(std::move(other.version_)),
      resumable_(other.resumable_),
      keep_(other.keep_),
      done_(std::exchange(other.done_, true)) {}

AtomicFile::~AtomicFile() {
  if (done_ || !fd_) return;
  if (keep_ && resumable_ && !version_.empty() && size_ > 0) return;
  remove();
}

fs::path AtomicFile::note() const {
  return fs::path(temporary_.string() + ".from");
}

void AtomicFile::remove() noexcept {
  // Also called while an error is under way: what cannot be removed now is overwritten by the next try.
  ::unlink(temporary_.c_str());
  if (resumable_) ::unlink(note().c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_all(fd_, bytes, destination_);
  size_ += bytes.size();
}

void AtomicFile::truncate(std::uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0 ||
      ::lseek(fd_.get(), static_cast<off_t>(size), SEEK_SET) < 0)
    throw system_error(errno, "cannot truncate", temporary_);
  size_ = size;
}

void AtomicFile::reserve(std::uint64_t size) {
  if (size <= size_) return;
  // FALLOC_FL_KEEP_SIZE: the length of the temporary goes on telling how much has arrived.
  if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_), static_cast<off_t>(size - size_)) != 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    throw system_error(errno, "no room for " + std::to_string(size) + " bytes", destination_);
}

void AtomicFile::set_version(std::string_view version) {
  version_ = std::string(version);
  if (!resumable_) return;
  if (version_.empty() || version_.find('\n') != std::string::npos) {
    version_.clear();
    ::unlink(note().c_str());
    return;
  }
  std::ofstream out(note(), std::ios::trunc);
  out << source_ << '\n' << version_ << '\n';
  // Without the note the next try only starts from the beginning.
  if (!out.flush()) version_.clear();
}

void AtomicFile::commit() {
  if (::fsync(fd_.get()) != 0) throw system_error(errno, "cannot sync", destination_);
  if (::rename(temporary_.c_str(), destination_.c_str()) != 0)
    throw system_error(errno, "cannot move the finished file into place", destination_);
  done_ = true;
  if (resumable_) ::unlink(note().c_str());
  sync_folder(destination_.parent_path());
}

}  // namespace sedna::storage
