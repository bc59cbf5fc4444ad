#include "sedna/federated/exchange.hpp"

#include <fstream>
#include <iterator>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/sha256.hpp"
#include "sedna/federated/test_http_job.hpp"
#include "sedna/json/json.hpp"
#include "sedna/testing/s3_imposter.hpp"

namespace sedna::federated {
namespace {

using namespace test;
using storage::S3Imposter;
using testing::HasSubstr;
using testing::StartsWith;

ExchangeOptions through(const S3Imposter& store) {
  ExchangeOptions options;
  options.url = "s3://bucket/job";
  options.s3 = store.options();
  options.patience = seconds(20);
  return options;
}

struct StoreJob {
  explicit StoreJob(S3Imposter& s)
      : store(s), job([&] {
          auto options = options_for(2, 2);
          options.exchange = through(s);
          return options;
        }()) {}
  RoundClientOptions client(const std::string& name) const {
    auto options = job.client(name);
    options.exchange = through(store);
    return options;
  }
  S3Imposter& store;
  Job job;
};

/// Two clients through a whole job; what the last model is, and how many transfers went through the store.
std::vector<std::uint64_t> run(const StoreJob& job, bool second_too = true) {
  std::vector<std::thread> threads;
  std::vector<std::uint64_t> exchanged(2);
  for (std::size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      const std::string name(1, static_cast<char>('a' + i));
      RoundClient client(i == 0 || second_too ? job.client(name) : job.job.client(name));
      client.connect();
      float w = static_cast<float>(i);
      while (true) {
        const RoundTask task = next(client);
        if (task.model) w = task.model->weights.front().as<float>()[0];
        if (task.finished) break;
        submit(client, 1, {fp32({1}, {w + static_cast<float>(i)})});
      }
      EXPECT_EQ(w, 1.5F);  // (0 + 2) / 2, then (1 + 2) / 2
      exchanged[i] = client.exchanged();
      client.close();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(job.job.server->failure(), "");
  return exchanged;
}

std::size_t count(S3Imposter& store, const std::string& method, const std::string& below) {
  const auto lock = store.lock();
  std::size_t n = 0;
  for (const auto& request : store.requests) n += request.method == method && request.path.starts_with(below) ? 1 : 0;
  return n;
}

// FL-14.1
TEST(Exchange, CarriesUpdatesAndModelsAndTidiesUp) {
  S3Imposter store;
  const StoreJob job(store);
  EXPECT_EQ(run(job), (std::vector<std::uint64_t>{4, 4}));  // two updates, two models each
  EXPECT_EQ(count(store, "PUT", "/bucket/job/updates/"), 4U);
  EXPECT_EQ(count(store, "PUT", "/bucket/job/models/"), 2U);
  const auto lock = store.lock();
  for (const auto& [name, content] : store.objects) EXPECT_THAT(name, StartsWith("bucket/job/models/"));
}

// FL-14.1
TEST(Exchange, IsNotForThoseWhoDoNotWantIt) {
  S3Imposter store;
  const StoreJob job(store);
  EXPECT_EQ(run(job, false), (std::vector<std::uint64_t>{4, 0}));
}

// FL-14.2
TEST(Exchange, AStoreThatFailsHoldsNothingUp) {
  S3Imposter store;
  {
    const auto lock = store.lock();
    store.hook = [](const S3Imposter::Request& request) -> std::optional<S3Imposter::Answer> {
      if (request.method == "GET" || request.path.find("/models/") != std::string::npos) {
        return S3Imposter::Answer{403, {}, "<Error><Code>AccessDenied</Code></Error>", {}};
      }
      return std::nullopt;
    };
  }
  const StoreJob job(store);
  EXPECT_EQ(run(job), (std::vector<std::uint64_t>{0, 0}));
}

// FL-14.2
TEST(Exchange, CutDownloadsGoOnWhereTheyWereCut) {
  S3Imposter store;
  std::string content(300'000, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  auto options = through(store);
  options.multipart_from = 100'000;
  options.part_size = 80'000;
  Exchange exchange(options);
  const std::string name = Exchange::update_name();
  // In parts, over the borders of what it is made of.
  exchange.put(name, {Bytes::from_string(content.substr(0, 10)), Bytes::from_string(content.substr(10, 190'000)),
                      Bytes::from_string(content.substr(190'010))});
  int cuts = 0;
  {
    const auto lock = store.lock();
    EXPECT_EQ(store.objects.at("bucket/job/" + name), content);
    store.requests.clear();
    store.hook = [&, content](const S3Imposter::Request& request) -> std::optional<S3Imposter::Answer> {
      if (request.method != "GET" || cuts++ > 0) return std::nullopt;
      S3Imposter::Answer cut{200, {}, content, 120'000};
      cut.headers.add("ETag", "\"" + sha256_hex(content).substr(0, 32) + "\"");
      return cut;
    };
  }
  const Folder folder;
  const auto file = exchange.get(name, content.size(), sha256_hex(content), folder.path);
  std::ifstream in(file, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), content);
  EXPECT_GE(cuts, 2);
  EXPECT_THROW(exchange.get(name, content.size(), sha256_hex("another"), folder.path), Error);
  EXPECT_THROW(exchange.get(name, content.size() - 1, sha256_hex(content), folder.path), Error);
}

// FL-14.3
TEST(Exchange, OnlyReadsUpdatesAndBelievesNoDigestButItsOwn) {
  S3Imposter store;
  const StoreJob job(store);
  const auto fetch = [&](const std::string& name, const Bytes& file, const std::string& sha256) {
    const std::string body = json::write(json::object{{"name", name}, {"size", file.size()}, {"sha256", sha256}});
    return job.job.call("POST", "/rounds/1/updates/a/fetch", {Bytes::from_string(body)});
  };
  const Bytes file = joined(update_file(1, 2, {fp32({1}, {5})}));
  const std::string digest = sha256_hex(file.text());
  for (const char* name : {"../secret", "models/0123", "updates/../x", "updates/0123", "updates/", ""}) {
    EXPECT_EQ(fetch(name, file, digest).status, 400) << name;
  }
  const std::string name = Exchange::update_name();
  EXPECT_EQ(fetch(name, file, digest).status, 424);  // it is not there
  const auto put = [&](std::string content) {
    const auto lock = store.lock();
    store.objects["bucket/job/" + name] = std::move(content);
  };
  std::string other(file.text());
  other.back() = static_cast<char>(other.back() ^ 1);
  put(other);
  EXPECT_EQ(fetch(name, file, digest).status, 424);  // changed by somebody
  put("no safetensors at all");
  EXPECT_EQ(fetch(name, Bytes::from_string("no safetensors at all"), sha256_hex("no safetensors at all")).status, 422);
  put(std::string(file.text()));
  EXPECT_EQ(fetch(name, file, digest).status, 200);
  EXPECT_EQ(job.job
                .call("POST", "/rounds/9/updates/b/fetch",
                      {Bytes::from_string(json::write(
                          json::object{{"name", Exchange::update_name()}, {"size", 10}, {"sha256", digest}}))})
                .status,
            422);
  Job plain(1, 1);
  const auto none = plain.call("POST", "/rounds/1/updates/a/fetch", {Bytes::from_string("{}")});
  EXPECT_EQ(none.status, 409);
  EXPECT_THAT(std::string(none.body.text()), HasSubstr("no object store"));
}

// FL-14.3
TEST(Exchange, SaysWhatIsNoStoreAndNeverAKey) {
  ExchangeOptions options;
  options.url = "https://example.com/x";
  EXPECT_THROW(Exchange{options}, Error);
  S3Imposter store;
  options = through(store);
  options.s3.secret_access_key = "not-the-secret";
  Exchange exchange(options);
  try {
    exchange.put(Exchange::update_name(), {Bytes::from_string("x")});
    FAIL() << "took a wrong signature";
  } catch (const Error& error) {
    EXPECT_THAT(std::string(error.what()), testing::Not(HasSubstr("not-the-secret")));
  }
}

}  // namespace
}  // namespace sedna::federated
