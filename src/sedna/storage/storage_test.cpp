// Storage against a server that fails in the ways servers do.
#include "sedna/storage/storage.hpp"

#include <cstdlib>

#include "sedna/base/sha256.hpp"
#include "sedna/storage/test_folder.hpp"
#include "sedna/testing/s3_imposter.hpp"

namespace sedna::storage {
namespace {

namespace fs = std::filesystem;
using Answer = S3Imposter::Answer;
using Request = S3Imposter::Request;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 12345;
  for (char& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return text;
}

class StorageTest : public TestFolder {
 protected:
  StorageOptions options() const {
    StorageOptions o;
    o.s3 = store_.options();
    o.multipart_from = 1000;
    o.part_size = 400;
    return o;
  }
  static TransferOptions within(std::chrono::milliseconds time) {
    TransferOptions o;
    o.deadline = Deadline::after(time);
    return o;
  }
  std::size_t count(const std::string& method) {
    const auto held = store_.lock();
    return static_cast<std::size_t>(std::count_if(store_.requests.begin(), store_.requests.end(),
                                                  [&](const Request& r) { return r.method == method; }));
  }

  S3Imposter store_;
  Storage storage_{options()};
};

// JI-6.5
TEST_F(StorageTest, ObjectsGoThereAndBack) {
  const auto source = write("model.onnx", pattern(500));
  EXPECT_EQ(storage_.upload(source, "s3://bucket/models/a b+c%.onnx"), 500u);
  EXPECT_EQ(store_.objects.at("bucket/models/a b+c%.onnx"), pattern(500));
  EXPECT_TRUE(fs::exists(source));
  EXPECT_EQ(storage_.stat("s3://bucket/models/a b+c%.onnx")->size, 500u);
  TransferOptions o;
  o.sha256 = sha256_hex(pattern(500));
  EXPECT_EQ(storage_.download("s3://bucket/models/a b+c%.onnx", folder_ / "in/m", o), folder_ / "in/m");
  EXPECT_EQ(read(folder_ / "in/m"), pattern(500));
  EXPECT_EQ(storage_.download("s3://bucket/models/a b+c%.onnx", folder_ / "in"), folder_ / "in/a b+c%.onnx");
  storage_.remove("s3://bucket/models/a b+c%.onnx");
  EXPECT_FALSE(storage_.exists("s3://bucket/models/a b+c%.onnx"));
}

TEST_F(StorageTest, AnEmptyObject) {
  storage_.upload(write("e", ""), "s3://bucket/e");
  storage_.download("s3://bucket/e", folder_ / "f");
  EXPECT_TRUE(fs::exists(folder_ / "f"));
  EXPECT_EQ(fs::file_size(folder_ / "f"), 0u);
}

TEST_F(StorageTest, AFolderKeepsItsPrefixAndStructure) {
  for (int i = 0; i < 8; ++i) write("src/d" + std::to_string(i) + "/f", std::to_string(i));
  EXPECT_EQ(storage_.upload(folder_ / "src", "s3://bucket/deep/prefix"), 8u);
  EXPECT_TRUE(store_.objects.contains("bucket/deep/prefix/d3/f"));
  // Eight objects, three a page.
  EXPECT_EQ(storage_.list("s3://bucket/deep/prefix/").size(), 8u);
  const auto found = storage_.stat("s3://bucket/deep/prefix");
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->folder);
  store_.objects["bucket/deep/prefix/"] = "";          // a console's folder mark
  store_.objects["bucket/deep/prefix2/other"] = "no";  // shares the letters, not the folder
  storage_.download("s3://bucket/deep/prefix", folder_ / "dst");
  EXPECT_EQ(read(folder_ / "dst/d7/f"), "7");
  EXPECT_EQ(entries(folder_ / "dst"), 16u);
}

// JI-7.14
TEST_F(StorageTest, KeysThatLeadOutAreRefusedBeforeAnyByte) {
  store_.objects["bucket/p/good"] = "x";
  store_.objects["bucket/p/../../evil"] = "x";
  const Error error = error_of([&] { storage_.download("s3://bucket/p", folder_ / "dst"); });
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(error.message().find("evil"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "dst"));
}

// JI-6.5
TEST_F(StorageTest, LargeUploadsGoInParts) {
  std::uint64_t last = 0;
  TransferOptions o;
  o.progress = [&](std::uint64_t done, std::optional<std::uint64_t> total) {
    last = done;
    EXPECT_EQ(total, 2500u);
  };
  storage_.upload(write("big", pattern(2500)), "s3://bucket/big", o);
  EXPECT_EQ(store_.objects.at("bucket/big"), pattern(2500));
  EXPECT_EQ(last, 2500u);
  EXPECT_EQ(count("PUT"), 7u);
  EXPECT_TRUE(store_.uploads.empty());
}

TEST_F(StorageTest, AFailedMultipartUploadIsAborted) {
  store_.hook = [](const Request& r) -> std::optional<Answer> {
    if (r.query_value("partNumber") == "3")
      return Answer{403, {}, "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>", {}};
    return std::nullopt;
  };
  const auto source = write("big", pattern(2500));
  const Error error = error_of([&] { storage_.upload(source, "s3://bucket/big"); });
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(error.message().find("AccessDenied: not you"), std::string::npos);
  EXPECT_TRUE(store_.uploads.empty());
  EXPECT_FALSE(store_.objects.contains("bucket/big"));
}

TEST_F(StorageTest, ACompletionThatFailsAfter200IsAFailure) {
  store_.hook = [](const Request& r) -> std::optional<Answer> {
    if (r.method == "POST" && r.has_query("uploadId"))
      return Answer{200, {}, "<Error><Code>InternalError</Code><Message>try again</Message></Error>", {}};
    return std::nullopt;
  };
  const auto source = write("big", pattern(2500));
  EXPECT_NE(error_of([&] { storage_.upload(source, "s3://bucket/big"); }).message().find("InternalError"),
            std::string::npos);
  EXPECT_TRUE(store_.uploads.empty());
}

// JI-7.13
TEST_F(StorageTest, AWrongKeyIsSaidWithoutItsSecret) {
  StorageOptions wrong = options();
  wrong.s3.secret_access_key = "wrong-secret";
  Storage storage(wrong);
  const auto source = write("a", "x");
  const Error error = error_of([&] { storage.upload(source, "s3://bucket/a"); });
  EXPECT_EQ(error.code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(error.message().find("SignatureDoesNotMatch"), std::string::npos);
  EXPECT_EQ(std::string(error.what()).find("wrong-secret"), std::string::npos);
  wrong.s3.secret_access_key.clear();
  Storage half(wrong);
  EXPECT_EQ(error_of([&] { half.upload(source, "s3://bucket/a"); }).subject(), "SECRET_ACCESS_KEY");
  EXPECT_EQ(half.upload(source, (folder_ / "local").string()), 1u);  // wrong S3 settings keep nobody from a local file
}

TEST_F(StorageTest, TheRegionIsLearntFromTheAnswer) {
  store_.key.region = "eu-west-3";
  storage_.upload(write("a", "x"), "s3://bucket/a");
  EXPECT_EQ(store_.objects.at("bucket/a"), "x");
}

TEST_F(StorageTest, AClockThatIsWrongIsCorrectedFromTheAnswer) {
  store_.hook = [](const Request& r) -> std::optional<Answer> {
    const std::string_view date = r.headers.get("X-Amz-Date");
    if (date.starts_with("20300101T0000") || date.starts_with("20291231T2359")) return std::nullopt;
    return Answer{403,
                  {{"Date", "Tue, 01 Jan 2030 00:00:00 GMT"}},
                  "<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>",
                  {}};
  };
  storage_.upload(write("a", "x"), "s3://bucket/a");
  EXPECT_EQ(store_.objects.at("bucket/a"), "x");
}

TEST_F(StorageTest, APresignedUrlNeedsNoKey) {
  store_.objects["bucket/a b"] = "content";
  const std::string url = storage_.presign("GET", "s3://bucket/a b", std::chrono::minutes(5));
  Storage anonymous{StorageOptions{}};
  anonymous.download(url, folder_ / "x");
  EXPECT_EQ(read(folder_ / "x"), "content");
}

// JI-6.5
TEST_F(StorageTest, ACutDownloadResumesWhereItWasCut) {
  store_.objects["bucket/m"] = pattern(100'000);
  int cuts = 0;
  store_.hook = [&](const Request& r) -> std::optional<Answer> {
    if (r.method != "GET" || cuts == 3) return std::nullopt;
    ++cuts;
    const std::string range(r.headers.get("Range"));
    const std::size_t from = range.empty() ? 0 : std::stoul(range.substr(6));
    Answer a{range.empty() ? 200 : 206,
             {{"ETag", "\"" + sha256_hex(pattern(100'000)).substr(0, 32) + "\""}},
             pattern(100'000).substr(from),
             20'000};
    if (from) a.headers.set("Content-Range", "bytes " + std::to_string(from) + "-99999/100000");
    return a;
  };
  TransferOptions o = within(std::chrono::seconds(20));
  o.sha256 = sha256_hex(pattern(100'000));
  storage_.download("s3://bucket/m", folder_ / "m", o);
  EXPECT_EQ(read(folder_ / "m"), pattern(100'000));
  EXPECT_EQ(store_.requests.back().headers.get("Range"), "bytes=60000-");
  EXPECT_EQ(entries(folder_), 1u);
}

// JI-6.5
TEST_F(StorageTest, ALaterCallResumesAnEarlierOne) {
  store_.objects["bucket/m"] = pattern(50'000);
  store_.hook = [&](const Request& r) -> std::optional<Answer> {
    if (r.method != "GET") return std::nullopt;
    return Answer{200, {{"ETag", "\"" + sha256_hex(pattern(50'000)).substr(0, 32) + "\""}}, pattern(50'000), 30'000};
  };
  TransferOptions once;
  once.attempts = 1;
  EXPECT_EQ(error_of([&] { storage_.download("s3://bucket/m", folder_ / "m", once); }).code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(fs::exists(folder_ / "m"));
  {
    const auto held = store_.lock();
    store_.hook = {};
  }
  Storage fresh(options());
  fresh.download("s3://bucket/m", folder_ / "m");
  EXPECT_EQ(store_.requests.back().headers.get("Range"), "bytes=30000-");
  EXPECT_EQ(read(folder_ / "m"), pattern(50'000));
  EXPECT_EQ(entries(folder_), 1u);
}

// JI-6.5
TEST_F(StorageTest, AnObjectThatChangedMeanwhileStartsAgain) {
  store_.objects["bucket/m"] = pattern(50'000);
  bool first = true;
  store_.hook = [&](const Request& r) -> std::optional<Answer> {
    if (r.method != "GET" || !first) return std::nullopt;
    first = false;
    return Answer{200, {{"ETag", "\"older\""}}, std::string(50'000, 'o'), 30'000};
  };
  storage_.download("s3://bucket/m", folder_ / "m");
  EXPECT_EQ(read(folder_ / "m"), pattern(50'000));
}

TEST_F(StorageTest, WithoutETagACutDownloadStartsAgainAndLeavesNothing) {
  store_.etags = false;
  store_.objects["bucket/m"] = pattern(50'000);
  bool first = true;
  store_.hook = [&](const Request& r) -> std::optional<Answer> {
    if (r.method != "GET" || !first) return std::nullopt;
    first = false;
    return Answer{200, {}, pattern(50'000), 30'000};
  };
  storage_.download("s3://bucket/m", folder_ / "m");
  EXPECT_EQ(read(folder_ / "m"), pattern(50'000));
  first = true;
  TransferOptions once;
  once.attempts = 1;
  EXPECT_THROW(storage_.download("s3://bucket/m", folder_ / "n", once), Error);
  EXPECT_EQ(entries(folder_), 1u);
}

// JI-6.5
TEST_F(StorageTest, AWrongChecksumLeavesNothing) {
  store_.objects["bucket/m"] = pattern(5000);
  TransferOptions o;
  o.sha256 = std::string(64, '0');
  const Error error = error_of([&] { storage_.download("s3://bucket/m", folder_ / "m", o); });
  EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
  EXPECT_EQ(entries(folder_), 0u);
}

TEST_F(StorageTest, TheSizeLimitHoldsWithAndWithoutALength) {
  store_.objects["bucket/m"] = pattern(5000);
  TransferOptions o;
  o.max_size = 4999;
  EXPECT_EQ(error_of([&] { storage_.download("s3://bucket/m", folder_ / "m", o); }).code(),
            ErrorCode::kResourceExhausted);
  EXPECT_EQ(entries(folder_), 0u);
  o.max_size = 5000;
  storage_.download("s3://bucket/m", folder_ / "m", o);
}

// JI-6.5
TEST_F(StorageTest, BusyAnswersAreTriedAgainAndNoIsNot) {
  store_.objects["bucket/m"] = "x";
  int busy = 2;
  store_.hook = [&](const Request& r) -> std::optional<Answer> {
    if (r.method == "GET" && busy-- > 0) return Answer{503, {}, "slow down", {}};
    return std::nullopt;
  };
  storage_.download("s3://bucket/m", folder_ / "m");
  EXPECT_EQ(count("GET"), 3u);
  const Error error = error_of([&] { storage_.download("s3://bucket/none", folder_ / "none"); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.subject(), "s3://bucket/none");
}

TEST_F(StorageTest, ADeadlineEndsIt) {
  store_.hook = [](const Request&) -> std::optional<Answer> { return Answer{503, {{"Retry-After", "30"}}, "", {}}; };
  const auto begin = SteadyClock::now();
  EXPECT_THROW(storage_.download("s3://bucket/m", folder_ / "m", within(std::chrono::milliseconds(300))), Error);
  EXPECT_LT(SteadyClock::now() - begin, std::chrono::seconds(2));
}

class HttpStorageTest : public StorageTest {
 protected:
  HttpStorageTest() { store_.check_signature = false; }
  std::string url(const std::string& path) const { return store_.origin() + path; }
};

TEST_F(HttpStorageTest, GetPutStat) {
  storage_.upload(write("m", pattern(3000)), url("/b/m.onnx"));
  EXPECT_EQ(storage_.stat(url("/b/m.onnx"))->size, 3000u);
  EXPECT_FALSE(storage_.exists(url("/b/none")));
  EXPECT_EQ(storage_.download(url("/b/m.onnx?version=2"), folder_ / "in/"), folder_ / "in/m.onnx");
  EXPECT_EQ(read(folder_ / "in/m.onnx"), pattern(3000));
  const Error error = error_of([&] { storage_.download(url("/b/none?token=secret"), folder_ / "x"); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
}

TEST_F(HttpStorageTest, AFolderIsNotUploadedOverHttp) {
  write("d/a", "x");
  EXPECT_EQ(error_of([&] { storage_.upload(folder_ / "d", url("/b/d")); }).code(), ErrorCode::kInvalidArgument);
}

// JI-7.13
TEST_F(HttpStorageTest, RedirectsAreFollowedWithoutTheToken) {
  S3Imposter other;
  other.check_signature = false;
  other.objects["b/m"] = "there";
  store_.hook = [&](const Request& r) -> std::optional<Answer> {
    if (r.path == "/loop") return Answer{302, {{"Location", "/loop"}}, "", {}};
    return Answer{302, {{"Location", other.origin() + "/b/m"}}, "", {}};
  };
  StorageOptions o = options();
  o.http.bearer_token = "token";
  Storage storage(o);
  storage.download(url("/x"), folder_ / "m");
  EXPECT_EQ(read(folder_ / "m"), "there");
  EXPECT_EQ(store_.requests.back().headers.get("Authorization"), "Bearer token");
  EXPECT_FALSE(other.requests.back().headers.find("Authorization"));
  EXPECT_NE(error_of([&] { storage.download(url("/loop"), folder_ / "l"); }).message().find("redirects"),
            std::string::npos);
}

TEST_F(HttpStorageTest, ARangeThatDoesNotFitIsNotTaken) {
  store_.objects["b/m"] = pattern(5000);
  int n = 0;
  store_.hook = [&](const Request&) -> std::optional<Answer> {
    if (n++ == 0) return Answer{200, {{"ETag", "\"v\""}}, pattern(5000), 1000};
    return Answer{206, {{"ETag", "\"v\""}, {"Content-Range", "bytes 0-4999/5000"}}, pattern(5000), {}};
  };
  EXPECT_EQ(error_of([&] { storage_.download(url("/b/m"), folder_ / "m"); }).code(), ErrorCode::kDataLoss);
  EXPECT_FALSE(fs::exists(folder_ / "m"));
}

TEST_F(StorageTest, LocalPathsAndFolders) {
  write("src/a", "x");
  storage_.download("file://" + (folder_ / "src").string(), folder_ / "copy");
  EXPECT_EQ(read(folder_ / "copy/a"), "x");
  EXPECT_EQ(storage_.upload(folder_ / "src/a", (folder_ / "copy").string()), 1u);
  EXPECT_EQ(storage_.list((folder_ / "copy").string()).size(), 1u);
  EXPECT_EQ(error_of([&] { storage_.download((folder_ / "none").string(), folder_ / "x"); }).code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { storage_.upload(folder_ / "none", "s3://bucket/x"); }).code(), ErrorCode::kNotFound);
  storage_.remove((folder_ / "copy").string());
  EXPECT_FALSE(storage_.exists((folder_ / "copy").string()));
}

TEST(ParseContentRange, RefusesNonsense) {
  EXPECT_EQ(parse_content_range("bytes 5-9/10")->first, 5u);
  EXPECT_FALSE(parse_content_range("bytes 0-1/*")->total);
  for (const char* bad :
       {"", "bytes", "bytes 1-0/5", "bytes 0-9/9", "bytes a-b/c", "bytes 0-1", "bytes 0-1/5x", "items 0-1/2"})
    EXPECT_FALSE(parse_content_range(bad)) << bad;
}

// JI-7.12
TEST(ParseListPage, RefusesWhatIsNoListing) {
  for (const char* bad : {"", "<a/>", "<ListBucketResult><Contents/></ListBucketResult>",
                          "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
                          "<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult/>"})
    EXPECT_FALSE(parse_list_page(bad)) << bad;
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_FALSE(parse_list_page(deep));
}

}  // namespace
}  // namespace sedna::storage
