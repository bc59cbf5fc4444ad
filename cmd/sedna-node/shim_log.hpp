// The log of one container as the shim writes it: each line with its time and stream, in the form that Kubernetes'
// runtimes use ("2026-01-31T13:05:59.123456789Z stdout F text"), rotated by size.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

namespace sedna::shim {

class LogFile {
 public:
  LogFile(std::string path, long max_bytes, int files) : path_(std::move(path)), max_bytes_(max_bytes), files_(files) {}

  bool open() {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct stat st{};
    if (fd_ >= 0 && fstat(fd_, &st) == 0) size_ = st.st_size;
    return fd_ >= 0;
  }
  void close() {
    flush(partial_out_, "stdout", true);
    flush(partial_err_, "stderr", true);
    ::close(fd_);
  }
  enum class Read { kSome, kNothingNow, kEnd };
  /// Takes over what one read gives.
  Read copy(int from, const char* stream) {
    char buffer[16 * 1024];
    const ssize_t n = read(from, buffer, sizeof buffer);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? Read::kNothingNow : Read::kEnd;
    if (n == 0) return Read::kEnd;
    std::string& partial = std::strcmp(stream, "stdout") == 0 ? partial_out_ : partial_err_;
    if (&partial == &partial_err_) remember(buffer, static_cast<std::size_t>(n));
    partial.append(buffer, static_cast<std::size_t>(n));
    flush(partial, stream, false);
    return Read::kSome;
  }
  void drain(int from, const char* stream) {
    while (from >= 0 && copy(from, stream) == Read::kSome) {
    }
  }
  /// The end of what came on the error stream, for messages.
  const std::string& last_error() const { return last_error_; }

 private:
  static constexpr std::size_t kLongestLine = 16 * 1024;
  static constexpr std::size_t kRemembered = 2048;

  void remember(const char* text, std::size_t n) {
    last_error_.append(text, n);
    if (last_error_.size() > kRemembered) last_error_.erase(0, last_error_.size() - kRemembered);
  }
  void flush(std::string& partial, const char* stream, bool all) {
    std::size_t begin = 0;
    std::string out;
    for (;;) {
      const auto end = partial.find('\n', begin);
      if (end != std::string::npos) {
        line(out, stream, 'F', partial.data() + begin, end - begin);
        begin = end + 1;
        continue;
      }
      // A line without an end in sight goes out in pieces, marked P.
      if (partial.size() - begin >= kLongestLine) {
        line(out, stream, 'P', partial.data() + begin, kLongestLine);
        begin += kLongestLine;
        continue;
      }
      break;
    }
    if (all && begin < partial.size()) {
      line(out, stream, 'F', partial.data() + begin, partial.size() - begin);
      begin = partial.size();
    }
    partial.erase(0, begin);
    if (!out.empty()) put(out);
  }
  static void line(std::string& out, const char* stream, char mark, const char* text, std::size_t n) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    char stamp[64];
    const std::size_t length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    char head[96];
    const int m = std::snprintf(head, sizeof head, "%.*s.%09ldZ %s %c ", static_cast<int>(length), stamp, now.tv_nsec,
                                stream, mark);
    out.append(head, static_cast<std::size_t>(m));
    out.append(text, n);
    out += '\n';
  }
  void put(const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t n = write(fd_, text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR) continue;
      // A full disk must not stop the container: what does not fit is lost, and the agent says that the disk is full.
      if (n <= 0) return;
      done += static_cast<std::size_t>(n);
      size_ += n;
    }
    if (size_ >= max_bytes_) rotate();
  }
  void rotate() {
    ::close(fd_);
    for (int i = files_ - 1; i > 0; --i) {
      const std::string from = i == 1 ? path_ : path_ + "." + std::to_string(i - 1);
      rename(from.c_str(), (path_ + "." + std::to_string(i)).c_str());
    }
    if (files_ <= 1) unlink(path_.c_str());
    size_ = 0;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }

  const std::string path_;
  const long max_bytes_;
  const int files_;
  int fd_ = -1;
  long size_ = 0;
  std::string partial_out_, partial_err_, last_error_;
};

}  // namespace sedna::shim
