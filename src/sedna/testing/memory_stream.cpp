#include "sedna/testing/memory_stream.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/append.hpp>
#include <boost/asio/post.hpp>

namespace sedna::testing {
namespace {

namespace asio = net::asio;
using boost::system::error_code;
using net::Stream;

void complete(const asio::any_io_executor& executor, Stream::IoHandler handler, error_code error, std::size_t bytes) {
  asio::post(executor, asio::append(std::move(handler), error, bytes));
}

// Never by assignment: any_completion_handler's own recurses without end in Boost 1.81.
Stream::IoHandler take_handler(std::optional<Stream::IoHandler>& from) {
  Stream::IoHandler handler(std::move(*from));
  from.reset();
  return handler;
}

// Bytes on their way in one direction, and the operation that waits at either end.
struct Channel {
  Channel(asio::any_io_executor ex, std::size_t limit) : executor(std::move(ex)), capacity(limit) {}

  std::size_t take(const std::vector<asio::mutable_buffer>& into) {
    const std::size_t n = asio::buffer_copy(into, asio::buffer(held));
    held.erase(0, n);
    return n;
  }
  std::size_t give(const std::vector<asio::const_buffer>& from) {
    const std::size_t room = capacity - std::min(capacity, held.size());
    const std::size_t before = held.size();
    held.resize(before + std::min(room, asio::buffer_size(from)));
    return asio::buffer_copy(asio::buffer(held.data() + before, held.size() - before), from);
  }

  // Moves what can be moved and completes whom that serves.
  void settle() {
    if (reader && (!held.empty() || writer_closed || reader_closed)) {
      auto handler = take_handler(reader);
      if (reader_closed) {
        complete(executor, std::move(handler), asio::error::operation_aborted, 0);
      } else if (held.empty()) {
        complete(executor, std::move(handler), asio::error::eof, 0);
      } else {
        const std::size_t n = take(read_into);
        complete(executor, std::move(handler), {}, n);
      }
    }
    if (writer && (writer_closed || reader_closed || held.size() < capacity)) {
      auto handler = take_handler(writer);
      if (writer_closed) {
        complete(executor, std::move(handler), asio::error::operation_aborted, 0);
      } else if (reader_closed) {
        complete(executor, std::move(handler), asio::error::broken_pipe, 0);
      } else {
        const std::size_t n = give(write_from);
        complete(executor, std::move(handler), {}, n);
        if (reader) settle();
      }
    }
  }

  asio::any_io_executor executor;
  std::size_t capacity;
  std::string held;
  std::optional<Stream::IoHandler> reader;
  std::optional<Stream::IoHandler> writer;
  std::vector<asio::mutable_buffer> read_into;
  std::vector<asio::const_buffer> write_from;
  bool reader_closed = false;
  bool writer_closed = false;
};

class MemoryStream final : public Stream {
 public:
  MemoryStream(std::shared_ptr<Channel> in, std::shared_ptr<Channel> out) : in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryStream() override { MemoryStream::close(); }

  executor_type get_executor() override { return in_->executor; }
  void start_read(const asio::mutable_buffer* buffers, std::size_t count, IoHandler handler) override {
    in_->read_into.assign(buffers, buffers + count);
    if (asio::buffer_size(in_->read_into) == 0) {
      complete(in_->executor, std::move(handler), {}, 0);
      return;
    }
    in_->reader.emplace(std::move(handler));
    in_->settle();
    out_->settle();
    in_->settle();
  }
  void start_write(const asio::const_buffer* buffers, std::size_t count, IoHandler handler) override {
    out_->write_from.assign(buffers, buffers + count);
    if (asio::buffer_size(out_->write_from) == 0) {
      complete(out_->executor, std::move(handler), {}, 0);
      return;
    }
    out_->writer.emplace(std::move(handler));
    out_->settle();
  }
  void shutdown_write() noexcept override {
    out_->writer_closed = true;
    out_->settle();
  }
  void close() noexcept override {
    in_->reader_closed = true;
    out_->writer_closed = true;
    in_->settle();
    out_->settle();
  }
  std::string remote() const override { return "memory"; }

 private:
  std::shared_ptr<Channel> in_;
  std::shared_ptr<Channel> out_;
};

}  // namespace

std::pair<net::StreamPtr, net::StreamPtr> make_memory_pipe(asio::any_io_executor executor, std::size_t capacity) {
  auto there = std::make_shared<Channel>(executor, capacity);
  auto back = std::make_shared<Channel>(executor, capacity);
  return {std::make_unique<MemoryStream>(back, there), std::make_unique<MemoryStream>(there, back)};
}

}  // namespace sedna::testing
