#include "sedna/net/tcp_stream.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sedna/base/error.hpp"

namespace sedna::net {
namespace {

// Buffers by value: Asio keeps them in the pending operation, the caller's array may be gone by then.
template <class Buffer, std::size_t kMax>
class Buffers {
 public:
  using value_type = Buffer;
  using const_iterator = const Buffer*;
  Buffers(const Buffer* buffers, std::size_t count) : count_(count) { std::copy_n(buffers, count, array_.begin()); }
  const_iterator begin() const { return array_.data(); }
  const_iterator end() const { return array_.data() + count_; }

 private:
  std::array<Buffer, kMax> array_;
  std::size_t count_;
};

template <class Buffer>
std::size_t fill(std::array<iovec, 16>& parts, const Buffer* buffers, std::size_t count) {
  const std::size_t n = std::min(count, parts.size());
  for (std::size_t i = 0; i < n; ++i)
    parts[i] = {const_cast<void*>(static_cast<const void*>(buffers[i].data())), buffers[i].size()};
  return n;
}

class TcpStream final : public Stream {
 public:
  explicit TcpStream(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;  // a socket that is already reset answers with errors here and on first use
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    const auto peer = socket_.remote_endpoint(ignored);
    remote_ = peer.address().is_v6() ? "[" + peer.address().to_string() + "]" : peer.address().to_string();
    remote_ += ":" + std::to_string(peer.port());
  }
  ~TcpStream() override { TcpStream::close(); }

  executor_type get_executor() override { return socket_.get_executor(); }

  // Asio tries both at once and goes to epoll only when the socket is not ready.
  void start_read(const asio::mutable_buffer* buffers, std::size_t count, IoHandler handler) override {
    if (count == 1) {
      socket_.async_read_some(buffers[0], std::move(handler));
    } else {
      socket_.async_read_some(Buffers<asio::mutable_buffer, kMaxBuffers>(buffers, count), std::move(handler));
    }
  }
  void start_write(const asio::const_buffer* buffers, std::size_t count, IoHandler handler) override {
    if (count == 1) {
      socket_.async_write_some(buffers[0], std::move(handler));
    } else {
      socket_.async_write_some(Buffers<asio::const_buffer, kMaxBuffers>(buffers, count), std::move(handler));
    }
  }

  std::size_t try_read(const asio::mutable_buffer* buffers, std::size_t count,
                       boost::system::error_code& error) override {
    std::array<iovec, kMaxBuffers> parts;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = fill(parts, buffers, count);
    const ssize_t n = retry([&] { return ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT); }, error);
    if (n == 0 && !error) error = asio::error::eof;
    return static_cast<std::size_t>(n);
  }
  std::size_t try_write(const asio::const_buffer* buffers, std::size_t count,
                        boost::system::error_code& error) override {
    std::array<iovec, kMaxBuffers> parts;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = fill(parts, buffers, count);
    return static_cast<std::size_t>(
        retry([&] { return ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); }, error));
  }

  void shutdown_write() noexcept override {
    boost::system::error_code ignored;  // best effort by contract
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void close() noexcept override {
    boost::system::error_code ignored;  // the descriptor is gone either way
    socket_.close(ignored);
  }
  std::string remote() const override { return remote_; }
  int native_handle() const override {
    return socket_.is_open() ? const_cast<asio::ip::tcp::socket&>(socket_).native_handle() : -1;
  }

 private:
  template <class Call>
  ssize_t retry(Call call, boost::system::error_code& error) {
    error = {};
    if (!socket_.is_open()) {
      error = asio::error::bad_descriptor;
      return 0;
    }
    while (true) {
      const ssize_t n = call();
      if (n >= 0) return n;
      if (errno == EINTR) continue;
      error = errno == EAGAIN || errno == EWOULDBLOCK
                  ? boost::system::error_code(asio::error::would_block)
                  : boost::system::error_code(errno, boost::system::system_category());
      return 0;
    }
  }

  asio::ip::tcp::socket socket_;
  std::string remote_;
};

}  // namespace

StreamPtr make_tcp_stream(asio::ip::tcp::socket socket) {
  return std::make_unique<TcpStream>(std::move(socket));
}

StreamPtr adopt_tcp_descriptor(asio::any_io_executor executor, int descriptor) {
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  const bool named = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &length) == 0;
  asio::ip::tcp::socket socket(executor);
  boost::system::error_code error = asio::error::bad_descriptor;
  if (named) socket.assign(local.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), descriptor, error);
  if (error) {
    ::close(descriptor);
    throw Error(ErrorCode::kInternal, "cannot adopt a socket: " + error.message());
  }
  return make_tcp_stream(std::move(socket));
}

}  // namespace sedna::net
