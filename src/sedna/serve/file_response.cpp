#include "sedna/serve/file_response.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace sedna::serve {
namespace {

constexpr std::size_t kPiece = 256 * 1024;

class FilePieces final : public BodyProducer {
 public:
  FilePieces(int fd, ByteRange range) : fd_(fd), offset_(range.offset), left_(range.count), total_(range.count) {}
  ~FilePieces() override { ::close(fd_); }
  FilePieces(const FilePieces&) = delete;
  FilePieces& operator=(const FilePieces&) = delete;

  std::optional<std::uint64_t> content_length() const override { return total_; }

  net::Task<Bytes> next() override {
    if (left_ == 0) co_return Bytes();
    AlignedBuffer piece(static_cast<std::size_t>(std::min<std::uint64_t>(left_, kPiece)));
    ssize_t n = 0;
    do {
      n = ::pread(fd_, piece.data(), piece.size(), static_cast<off_t>(offset_));
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
      throw Error(ErrorCode::kDataLoss, n == 0 ? "the file became shorter while it was sent" : std::strerror(errno));
    offset_ += static_cast<std::uint64_t>(n);
    left_ -= static_cast<std::uint64_t>(n);
    co_return std::move(piece).freeze(static_cast<std::size_t>(n));
  }

 private:
  int fd_;
  std::uint64_t offset_;
  std::uint64_t left_;
  std::uint64_t total_;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

std::string_view strip_weak(std::string_view tag) {
  return tag.starts_with("W/") ? tag.substr(2) : tag;
}

}  // namespace

std::optional<ByteRange> parse_range(std::string_view value, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!value.starts_with(kUnit) || value.find(',') != std::string_view::npos) return std::nullopt;
  value.remove_prefix(kUnit.size());
  const std::size_t dash = value.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto last = number(value.substr(dash + 1));
  if (dash == 0) {
    if (!last) return std::nullopt;
    const std::uint64_t count = std::min(*last, size);
    return ByteRange{size - count, count};
  }
  const auto first = number(value.substr(0, dash));
  if (!first || (!last && dash + 1 != value.size()) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) return ByteRange{0, 0};
  return ByteRange{*first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

bool etag_matches(std::string_view list, std::string_view etag) {
  if (list == "*") return true;
  while (!list.empty()) {
    const std::size_t open = list.find('"');
    if (open == std::string_view::npos) return false;
    const std::size_t close = list.find('"', open + 1);
    if (close == std::string_view::npos) return false;
    if (list.substr(open, close - open + 1) == strip_weak(etag)) return true;
    list.remove_prefix(close + 1);
  }
  return false;
}

Response file_response(const Request& request, const std::string& path, std::string content_type, std::string etag) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat info{};
  if (fd < 0 || ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    const int cause = fd < 0 ? errno : ENOENT;
    if (fd >= 0) ::close(fd);
    if (cause == EACCES) throw Error(ErrorCode::kPermissionDenied, "this file may not be read");
    throw Error(ErrorCode::kNotFound, "no such file");
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  auto pieces = std::make_shared<FilePieces>(fd, ByteRange{0, size});  // owns the descriptor
  if (etag.empty()) {
    char text[96];
    std::snprintf(text, sizeof text, "\"%llx-%llx-%llx%09lx\"", static_cast<unsigned long long>(info.st_ino),
                  static_cast<unsigned long long>(info.st_size), static_cast<unsigned long long>(info.st_mtim.tv_sec),
                  static_cast<unsigned long>(info.st_mtim.tv_nsec));
    etag = text;
  }
  Response out;
  out.headers.add("ETag", etag);
  out.headers.add("Accept-Ranges", "bytes");
  if (const auto known = request.headers.find("If-None-Match"); known && etag_matches(*known, etag)) {
    out.status = 304;
    return out;
  }
  out.headers.add("Content-Type", std::move(content_type));
  const auto if_range = request.headers.find("If-Range");
  const auto wanted = request.headers.find("Range");
  // A resumed download goes on only in the same file: a weak or other tag gets the whole.
  const bool same = !if_range || *if_range == etag;
  const auto range = wanted && same && request.method == "GET" ? parse_range(*wanted, size) : std::nullopt;
  if (!range) {
    out.producer = std::move(pieces);
    return out;
  }
  if (range->count == 0) {
    out.status = 416;
    out.headers.add("Content-Range", "bytes */" + std::to_string(size));
    return out;
  }
  out.status = 206;
  out.headers.add("Content-Range", "bytes " + std::to_string(range->offset) + "-" +
                                       std::to_string(range->offset + range->count - 1) + "/" + std::to_string(size));
  out.producer = std::make_shared<FilePieces>(::dup(fd), *range);
  return out;
}

}  // namespace sedna::serve
