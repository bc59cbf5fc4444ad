#include "sedna/testing/chaos_stream.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sedna::testing {
namespace {

namespace asio = net::asio;
using boost::system::error_code;
using net::Stream;

// Everything that operations under way touch; they keep it alive when the stream is gone.
struct Core : std::enable_shared_from_this<Core> {
  Core(net::StreamPtr stream, ChaosPlan chaos)
      : under(std::move(stream)), plan(chaos), read_timer(under->get_executor()), write_timer(under->get_executor()) {}

  template <class Work>
  void after_delay(asio::steady_timer& timer, Stream::IoHandler handler, Work work) {
    if (plan.delay.count() == 0) {
      work(std::move(handler));
      return;
    }
    timer.expires_after(plan.delay);
    timer.async_wait([self = shared_from_this(), handler = std::move(handler), work](error_code error) mutable {
      if (error || self->closed) {
        self->finish(std::move(handler), asio::error::operation_aborted, 0);
      } else {
        work(std::move(handler));
      }
    });
  }

  void finish(Stream::IoHandler handler, error_code error, std::size_t bytes) {
    asio::post(under->get_executor(), asio::append(std::move(handler), error, bytes));
  }

  void read(asio::mutable_buffer into, Stream::IoHandler handler) {
    if (closed) return finish(std::move(handler), asio::error::operation_aborted, 0);
    if (plan.never_read) {
      stuck.emplace(std::move(handler));
      return;
    }
    const std::uint64_t left = plan.cut_read_after - std::min(plan.cut_read_after, bytes_read);
    if (left == 0) return finish(std::move(handler), asio::error::connection_reset, 0);
    std::size_t limit = static_cast<std::size_t>(std::min<std::uint64_t>(left, into.size()));
    if (plan.drip) limit = std::min<std::size_t>(limit, 1);
    const asio::mutable_buffer window(into.data(), limit);
    const auto target = asio::get_associated_executor(handler, under->get_executor());
    auto done = [self = shared_from_this(), window, handler = std::move(handler)](error_code error,
                                                                                  std::size_t n) mutable {
      const std::uint64_t at = self->plan.corrupt_read_at;
      if (at >= self->bytes_read && at - self->bytes_read < n) {
        auto* bytes = static_cast<unsigned char*>(window.data());
        bytes[at - self->bytes_read] ^= 0xff;
      }
      self->bytes_read += n;
      std::move(handler)(error, n);
    };
    under->async_read_some(window, asio::bind_executor(target, std::move(done)));
  }

  void write(std::vector<asio::const_buffer> parts, Stream::IoHandler handler) {
    if (closed) return finish(std::move(handler), asio::error::operation_aborted, 0);
    const std::uint64_t left = plan.cut_write_after - std::min(plan.cut_write_after, bytes_written);
    if (left == 0) return finish(std::move(handler), asio::error::connection_reset, 0);
    std::uint64_t limit = std::min<std::uint64_t>(left, asio::buffer_size(parts));
    if (plan.drip) limit = std::min<std::uint64_t>(limit, 1);
    const std::uint64_t heard = plan.swallow_write_after - std::min(plan.swallow_write_after, bytes_written);
    if (heard == 0) {
      bytes_written += limit;
      return finish(std::move(handler), {}, static_cast<std::size_t>(limit));
    }
    limit = std::min(limit, heard);
    std::vector<asio::const_buffer> window;
    for (const asio::const_buffer& part : parts) {
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(limit, part.size()));
      if (n > 0) window.emplace_back(part.data(), n);
      limit -= n;
    }
    const auto target = asio::get_associated_executor(handler, under->get_executor());
    auto done = [self = shared_from_this(), handler = std::move(handler)](error_code error, std::size_t n) mutable {
      self->bytes_written += n;
      std::move(handler)(error, n);
    };
    under->async_write_some(window, asio::bind_executor(target, std::move(done)));
  }

  void close() {
    closed = true;
    read_timer.cancel();
    write_timer.cancel();
    under->close();
    if (stuck) {
      Stream::IoHandler handler(std::move(*stuck));
      stuck.reset();
      finish(std::move(handler), asio::error::operation_aborted, 0);
    }
  }

  net::StreamPtr under;
  ChaosPlan plan;
  asio::steady_timer read_timer;
  asio::steady_timer write_timer;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  bool closed = false;
  std::optional<Stream::IoHandler> stuck;  // never assigned: that recurses without end in Boost 1.81
};

class ChaosStream final : public Stream {
 public:
  ChaosStream(net::StreamPtr under, ChaosPlan plan) : core_(std::make_shared<Core>(std::move(under), plan)) {}
  ~ChaosStream() override { ChaosStream::close(); }

  executor_type get_executor() override { return core_->under->get_executor(); }
  void start_read(const asio::mutable_buffer* buffers, std::size_t count, IoHandler handler) override {
    const asio::mutable_buffer into = count > 0 ? buffers[0] : asio::mutable_buffer();
    core_->after_delay(core_->read_timer, std::move(handler),
                       [core = core_, into](IoHandler then) { core->read(into, std::move(then)); });
  }
  void start_write(const asio::const_buffer* buffers, std::size_t count, IoHandler handler) override {
    const std::vector<asio::const_buffer> parts(buffers, buffers + count);
    core_->after_delay(core_->write_timer, std::move(handler),
                       [core = core_, parts](IoHandler then) { core->write(parts, std::move(then)); });
  }
  void shutdown_write() noexcept override { core_->under->shutdown_write(); }
  void close() noexcept override { core_->close(); }
  std::string remote() const override { return core_->under->remote(); }
  bool encrypted() const override { return core_->under->encrypted(); }

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace

net::StreamPtr make_chaos_stream(net::StreamPtr under, ChaosPlan plan) {
  return std::make_unique<ChaosStream>(std::move(under), plan);
}

}  // namespace sedna::testing
