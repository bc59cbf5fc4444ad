#include "sedna/node/log_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sedna::node {

namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr int kMostFiles = 100;

bool same_file(int fd, const Path& path) {
  struct stat open{}, named{};
  return fstat(fd, &open) == 0 && stat(path.c_str(), &named) == 0 && open.st_ino == named.st_ino;
}

}  // namespace

std::optional<LogLine> split_log_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  const auto third = second == std::string_view::npos ? second : line.find(' ', second + 1);
  if (third == std::string_view::npos) return std::nullopt;
  LogLine out;
  out.time = line.substr(0, first);
  out.partial = line.substr(second + 1, third - second - 1) == "P";
  out.text = line.substr(third + 1);
  return out;
}

LogReader::LogReader(Path log, LogOptions options) : log_(std::move(log)), options_(std::move(options)) {
  open_all();
  if (options_.tail_lines) skip_to_tail();
}

LogReader::~LogReader() {
  for (const int fd : files_) close(fd);
}

void LogReader::open_all() {
  for (int i = kMostFiles; i >= 0; --i) {
    const Path path = i == 0 ? log_ : Path(log_.string() + "." + std::to_string(i));
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) files_.push_back(fd);
  }
}

/// Counts the lines there are and passes over all but the last so many.
void LogReader::skip_to_tail() {
  std::uint64_t lines = 0;
  std::array<char, kPiece> piece{};
  for (const int fd : files_) {
    for (ssize_t n = 0; (n = read(fd, piece.data(), piece.size())) > 0;)
      lines += static_cast<std::uint64_t>(std::count(piece.begin(), piece.begin() + n, '\n'));
    lseek(fd, 0, SEEK_SET);
  }
  const auto keep = static_cast<std::uint64_t>(std::max<std::int64_t>(0, *options_.tail_lines));
  skip_lines_ = lines > keep ? lines - keep : 0;
}

bool LogReader::read_more() {
  while (!files_.empty()) {
    std::array<char, kPiece> piece{};
    const ssize_t n = read(files_.front(), piece.data(), piece.size());
    if (n > 0) {
      buffer_.append(piece.data(), static_cast<std::size_t>(n));
      return true;
    }
    if (n < 0 && errno == EINTR) continue;
    if (files_.size() == 1) {
      // The one that grows: read on, unless it has been rotated away and a new one stands in its place.
      if (same_file(files_.front(), log_)) return false;
      const int fresh = open(log_.c_str(), O_RDONLY | O_CLOEXEC);
      if (fresh < 0) return false;
      files_.push_back(fresh);
    }
    close(files_.front());
    files_.pop_front();
  }
  return false;
}

void LogReader::take_line(std::string_view line, std::string& out) {
  if (skip_lines_ > 0) {
    --skip_lines_;
    return;
  }
  const auto parts = split_log_line(line);
  if (!parts) return;
  // Times of one form compare as text up to the shorter one's digits.
  if (!options_.since.empty() && parts->time.substr(0, 19) < std::string_view(options_.since).substr(0, 19)) return;
  const std::size_t before = out.size();
  if (options_.timestamps) out.append(parts->time).append(" ");
  out.append(parts->text);
  if (!parts->partial) out += '\n';
  if (options_.limit_bytes) {
    const auto left = *options_.limit_bytes - sent_;
    if (out.size() - before > left) out.resize(before + left);
  }
  sent_ += out.size() - before;
}

std::string LogReader::next(std::size_t most) {
  std::string out;
  while (out.size() < most && !full()) {
    std::size_t begin = 0;
    for (std::size_t end = 0; out.size() < most && !full() && (end = buffer_.find('\n', begin)) != std::string::npos;
         begin = end + 1)
      take_line(std::string_view(buffer_).substr(begin, end - begin), out);
    buffer_.erase(0, begin);
    if (out.size() >= most || full()) break;
    if (!read_more()) break;
  }
  return out;
}

}  // namespace sedna::node
