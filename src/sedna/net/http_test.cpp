#include "sedna/net/http.hpp"

#include <gtest/gtest.h>

#include "sedna/net/http_parse.hpp"

namespace sedna::net {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Headers, CompareNamesWithoutCaseAndKeepOrder) {
  Headers headers{{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}};
  EXPECT_EQ(headers.get("content-type"), "a");
  EXPECT_EQ(headers.get("X"), "1");
  EXPECT_FALSE(headers.find("missing"));
  EXPECT_EQ(headers.get("missing", "-"), "-");
  headers.set("X", "3");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.get("x"), "3");
}

TEST(Url, TakesSchemePortAndTarget) {
  const Url url = parse_url("HTTPS://Example.org/a/b?q=1#frag").value();
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, 443);
  EXPECT_EQ(url.target, "/a/b?q=1");
  EXPECT_EQ(url.authority(), "example.org");
  EXPECT_EQ(parse_url("http://h:8080").value().authority(), "h:8080");
  EXPECT_EQ(parse_url("http://h:80/").value().authority(), "h");
  EXPECT_EQ(parse_url("ws://h?x").value().target, "/?x");
  EXPECT_EQ(parse_url("wss://h:/").value().port, 443);
  EXPECT_EQ(parse_url("s3://bucket/key").value().port, 0);
}

TEST(Url, TakesIpv6InBrackets) {
  const Url url = parse_url("http://[::1]:9100/x").value();
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, 9100);
  EXPECT_EQ(url.authority(), "[::1]:9100");
  for (const char* bad : {"http://[::1", "http://[::1]x/", "http://[nope]/", "http://::1/", "http://[]/"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

TEST(Url, EscapesNonAsciiPaths) {
  EXPECT_EQ(parse_url("http://h/\xc3\xa4").value().target, "/%C3%A4");
}

// JI-7.12
TEST(Url, RefusesWhatIsNoUrl) {
  for (const char* bad : {"", "h", "://h", "http:/h", "http://", "http:///x", "1http://h", "http://h:0",
                          "http://h:65536", "http://h:8x", "http://h:-1", "http://h y/", "http://h/\r\nX: 1",
                          "http://h/a\\b", "http://%41/", "http://h\x01/", "http://a,b/"}) {
    const auto url = parse_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().code(), ErrorCode::kInvalidArgument) << bad;
  }
}

// JI-7.13
TEST(Url, ErrorsShowNeitherQueryNorPassword) {
  const auto with_query = parse_url("http://h:x/path?X-Amz-Signature=secret");
  ASSERT_FALSE(with_query);
  EXPECT_EQ(with_query.error().subject(), "http://h:x/path");
  const auto with_password = parse_url("http://user:secret@h/path");
  ASSERT_FALSE(with_password);
  EXPECT_EQ(with_password.error().subject(), "http://h/path");
  EXPECT_EQ(std::string(with_password.error().what()).find("secret"), std::string::npos);
}

TEST(Url, ResolvesReferencesAgainstABase) {
  const Url base = parse_url("http://h:1/a/b?q").value();
  const auto at = [&base](std::string_view reference) {
    const Url url = resolve_reference(base, reference).value();
    return url.scheme + "://" + url.authority() + url.target;
  };
  EXPECT_EQ(at("https://other/x"), "https://other/x");
  EXPECT_EQ(at("//other/x"), "http://other/x");
  EXPECT_EQ(at("/x"), "http://h:1/x");
  EXPECT_EQ(at("x?y=http://z"), "http://h:1/a/x?y=http://z");
  EXPECT_EQ(at("?y"), "http://h:1/a/b?y");
}

TEST(Percent, DecodesAndEncodes) {
  EXPECT_EQ(percent_decode("a%20b%2Fc").value(), "a b/c");
  EXPECT_EQ(percent_decode("a+b").value(), "a+b");
  EXPECT_EQ(percent_decode("a+b", true).value(), "a b");
  EXPECT_EQ(percent_decode("%41").value(), "A");
  for (const char* bad : {"%", "%4", "%zz", "a%4", "%00"}) EXPECT_FALSE(percent_decode(bad)) << bad;
  EXPECT_EQ(percent_encode("a b/\xff~"), "a%20b%2F%FF~");
  EXPECT_EQ(percent_encode("a/b", "/"), "a/b");
}

TEST(ResponseHead, ParsesWhatServersSend) {
  const auto head = parse_response_head(
      "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-A:b \r\nEmpty:\r\nConnection: Keep-Alive\r\n\r\n");
  ASSERT_TRUE(head) << head.error().what();
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->content_length, 12u);
  EXPECT_EQ(head->headers.get("x-a"), "b");
  EXPECT_EQ(head->headers.get("empty", "?"), "");
  EXPECT_TRUE(head->keep_alive);
  EXPECT_FALSE(parse_response_head("HTTP/1.0 200 OK\r\n\r\n").value().keep_alive);
  EXPECT_TRUE(parse_response_head("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").value().keep_alive);
  EXPECT_FALSE(parse_response_head("HTTP/1.1 200\r\nConnection: x, Close\r\n\r\n").value().keep_alive);
  EXPECT_TRUE(parse_response_head("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n").value().chunked);
}

