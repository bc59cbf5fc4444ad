// The one byte stream that HTTP, WebSocket and everything above talk through: TCP, TLS, or a test's memory or chaos
// stream. Type-erased on purpose: the heavy protocol templates are instantiated once, for this type.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

namespace sedna::net {

namespace asio = boost::asio;
template <class T>
using Task = asio::awaitable<T>;

/// A bidirectional byte stream. One read and one write may be under way at a time; all calls from its executor.
/// Cancellation: close() ends both with an error. Meets Asio's AsyncReadStream and AsyncWriteStream.
class Stream {
 public:
  using executor_type = asio::any_io_executor;
  using IoHandler = asio::any_completion_handler<void(boost::system::error_code, std::size_t)>;
  virtual ~Stream() = default;

  virtual executor_type get_executor() = 0;
  /// At most `count` buffers are looked at. Completes with 0 bytes only together with an error (asio::error::eof).
  virtual void start_read(const asio::mutable_buffer* buffers, std::size_t count, IoHandler handler) = 0;
  virtual void start_write(const asio::const_buffer* buffers, std::size_t count, IoHandler handler) = 0;
  /// One attempt that neither waits nor schedules anything: bytes moved, or 0 with would_block (also the answer of a
  /// stream that cannot try) or another error (eof at the end). Not while an operation of the same direction is under
  /// way.
  virtual std::size_t try_read(const asio::mutable_buffer* /*buffers*/, std::size_t /*count*/,
                               boost::system::error_code& error) {
    error = asio::error::would_block;
    return 0;
  }
  virtual std::size_t try_write(const asio::const_buffer* /*buffers*/, std::size_t /*count*/,
                                boost::system::error_code& error) {
    error = asio::error::would_block;
    return 0;
  }
  /// Tells the peer that nothing more will be written (TLS: close_notify). Best effort.
  virtual void shutdown_write() noexcept {}
  /// Drops the connection at once; idempotent.
  virtual void close() noexcept = 0;
  /// "203.0.113.9:51234", or a test's name.
  virtual std::string remote() const = 0;
  virtual bool encrypted() const { return false; }
  /// The socket, where there is one (sendfile, polling for liveness); -1 otherwise.
  virtual int native_handle() const { return -1; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [](auto handler, Stream* self, const Buffers& sequence) {
          asio::mutable_buffer array[kMaxBuffers];
          const std::size_t n = gather(sequence, array);
          self->start_read(array, n, IoHandler(std::move(handler)));
        },
        token, this, buffers);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [](auto handler, Stream* self, const Buffers& sequence) {
          asio::const_buffer array[kMaxBuffers];
          const std::size_t n = gather(sequence, array);
          self->start_write(array, n, IoHandler(std::move(handler)));
        },
        token, this, buffers);
  }

  /// The most buffers that one operation looks at.
  static constexpr std::size_t kMaxBuffers = 16;

 private:
  template <class Buffers, class Buffer>
  static std::size_t gather(const Buffers& sequence, Buffer (&array)[kMaxBuffers]) {
    std::size_t n = 0;
    const auto end = asio::buffer_sequence_end(sequence);
    for (auto it = asio::buffer_sequence_begin(sequence); it != end && n < kMaxBuffers; ++it) {
      const Buffer b(*it);
      if (b.size() > 0) array[n++] = b;
    }
    return n;
  }
};

using StreamPtr = std::unique_ptr<Stream>;

}  // namespace sedna::net
