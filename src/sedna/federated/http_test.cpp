// Federated rounds over HTTP: our client and bare requests against the server; breaks, restarts, mixed rounds.
#include <unistd.h>

#include <filesystem>
#include <future>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/client.hpp"
#include "sedna/federated/test_http_job.hpp"
#include "sedna/json/json.hpp"

namespace sedna::federated {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::doubles;
using test::Folder;
using test::fp32;
using test::fp64;
using test::Job;
using test::joined;
using test::next;
using test::options_for;
using test::submit;
using test::update_file;
using testing::HasSubstr;

// FL-3.6
TEST(RoundClient, TrainsRoundsWithOthers) {
  constexpr int kClients = 5;
  constexpr int kRounds = 4;
  Job job(kClients, kRounds);
  std::vector<std::thread> threads;
  std::vector<double> finals(kClients);
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      RoundClient client(job.client("c" + std::to_string(i)));
      client.connect();
      double w = i;
      while (true) {
        const RoundTask task = next(client);
        if (task.model) w = static_cast<double>(task.model->weights.front().as<float>()[0]) + (task.finished ? 0 : 1);
        if (task.finished) break;
        submit(client, i + 1, {fp32({1}, {static_cast<float>(w)}), fp32({2, 1}, {1, 2})});
      }
      finals[static_cast<std::size_t>(i)] = w;
      client.close();
    });
  }
  for (auto& t : threads) t.join();
  // (0·1 + 1·2 + 2·3 + 3·4 + 4·5) / 15 = 40/15, then every client adds 1 in each of three more rounds.
  for (const double w : finals) EXPECT_NEAR(w, 40.0 / 15 + 3, 1e-6);
  EXPECT_TRUE(job.server->wait_for(seconds(5)));
  EXPECT_EQ(job.server->failure(), "");
}

// FL-3.6
TEST(AggregationServer, ServesModelsWithETagAndRange) {
  Job job(1, 2);
  EXPECT_EQ(job.call("GET", "/models/latest").status, 404);
  EXPECT_EQ(job.put("a", 1, update_file(1, 2, {fp32({3}, {1, 2, 3})})).status, 200);
  auto plan = json::parse(job.call("GET", "/plan?client=a&wait=5&after=").body.text()).value().as_object();
  while (plan["model"].is_null()) {
    const std::string version(plan["version"].as_string());
    plan = json::parse(job.call("GET", "/plan?client=a&wait=5&after=" + version).body.text()).value().as_object();
  }
  const std::string digest(plan["model"].as_object()["digest"].as_string());
  const auto whole = job.call("GET", "/models/" + digest);
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.headers.get("ETag"), "\"" + digest + "\"");
  EXPECT_THAT(read_model_file(whole.body).weights.front().as<float>(), testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(job.call("GET", "/models/" + digest, {}, {{"If-None-Match", "\"" + digest + "\""}}).status, 304);
  for (const auto& [first, last] : {std::pair<std::size_t, std::size_t>{0, 9}, {60, 70}, {10, whole.body.size() - 1}}) {
    const auto part = job.call("GET", "/models/" + digest, {},
                               {{"Range", "bytes=" + std::to_string(first) + "-" + std::to_string(last)}});
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body.text(), whole.body.text().substr(first, last - first + 1));
  }
  EXPECT_EQ(job.call("GET", "/models/" + digest, {}, {{"Range", "bytes=99999-"}}).status, 416);
  EXPECT_EQ(job.call("GET", "/models/latest").body.text(), whole.body.text());
}

// FL-3.7
TEST(AggregationServer, SaysWhatBecameOfAnUpdate) {
  Job job(2, 2);
  const auto result = [](const net::HttpResponse& r) {
    return std::string(json::parse(r.body.text()).value().as_object()["result"].as_string());
  };
  const auto good = update_file(1, 3, {fp32({2}, {1, 2})});
  EXPECT_EQ(result(job.put("a", 1, good)), "committed");
  EXPECT_EQ(result(job.put("a", 1, good)), "duplicate");
  EXPECT_EQ(job.put("a", 1, good).status, 200);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::pair<std::vector<Bytes>, std::string>> bad = {
      {update_file(1, 3, {fp32({2}, {1, nan})}), "weights[0]: element 1 is NaN"},
      {update_file(1, 3, {fp32({3}, {1, 2, 3})}), "another shape"},
      {update_file(1, 3, {fp32({2}, {1, 2}), fp32({2}, {1, 2})}), "one more than the model has"},
      {update_file(1, 0, {fp32({2}, {1, 2})}), "num_samples: must be above 0"},
      {update_file(1, -1, {fp32({2}, {1, 2})}), "num_samples"},
      {update_file(2, 3, {fp32({2}, {1, 2})}), "__metadata__.round"},
      {{Bytes::copy_of(std::string(100, 'x'))}, "safetensors header"},
      {{Bytes::copy_of("short")}, "cut off"},
  };
  for (const auto& [parts, reason] : bad) {
    const auto response = job.put("b", 1, parts);
    EXPECT_EQ(response.status, 422) << reason;
    EXPECT_EQ(result(response), "refused");
    EXPECT_THAT(std::string(response.body.text()), HasSubstr(reason));
  }
  EXPECT_EQ(job.put("b", 2, update_file(2, 3, {fp32({2}, {1, 2})})).status, 422);  // not begun
  EXPECT_EQ(job.put("b", 1, good, {{"Repr-Digest", "crc32c=:AAAAAA==:"}}).status, 400);
  EXPECT_EQ(result(job.put("b", 1, good)), "committed");
  while (job.server->rounds() < 1) std::this_thread::yield();
  const auto late = job.put("c", 1, good);
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(result(late), "late");
  EXPECT_EQ(job.put("c", 7, good).status, 422);
  EXPECT_EQ(job.call("PUT", "/rounds/x/updates/c", good).status, 400);
}

