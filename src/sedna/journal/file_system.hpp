// The few file operations that durable queues need, so that tests can count them, let the n-th fail, and lose what was
// not synced. Everybody else uses posix().
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sedna::journal {

/// An open file. Errors are thrown as sedna::Error: kResourceExhausted (disk full), kPermissionDenied (read-only),
/// kUnavailable (I/O), with the path as subject.
class File {
 public:
  virtual ~File() = default;
  virtual std::uint64_t size() = 0;
  /// Fewer bytes only at the end of the file.
  virtual std::string read(std::uint64_t offset, std::size_t count) = 0;
  virtual void write(std::uint64_t offset, const std::string& bytes) = 0;
  virtual void truncate(std::uint64_t size) = 0;
  /// Returns when the data is on the disk.
  virtual void sync() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// For reading and writing; made (mode 0600) when it is not there. Its folder must exist.
  virtual std::unique_ptr<File> open(const std::string& path) = 0;
  /// Atomic; durable after it returns.
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual void remove(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  /// Makes the folder with those above it (mode 0700).
  virtual void make_folder(const std::string& path) = 0;

  static FileSystem& posix();
};

}  // namespace sedna::journal
