// What the benchmark programs share: quantiles, a model that takes a set time, and the plain socket that is the
// yardstick.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "sedna/base/error.hpp"
#include "sedna/inference/estimator.hpp"

namespace sedna::bench {

using BenchClock = std::chrono::steady_clock;

inline double micros(BenchClock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

inline double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

/// A classifier of ten classes that keeps the core busy for about `micros` (fixed work, measured once).
class BusyClassifier final : public inference::Estimator {
 public:
  BusyClassifier(double target_micros, bool blocks) : blocks_(blocks), target_(target_micros) {
    metadata_.name = "busy";
    metadata_.platform = "cpp";
    metadata_.inputs = {{"x", tensor::DType::kFp32, {1, 64}}};
    metadata_.outputs = {{"probabilities", tensor::DType::kFp32, {1, 10}}};
    if (blocks_) return;
    for (rounds_ = 1000; rounds_ < 100'000'000; rounds_ *= 2) {
      const auto start = BenchClock::now();
      work();
      if (micros(BenchClock::now() - start) > 2000) break;
    }
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
      const auto start = BenchClock::now();
      work();
      times.push_back(micros(BenchClock::now() - start));
    }
    rounds_ = static_cast<std::uint64_t>(static_cast<double>(rounds_) * target_ / quantile(times, 0.5));
  }

  const inference::ModelMetadata& metadata() const override { return metadata_; }
  int concurrency() const override { return 64; }
  bool run_inline() const override { return !blocks_ && target_ < 50; }

  /// The first input value chooses the answer: 0 → sure of class 3, else undecided between all ten.
  std::vector<tensor::Tensor> infer(std::span<const tensor::Tensor> inputs, Deadline) override {
    if (blocks_) {
      std::this_thread::sleep_for(
          std::chrono::duration<double, std::micro>(target_));  // a device that computes elsewhere
    } else {
      work();
    }
    const bool sure = inputs.empty() || inputs[0].as<float>()[0] == 0.0F;
    AlignedBuffer buffer(10 * sizeof(float));
    auto* p = reinterpret_cast<float*>(buffer.data());
    for (int i = 0; i < 10; ++i) p[i] = sure ? (i == 3 ? 0.991F : 0.001F) : 0.1F;
    std::vector<tensor::Tensor> out(1);
    out[0].name = "probabilities";
    out[0].shape = {1, 10};
    out[0].data = std::move(buffer).freeze();
    return out;
  }

 private:
  void work() {
    std::uint64_t x = 88172645463325252ULL;
    for (std::uint64_t i = 0; i < rounds_; ++i) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
    }
    sink_.store(x, std::memory_order_relaxed);
  }

  inference::ModelMetadata metadata_;
  bool blocks_;
  double target_;
  std::uint64_t rounds_ = 0;
  std::atomic<std::uint64_t> sink_{0};
};

inline tensor::Tensor input_tensor(float first, std::size_t floats = 64) {
  AlignedBuffer buffer(floats * sizeof(float));
  std::memset(buffer.data(), 0, buffer.size());
  std::memcpy(buffer.data(), &first, sizeof first);
  tensor::Tensor t;
  t.name = "x";
  t.shape = {1, static_cast<std::int64_t>(floats)};
  t.data = std::move(buffer).freeze();
  return t;
}

/// A loopback TCP peer on a thread of its own that takes `bytes` and gives 16 back, again and again.
class SocketYardstick {
 public:
  explicit SocketYardstick(std::size_t bytes) : out_(bytes, 'x'), in_(bytes) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw Error(ErrorCode::kInternal, "the yardstick's socket could not be made", std::strerror(errno));
    }
    peer_ = std::thread([this, listener] {
      const int fd = accept(listener, nullptr, nullptr);
      no_delay(fd);
      char answer[16] = {};
      while (receive_all(fd, in_.data(), in_.size()) && send_all(fd, answer, sizeof answer)) {
      }
      close(fd);
      close(listener);
    });
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw Error(ErrorCode::kInternal, "the yardstick's peer cannot be reached", std::strerror(errno));
    }
    no_delay(fd_);
  }
  ~SocketYardstick() {
    close(fd_);
    peer_.join();
  }
  SocketYardstick(const SocketYardstick&) = delete;
  SocketYardstick& operator=(const SocketYardstick&) = delete;

  /// Sends everything and waits for the 16 bytes.
  void exchange() {
    char answer[16];
    if (!send_all(fd_, out_.data(), out_.size()) || !receive_all(fd_, answer, sizeof answer)) {
      throw Error(ErrorCode::kInternal, "the yardstick's connection broke");
    }
  }

 private:
  static void no_delay(int fd) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  static bool send_all(int fd, const char* p, std::size_t n) {
    while (n > 0) {
      const ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
      if (k <= 0) return false;
      p += k;
      n -= static_cast<std::size_t>(k);
    }
    return true;
  }
  static bool receive_all(int fd, char* p, std::size_t n) {
    while (n > 0) {
      const ssize_t k = recv(fd, p, n, 0);
      if (k <= 0) return false;
      p += k;
      n -= static_cast<std::size_t>(k);
    }
    return true;
  }

  std::vector<char> out_, in_;
  int fd_ = -1;
  std::thread peer_;
};

}  // namespace sedna::bench
