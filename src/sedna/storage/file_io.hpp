// Files as this module writes them: errors name the file and the reason, a full disk is said as such, and a destination
// is only ever seen whole (temporary file beside it → fsync → rename → fsync of the folder).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "sedna/base/error.hpp"

namespace sedna::storage {

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// The Error for a failed system call: ENOSPC and EDQUOT become kResourceExhausted "disk full", ENOENT kNotFound, …
Error system_error(int error_number, std::string_view doing, const std::filesystem::path& subject);

/// open(2) with O_CLOEXEC; throws Error.
Descriptor open_file(const std::filesystem::path& file, int flags, unsigned mode = 0666);
/// At least one byte, or 0 at the end.
std::size_t read_some(const Descriptor& in, std::span<std::byte> into, const std::filesystem::path& file);
/// Exactly `into.size()` bytes from `offset`; kDataLoss when the file has become shorter.
void read_at(const Descriptor& in, std::uint64_t offset, std::span<std::byte> into, const std::filesystem::path& file);
void write_all(const Descriptor& out, std::span<const std::byte> bytes, const std::filesystem::path& file);
/// Makes a rename or a new entry in `folder` durable.
void sync_folder(const std::filesystem::path& folder);
/// Makes the folder and its parents; a file in the way is an Error naming it.
void make_folder(const std::filesystem::path& folder);
/// Name, in the same folder as `destination`, that nothing else uses.
std::filesystem::path temporary_beside(const std::filesystem::path& destination);

/// A file that comes into being by commit(). Until then it is a hidden temporary beside the destination, removed by the
/// destructor. Not thread-safe.
class AtomicFile {
 public:
  /// Makes missing parent folders. `mode` is subject to the umask.
  explicit AtomicFile(std::filesystem::path destination, unsigned mode = 0666);
  /// A temporary that outlives a failure: the same destination and `tag` (what it is a copy of; without line breaks)
  /// find again what an earlier try wrote. Used by one process at a time; a second one gets a fresh temporary instead.
  static AtomicFile resumable(std::filesystem::path destination, std::string_view source);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  /// Drops what was written after the first `size` bytes.
  void truncate(std::uint64_t size);
  /// Takes the room on disk now, so that a full disk is found before the transfer and not in its middle.
  void reserve(std::uint64_t size);
  std::uint64_t size() const { return size_; }
  const std::filesystem::path& destination() const { return destination_; }
  const std::filesystem::path& temporary() const { return temporary_; }
  const Descriptor& descriptor() const { return fd_; }

  /// What version of the source the temporary holds (an ETag); "" when unknown. Only with resumable().
  const std::string& version() const { return version_; }
  void set_version(std::string_view version);
  /// The destructor leaves the temporary for a later try (no effect without a version to resume by).
  void keep() { keep_ = true; }

  /// fsync, rename over the destination, fsync of the folder. Throws Error; the temporary is then removed as usual.
  void commit();

 private:
  AtomicFile() = default;
  std::filesystem::path note() const;
  void remove() noexcept;

  std::filesystem::path destination_;
  std::filesystem::path temporary_;
  Descriptor fd_;
  std::uint64_t size_ = 0;
  std::string source_;
  std::string version_;
  bool resumable_ = false;
  bool keep_ = false;
  bool done_ = false;
};

}  // namespace sedna::storage