// JI-7.4
TEST(ResponseHead, RefusesWhatCouldBeReadTwoWays) {
  for (const char* bad : {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                          "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
                          "HTTP/1.1 200 OK\r\n A: folded\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
                          "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nA: b\nB: c\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n",
                          "HTTP/2.0 200 OK\r\n\r\n",
                          "HTTP/1.1 20 OK\r\n\r\n",
                          "HTTP/1.1 2000 OK\r\n\r\n",
                          "HTTP/1.1 099 OK\r\n\r\n",
                          "HTTP/1.1  200 OK\r\n\r\n",
                          "garbage\r\n\r\n"}) {
    EXPECT_FALSE(parse_response_head(bad)) << bad;
  }
}

TEST(ResponseHead, EndIsFoundAcrossReads) {
  EXPECT_EQ(find_head_end("a\r\n\r\nb"), 5u);
  EXPECT_EQ(find_head_end("a\r\n\r\nb", 4), 5u);
  EXPECT_EQ(find_head_end("a\r\n\r"), std::string_view::npos);
  EXPECT_TRUE(may_be_response("HT"));
  EXPECT_FALSE(may_be_response("SSH-2.0"));
}

std::string decode_chunks(std::string_view wire, std::size_t step, bool& failed, bool& done) {
  ChunkDecoder decoder;
  std::string out;
  failed = false;
  for (std::size_t at = 0; at < wire.size() && !decoder.done();) {
    const auto fed = decoder.feed(bytes(wire.substr(at, step)));
    if (!fed) {
      failed = true;
      break;
    }
    out.append(reinterpret_cast<const char*>(fed->data.data()), fed->data.size());
    at += fed->consumed;
  }
  done = decoder.done();
  return out;
}

TEST(ChunkDecoder, DecodesInPiecesOfAnySize) {
  const std::string wire = "5\r\nhello\r\n1;ext=\"x\"\r\n,\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
  for (std::size_t step = 1; step <= wire.size(); ++step) {
    bool failed = false;
    bool done = false;
    EXPECT_EQ(decode_chunks(wire, step, failed, done), "hello,0123456789") << step;
    EXPECT_TRUE(done && !failed) << step;
  }
}

// JI-7.4
TEST(ChunkDecoder, RefusesBrokenFraming) {
  for (const std::string& bad :
       {std::string("x\r\n"), std::string("\r\n"), std::string("5\nhello"), std::string("1\r\nab\r\n"),
        std::string("1\r\na\n0\r\n\r\n"), std::string("fffffffffffffffff\r\n"), std::string("-1\r\n"),
        "1;" + std::string(10000, 'x'), "0\r\n" + std::string(10000, 'x'), std::string("0\r\n\rX")}) {
    bool failed = false;
    bool done = false;
    decode_chunks(bad, bad.size(), failed, done);
    EXPECT_TRUE(failed && !done) << bad.substr(0, 20);
  }
}

}  // namespace
}  // namespace sedna::net
