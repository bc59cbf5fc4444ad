// Short ways to write updates in tests.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sedna/base/ids.hpp"
#include "sedna/federated/aggregation.hpp"

namespace sedna::federated::test {

inline tensor::Tensor fp64(tensor::Shape shape, const std::vector<double>& values) {
  tensor::Tensor tensor;
  tensor.dtype = tensor::DType::kFp64;
  tensor.shape = std::move(shape);
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return tensor;
}

inline tensor::Tensor fp32(tensor::Shape shape, const std::vector<float>& values) {
  tensor::Tensor tensor;
  tensor.dtype = tensor::DType::kFp32;
  tensor.shape = std::move(shape);
  tensor.data = Bytes::copy_of(std::as_bytes(std::span(values)));
  return tensor;
}

inline std::vector<double> doubles(const tensor::Tensor& tensor) {
  const auto values = tensor.as<double>();
  return {values.begin(), values.end()};
}

inline Update update(std::string client, double weight, Weights weights) {
  return Update{std::move(client), weight, std::move(weights)};
}

/// A folder for a test's files, gone with it. In memory where that can be had: tests that sync after each record would
/// measure the disk.
struct Folder {
  std::filesystem::path path;
  Folder() {
    const std::filesystem::path shared = "/dev/shm";
    const auto in = ::access(shared.c_str(), W_OK) == 0 ? shared : std::filesystem::temp_directory_path();
    path = in / ("sedna-fl-" + random_hex(8));
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

/// A plain socket to a server on this machine.
inline int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace sedna::federated::test