// FL-2.3
TEST(AggregationServer, HearsNoMoreOfWhoIsRefusedTooOften) {
  Job job(2, 1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(job.put("a", 1, {Bytes::copy_of("nonsense, again")}).status, 422);
  EXPECT_EQ(job.put("a", 1, update_file(1, 1, {fp32({1}, {1})})).status, 403);
  EXPECT_EQ(job.put("b", 1, update_file(1, 1, {fp32({1}, {1})})).status, 200);
}

// FL-3.7
TEST(AggregationServer, ABrokenUploadGoesOnWhereItStopped) {
  Job job(1, 1);
  std::vector<float> values(500'000, 0.5F);
  const Bytes file = joined(update_file(1, 1, {fp32({500'000}, values)}));
  {
    // Half of it, then the connection is gone.
    const std::size_t half = file.size() / 2;
    const std::string head =
        "PUT /FedAvg/rounds/1/updates/a HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(file.size()) +
        "\r\n\r\n";
    const int fd = test::connect_to(job.server->port());
    ASSERT_EQ(::write(fd, head.data(), head.size()), static_cast<ssize_t>(head.size()));
    for (std::size_t at = 0; at < half;) {
      const auto n = ::write(fd, file.data() + at, half - at);
      ASSERT_GT(n, 0);
      at += static_cast<std::size_t>(n);
    }
    ::close(fd);
  }
  json::object state;
  for (int i = 0; i < 500; ++i) {
    state = json::parse(job.call("GET", "/rounds/1/updates/a").body.text()).value().as_object();
    if (state["result"].as_string() == "partial") break;
    std::this_thread::sleep_for(milliseconds(2));
  }
  ASSERT_EQ(state["result"].as_string(), "partial");
  const auto offset = static_cast<std::size_t>(state["offset"].as_int64());
  EXPECT_GT(offset, 0u);
  EXPECT_LE(offset, file.size() / 2);
  const auto range = [&](std::size_t from) {
    return "bytes " + std::to_string(from) + "-" + std::to_string(file.size() - 1) + "/" + std::to_string(file.size());
  };
  const auto wrong =
      job.put("a", 1, {file.slice(offset - 1, file.size() - offset + 1)}, {{"Content-Range", range(offset - 1)}});
  EXPECT_EQ(wrong.status, 409);
  EXPECT_EQ(wrong.headers.get("Upload-Offset"), std::to_string(offset));
  const auto rest = job.put("a", 1, {file.slice(offset, file.size() - offset)}, {{"Content-Range", range(offset)}});
  EXPECT_EQ(rest.status, 200) << rest.body.text();
  EXPECT_THAT(std::string(rest.body.text()), HasSubstr("committed"));
}

// FL-3.9
TEST(AggregationServer, MixesUpstreamsClientsWithOurs) {
  Job job(2, 2);
  ClientOptions o;
  o.url = "ws://127.0.0.1:" + std::to_string(job.server->port()) + "/FedAvg";
  o.client_id = "upstream";
  AggregationClient theirs(o);
  theirs.connect();
  RoundClient ours(job.client("ours"));
  ours.connect();
  EXPECT_EQ(next(ours).round, 1);
  for (int round = 1; round <= 2; ++round) {
    submit(ours, 1, {fp32({2}, {1, 3})});
    // The first update says what the model looks like: here float32, and JSON's doubles become that.
    while (job.updates("committed") < static_cast<std::uint64_t>(2 * round - 1)) std::this_thread::yield();
    theirs.submit(3, {fp64({2}, {5, 7})});
    const RoundTask task = next(ours);
    ASSERT_TRUE(task.model);
    EXPECT_THAT(task.model->weights.front().as<float>(), testing::ElementsAre(4, 6));
    EXPECT_EQ(task.finished, round == 2);
    std::optional<RoundModel> model;
    for (int i = 0; i < 50 && !model; ++i) model = theirs.wait(milliseconds(200));
    ASSERT_TRUE(model);
    EXPECT_THAT(doubles(model->weights.front()), testing::ElementsAre(4, 6));
  }
  theirs.close();
  ours.close();
  EXPECT_TRUE(job.server->wait_for(seconds(5)));
}

// FL-3.10
TEST(RoundClient, GivesTheInitialModelWhenTheAlgorithmNeedsOne) {
  auto o = options_for(1, 1);
  o.rules.algorithm = "FedAvgM,learningRate=0.5,momentum=0";
  Job job(std::move(o));
  RoundClient client(job.client("a"));
  client.connect();
  EXPECT_TRUE(client.wants_initial());
  EXPECT_FALSE(client.next(milliseconds(1)));
  client.offer_initial({fp64({1}, {10})});
  RoundTask task = next(client);
  EXPECT_EQ(task.round, 1);
  ASSERT_TRUE(task.model);
  EXPECT_EQ(doubles(task.model->weights.front()), std::vector<double>{10});
  submit(client, 1, {fp64({1}, {4})});
  task = next(client);
  EXPECT_TRUE(task.finished);
  EXPECT_EQ(doubles(task.model->weights.front()), std::vector<double>{7});  // half the way
}

// FL-3.10
TEST(RoundClient, CarriesControlVariates) {
  auto o = options_for(1, 2);
  o.rules.algorithm = "SCAFFOLD";
  Job job(std::move(o));
  RoundClient client(job.client("a"));
  client.connect();
  client.offer_initial({fp32({2}, {0, 0})});
  RoundTask task = next(client);
  EXPECT_TRUE(task.needs_extra);
  EXPECT_EQ(task.algorithm, "SCAFFOLD");
  TrainedUpdate update;
  update.samples = 1;
  update.weights = {fp32({2}, {1, 2})};
  client.submit(update);  // without a variate
  for (int i = 0; i < 50 && client.next(milliseconds(100)); ++i) {
  }
  EXPECT_THAT(client.take_refusal(), HasSubstr("extra"));
  update.extra = {fp32({2}, {0.5F, -0.5F})};
  client.submit(update);
  task = next(client);
  ASSERT_TRUE(task.model);
  ASSERT_EQ(task.model->extra.size(), 1u);
  EXPECT_THAT(task.model->extra.front().as<float>(), testing::ElementsAre(0.5F, -0.5F));
}

// FL-7.3
TEST(RoundClient, SendsCodedChanges) {
  Folder folder;
  auto o = options_for(1, 3);
  o.codec = "int8";
  Job job(std::move(o));
  auto options = job.client("a");
  options.state_folder = folder.path.string();
  std::vector<float> start(4000, 1.0F);
  {
    RoundClient client(options);
    client.connect();
    ASSERT_TRUE(client.wants_initial());
    client.offer_initial({fp32({4000}, start)});
    RoundTask task = next(client);
    std::vector<float> now(4000);
    for (std::size_t k = 0; k < 4000; ++k) now[k] = 1.0F + 1e-3F * static_cast<float>(k % 100);
    // What it offered is counted when the answer is here, and that may be later than the model.
    while (client.bytes_sent() < 16000) std::this_thread::yield();
    const auto before = client.bytes_sent();
    submit(client, 1, {fp32({4000}, now)});
    task = next(client);
    EXPECT_LT(client.bytes_sent() - before, 4600u);
    for (std::size_t k = 0; k < 4000; ++k) {
      ASSERT_NEAR(task.model->weights.front().as<float>()[k], now[k], 0.099 / 127) << k;
    }
    // A client that does not code is welcome.
    EXPECT_EQ(job.put("b", 2, update_file(2, 1, {fp32({4000}, now)})).status, 200);
    next(client);
    client.close();
  }
  EXPECT_TRUE(std::filesystem::exists(folder.path / "a.residual"));
  RoundClient again(options);  // reads it
  again.connect();
  // Another codec, and a change of a model that is not the newest.
  auto info = UpdateInfo{3, 1, 0, {}, "sign"};
  const Weights coded = {fp32({1}, {1})};
  EXPECT_THAT(std::string(job.put("c", 3, write_update_file(info, coded, {})).body.text()),
              HasSubstr("this job's is 'int8'"));
  info.codec = "int8";
  EXPECT_THAT(std::string(job.put("c", 3, write_update_file(info, coded, {})).body.text()), HasSubstr("has 1 tensors"));
}

TEST(AggregationServer, AsksForTheInitialModelUntilOneIsOnDisk) {
  Folder folder;
  auto o = options_for(1, 1);
  o.rules.algorithm = "FedAdam";
  o.state_folder = folder.path.string();
  std::promise<void> writing;
  std::promise<void> go_on;
  o.on_step = [&, first = true](const char*) mutable {
    if (!std::exchange(first, false)) return;
    writing.set_value();
    go_on.get_future().wait_for(seconds(8));
  };
  Job job(std::move(o));
  std::thread a([&] { EXPECT_EQ(job.put("a", 0, update_file(0, 1, {fp32({1}, {4})})).status, 200); });
  EXPECT_EQ(writing.get_future().wait_for(seconds(8)), std::future_status::ready);
  // Round 1 cannot be trained for yet, and the others keep what they offer: the first may still be lost.
  EXPECT_THAT(std::string(job.call("GET", "/plan?client=b").body.text()), HasSubstr(R"("phase":"initial")"));
  EXPECT_THAT(std::string(job.put("b", 0, update_file(0, 1, {fp32({1}, {5})})).body.text()), HasSubstr("busy"));
  EXPECT_THAT(std::string(job.call("GET", "/rounds/0/updates/b").body.text()), HasSubstr("busy"));
  go_on.set_value();
  a.join();
  const std::string plan(job.call("GET", "/plan?client=b").body.text());
  EXPECT_THAT(plan, HasSubstr(R"("phase":"collecting")"));
  EXPECT_THAT(plan, HasSubstr("/FedAvg/models/"));
  EXPECT_THAT(std::string(job.call("GET", "/rounds/0/updates/b").body.text()), HasSubstr("late"));
}

TEST(RoundClient, KeepsItsInitialModelUntilTheJobHasOne) {
  Folder folder;
  auto o = options_for(1, 1);
  o.rules.algorithm = "FedAdam";
  o.state_folder = folder.path.string();
  o.on_step = [tries = 0](const char*) mutable {
    if (++tries <= 2) throw Error(ErrorCode::kUnavailable, "the disk is away");
  };
  Job job(std::move(o));
  auto options = job.client("a");
  options.poll = seconds(0);  // hears, again and again, that there is no model yet
  RoundClient client(options);
  client.connect();
  EXPECT_TRUE(client.wants_initial());
  client.offer_initial({fp32({1}, {4})});
  const RoundTask task = next(client);
  EXPECT_EQ(task.round, 1);
  ASSERT_TRUE(task.model);
  EXPECT_THAT(task.model->weights.front().as<float>(), testing::ElementsAre(4));
  submit(client, 1, {fp32({1}, {5})});
  EXPECT_TRUE(next(client).finished);
  client.close();
}

// FL-2.4
TEST(RoundClient, HearsWhyTheJobFailed) {
  auto o = options_for(2, 1);
  o.rounds.min_updates = 2;
  o.rounds.round_deadline = milliseconds(30);
  Job job(std::move(o));
  RoundClient client(job.client("a"));
  client.connect();
  next(client);
  submit(client, 1, {fp32({1}, {1})});
  try {
    for (int i = 0; i < 100; ++i) client.next(milliseconds(100));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("was abandoned 3 times"));
  }
}

// FL-2.5
TEST(AggregationServer, ASilentClientCountsAsGone) {
  auto o = options_for(1, 1);
  o.lease = milliseconds(50);
  Job job(std::move(o));
  EXPECT_EQ(job.call("POST", "/join", {Bytes::copy_of(R"({"client":"a"})")}).status, 200);
  for (int i = 0; i < 1000 && !job.server->clients().empty(); ++i) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_TRUE(job.server->clients().empty());
  EXPECT_EQ(job.call("POST", "/join", {Bytes::copy_of("{}")}).status, 400);
}

TEST(AggregationServer, WhatArrivesAfterTheGoodbyeDoesNotBringAClientBack) {
  Job job(1, 2);
  const auto me = [] { return std::vector{Bytes::copy_of(R"({"client":"a"})")}; };
  const auto plan = [&] { return std::string(job.call("GET", "/plan?client=a").body.text()); };
  EXPECT_EQ(job.call("POST", "/join", me()).status, 200);
  EXPECT_THAT(plan(), HasSubstr(R"("you":"expected")"));
  EXPECT_EQ(job.call("POST", "/leave", me()).status, 200);
  // A question and an update that were under way.
  EXPECT_THAT(plan(), HasSubstr(R"("you":"left")"));
  EXPECT_EQ(job.put("a", 1, update_file(1, 2, {fp32({1}, {9})})).status, 200) << "it counts all the same";
  EXPECT_TRUE(job.server->clients().empty());
  // The next process of that name.
  EXPECT_EQ(job.call("POST", "/join", me()).status, 200);
  EXPECT_THAT(plan(), testing::Not(HasSubstr(R"("you":"left")")));
  EXPECT_THAT(job.server->clients(), testing::ElementsAre("a"));
}

}  // namespace
}  // namespace sedna::federated
