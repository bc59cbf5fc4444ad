#include "sedna/link/frame.hpp"

#include <gtest/gtest.h>

#include "sedna/base/base64.hpp"

namespace sedna::link {
namespace {

// As recorded between upstream's GM and LC.
TEST(UpstreamFrame, ReadsWhatUpstreamsLocalControllerSends) {
  const auto hello = decode_upstream(R"({"namespace":"","resourceKind":"","resourceName":"","operation":""})");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->operation, "");

  const auto frame = decode_upstream(
      R"({"header":{"namespace":"ji","resourceKind":"Dataset","resourceName":"incremental-dataset","operation":"status"},)"
      R"("content":"eyJudW1iZXJPZlNhbXBsZXMiOjQwfQ=="})");
  ASSERT_TRUE(frame) << frame.error().what();
  EXPECT_EQ(frame->kind, "dataset");
  EXPECT_EQ(frame->name, "incremental-dataset");
  EXPECT_EQ(frame->content.at("numberOfSamples"), 40);
}

TEST(UpstreamFrame, WritesWhatUpstreamsLocalControllerReads) {
  UpstreamFrame frame;
  frame.ns = "ji";
  frame.kind = "dataset";
  frame.name = "d";
  frame.operation = "insert";
  frame.content["kind"] = "Dataset";
  frame.content["note"] = "a<b&c";
  const std::string text = encode_upstream(frame);
  EXPECT_TRUE(text.starts_with(
      R"({"header":{"namespace":"ji","resourceKind":"dataset","resourceName":"d","operation":"insert"},"content":")"));
  const std::string content = text.substr(text.find("\"content\":\"") + 11);
  EXPECT_EQ(base64_decode(content.substr(0, content.find('"'))).value(),
            R"({"kind":"Dataset","note":"a\u003cb\u0026c"})");
  EXPECT_EQ(decode_upstream(text)->content, frame.content);
}

TEST(UpstreamFrame, RefusesWhatIsNone) {
  for (const char* text : {"", "[]", "{\"header\":1}", R"({"header":{"namespace":3}})",
                           R"({"header":{},"content":"%"})", R"({"header":{},"content":"W10="})"}) {
    EXPECT_FALSE(decode_upstream(text)) << text;
  }
}

Message round_trip(const Message& message) {
  auto out = decode(encode(message));
  EXPECT_TRUE(out) << encode(message) << ": " << out.error().what();
  return std::move(out).value();
}

TEST(Message, ComesBackAsItWas) {
  Message hello;
  hello.type = Message::Type::kHello;
  hello.node = "edge0";
  hello.id = "0123";
  hello.known[{"Dataset", "default/d"}] = "17";
  const Message h = round_trip(hello);
  EXPECT_EQ(h.node, "edge0");
  EXPECT_EQ(h.known, hello.known);

  Message object;
  object.type = Message::Type::kObject;
  object.subject = {"Model", "default/m"};
  object.resource_version = "9";
  object.body["kind"] = "Model";
  EXPECT_EQ(round_trip(object).body, object.body);
  EXPECT_EQ(round_trip(object).subject, object.subject);

  Message fact;
  fact.type = Message::Type::kFact;
  fact.subject = {"Dataset", "default/d"};
  fact.sequence = 42;
  fact.worker = "w";
  fact.body["numberOfSamples"] = 3;
  const Message f = round_trip(fact);
  EXPECT_EQ(f.sequence, 42U);
  EXPECT_EQ(f.worker, "w");
  EXPECT_EQ(f.body, fact.body);

  Message ack;
  ack.type = Message::Type::kAck;
  ack.sequence = 42;
  ack.refused = "why";
  EXPECT_EQ(round_trip(ack).refused, "why");
}

TEST(Message, RefusesWhatIsNone) {
  for (const char* text :
       {"", "1", "{}", R"({"type":"fact"})", R"({"type":"fact","kind":"D","key":"k","sequence":-1,"fact":{}})",
        R"({"type":"hello","node":"","id":"x","version":1})",
        R"({"type":"hello","node":"n","id":"x","version":1,"known":3})",
        R"({"type":"object","kind":"","key":"k","resourceVersion":"1","object":{}})"}) {
    EXPECT_FALSE(decode(text)) << text;
  }
  EXPECT_EQ(decode(R"({"type":"later"})").error().code(), ErrorCode::kUnimplemented);
}

}  // namespace
}  // namespace sedna::link
