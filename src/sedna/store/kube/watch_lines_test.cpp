#include "sedna/store/kube/watch_lines.hpp"

#include <gtest/gtest.h>

namespace sedna::store {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(WatchLines, ComeOutWholeWhateverThePieces) {
  const std::string text = "{\"a\":1}\n\r\n{\"b\":\"x\\n\"}\r\n{\"c\":3}\n{\"half";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    WatchLines lines(1000);
    std::vector<std::string> got;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(lines.feed(bytes(std::string_view(text).substr(at, piece))));
      while (const auto line = lines.next()) got.emplace_back(*line);
    }
    EXPECT_EQ(got, (std::vector<std::string>{"{\"a\":1}", "{\"b\":\"x\\n\"}", "{\"c\":3}"})) << piece;
    EXPECT_EQ(lines.buffered(), 6u);
  }
}

TEST(WatchLines, ALineHasABound) {
  WatchLines lines(10);
  EXPECT_TRUE(lines.feed(bytes("0123456789")));
  EXPECT_FALSE(lines.feed(bytes("0")));
  WatchLines many(10);
  EXPECT_TRUE(many.feed(bytes("01234\n56789\nabcdef")));
  EXPECT_EQ(many.next(), "01234");
  EXPECT_EQ(many.next(), "56789");
  EXPECT_FALSE(many.next());
}

TEST(WatchEvents, AreReadByType) {
  auto added = parse_watch_event(R"({"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"p"}}})");
  ASSERT_TRUE(added);
  EXPECT_EQ(added->type, WatchEvent::Type::kAdded);
  EXPECT_EQ(api::name_of(added->object), "p");
  auto bookmark = parse_watch_event(
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}})");
  ASSERT_TRUE(bookmark);
  EXPECT_TRUE(bookmark->initial_events_end);
  EXPECT_EQ(api::resource_version_of(bookmark->object), "7");
  auto error = parse_watch_event(
      R"x({"type":"ERROR","object":{"kind":"Status","message":"too old resource version: 1 (216)","code":410}})x");
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->status.is_expired());
  for (const std::string_view text :
       {"", "1", "{}", "{\"type\":\"ADDED\"}", "{\"type\":\"ODD\",\"object\":{}}", "{\"type\":1,\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":[]}", "{\"type\":\"ADDED\",\"object\":{}} x"}) {
    EXPECT_FALSE(parse_watch_event(text)) << text;
  }
}

}  // namespace
}  // namespace sedna::store
