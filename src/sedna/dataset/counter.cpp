#include "sedna/dataset/counter.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>
#include <vector>

#include "sedna/base/sha256.hpp"
#include "sedna/base/text.hpp"

namespace sedna::dataset {

namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kSample = 4096;  ///< of the fingerprint, at either end

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int f) : fd(f) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

Error file_error(int number, const std::string& path) {
  const std::string message = std::generic_category().message(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound, "is not there", path};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermissionDenied, "may not be read: " + message, path};
    default:
      return {ErrorCode::kUnavailable, "cannot be read: " + message, path};
  }
}

/// Bytes at a place; fewer at the end of the file; -1 on an error.
ssize_t read_at(int fd, char* into, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd, into + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

/// Of the first bytes and of those before `end`: what tells a file that grew from one that was written anew.
std::string fingerprint_of(int fd, std::uint64_t end) {
  std::array<char, kSample> piece{};
  Sha256 digest;
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(kSample, end));
  for (const std::uint64_t offset : {std::uint64_t{0}, end - size}) {
    const ssize_t n = read_at(fd, piece.data(), size, offset);
    if (n < 0) return {};
    digest.update(std::string_view(piece.data(), static_cast<std::size_t>(n)));
  }
  constexpr std::size_t kDigits = 16;
  return digest.finish().substr(0, kDigits);
}

std::int64_t modified_ns(const struct stat& st) {
  constexpr std::int64_t kBillion = 1'000'000'000;
  return st.st_mtim.tv_sec * kBillion + st.st_mtim.tv_nsec;
}

}  // namespace

Result<Format> parse_format(std::string_view name) {
  const std::string lower = to_lower(name);
  if (lower == "txt") return Format::kTxt;
  if (lower == "csv") return Format::kCsv;
  return Error(ErrorCode::kInvalidArgument, "is \"" + std::string(name) + "\"; txt and csv are counted", "spec.format");
}

std::string CountState::to_text() const {
  std::string out;
  for (const std::uint64_t n : {device, inode, bytes, static_cast<std::uint64_t>(modified_ns), lines,
                                static_cast<std::uint64_t>(open_line ? 1 : 0)}) {
    out += std::to_string(n) + " ";
  }
  return out + fingerprint;
}

CountState CountState::from_text(std::string_view text) {
  std::array<std::uint64_t, 6> numbers{};
  for (auto& n : numbers) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end == text.data() + text.size() || *end != ' ') return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  CountState out;
  out.device = numbers[0];
  out.inode = numbers[1];
  out.bytes = numbers[2];
  out.modified_ns = static_cast<std::int64_t>(numbers[3]);
  out.lines = numbers[4];
  out.open_line = numbers[5] != 0;
  out.fingerprint = text;
  return out;
}

Result<Count> count_file(const std::string& path, Format format, const CountState& before) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) return file_error(errno, path);
  struct stat st{};
  if (::fstat(file.fd, &st) != 0) return file_error(errno, path);
  if (!S_ISREG(st.st_mode))
    return Error(ErrorCode::kInvalidArgument, "is no file: an index file lists the samples", path);
  const auto size = static_cast<std::uint64_t>(st.st_size);
  Count out;
  out.state = before;
  const bool same_file = before.device == st.st_dev && before.inode == st.st_ino && !before.fingerprint.empty();
  const bool untouched = same_file && before.bytes == size && before.modified_ns == modified_ns(st);
  if (!untouched) {
    out.changed = true;
    const bool grew = same_file && size > before.bytes && fingerprint_of(file.fd, before.bytes) == before.fingerprint;
    if (!grew) out.state = CountState();
    CountState& s = out.state;
    s.device = st.st_dev;
    s.inode = st.st_ino;
    const auto piece = std::make_unique<std::array<char, kPiece>>();
    // Up to the size that was seen: what is written meanwhile is for the next time.
    while (s.bytes < size) {
      const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, size - s.bytes));
      const ssize_t n = read_at(file.fd, piece->data(), want, s.bytes);
      if (n < 0) return file_error(errno, path);
      if (n == 0) break;  // cut shorter meanwhile: seen the next time
      const char* data = piece->data();
      s.lines += static_cast<std::uint64_t>(std::count(data, data + n, '\n'));
      s.open_line = data[n - 1] != '\n';
      s.bytes += static_cast<std::uint64_t>(n);
      out.bytes_read += static_cast<std::uint64_t>(n);
    }
    s.modified_ns = modified_ns(st);
    s.fingerprint = fingerprint_of(file.fd, s.bytes);
  }
  const std::uint64_t lines = out.state.lines + (out.state.open_line ? 1 : 0);
  if (format == Format::kCsv && lines == 0) {
    return Error(ErrorCode::kInvalidArgument, "is empty: a csv file begins with a header line", path);
  }
  out.samples = format == Format::kCsv ? lines - 1 : lines;
  return out;
}

}  // namespace sedna::dataset
