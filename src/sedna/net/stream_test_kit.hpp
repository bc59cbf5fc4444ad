// What the tests of streams share: a loop that runs coroutines to their end, connected pairs, transfers.
#pragma once

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "sedna/net/io.hpp"
#include "sedna/net/tcp_stream.hpp"

namespace sedna::net {

using asio::ip::tcp;

/// One thread that runs coroutines until all are done; the first exception comes out of run().
class Loop {
 public:
  void spawn(Task<void> task) {
    asio::co_spawn(context_, std::move(task), [this](std::exception_ptr error) {
      if (error && !first_) first_ = error;
    });
  }
  void run() {
    context_.run();
    context_.restart();
    if (auto error = std::exchange(first_, nullptr)) std::rethrow_exception(error);
  }
  void run(Task<void> task) {
    spawn(std::move(task));
    run();
  }
  asio::io_context& context() { return context_; }
  asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  asio::io_context context_{1};
  std::exception_ptr first_;
};

inline Deadline soon() {
  return Deadline::after(std::chrono::seconds(5));
}

/// A connected pair over loopback.
inline std::pair<StreamPtr, StreamPtr> tcp_pair(Loop& loop) {
  tcp::acceptor acceptor(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket near(loop.context());
  near.connect(acceptor.local_endpoint());
  tcp::socket far = acceptor.accept();
  return {make_tcp_stream(std::move(near)), make_tcp_stream(std::move(far))};
}

inline Task<void> send_text(Stream& stream, std::string text) {
  std::vector<asio::const_buffer> parts;
  // Many parts, more than one gathered write takes.
  const std::size_t step = std::max<std::size_t>(1, text.size() / 40);
  for (std::size_t at = 0; at < text.size(); at += step) {
    parts.emplace_back(text.data() + at, std::min(step, text.size() - at));
  }
  const IoResult sent = co_await write_all(stream, std::move(parts));
  EXPECT_FALSE(sent.error) << sent.error.message();
  EXPECT_EQ(sent.bytes, text.size());
  stream.shutdown_write();
}

inline Task<void> receive_text(Stream& stream, std::string& into, boost::system::error_code& end) {
  std::array<char, 1000> piece;
  while (true) {
    const IoResult got = co_await read_some(stream, asio::buffer(piece));
    into.append(piece.data(), got.bytes);
    if (got.error) {
      end = got.error;
      break;
    }
  }
  if (stream.encrypted()) stream.shutdown_write();  // TLS says goodbye from both sides
}

inline std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

inline void expect_transfer(Loop& loop, Stream& from, Stream& to, std::size_t size) {
  const std::string text = pattern(size);
  std::string got;
  boost::system::error_code end;
  loop.spawn(send_text(from, text));
  loop.spawn(receive_text(to, got, end));
  loop.run();
  EXPECT_EQ(got.size(), text.size());
  EXPECT_TRUE(got == text);
  EXPECT_EQ(end, asio::error::eof);
}

}  // namespace sedna::net
