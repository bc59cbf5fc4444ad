// The local controller against a real link server and real files, through restarts.
#include "sedna/lc/local_controller.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "sedna/base/ids.hpp"
#include "sedna/link/server.hpp"
#include "sedna/net/http_client.hpp"

namespace sedna::lc {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

const link::StateKey kDataset{"Dataset", "default/d"}, kModel{"Model", "default/m"},
    kService{"JointInferenceService", "default/digits"};

class Node : public ::testing::Test {
 protected:
  Node() : folder_(fs::temp_directory_path() / ("sedna-lc-" + random_hex(6))) {
    fs::create_directories(folder_ / "rootfs/data");
  }
  ~Node() override {
    lc_.reset();
    gm_.reset();
    fs::remove_all(folder_);
  }
  void start_gm() {
    link::LinkServerOptions options;
    options.host = "127.0.0.1";
    options.port = gm_port_;
    gm_ = std::make_unique<link::LinkServer>(
        options, board_, [this](link::IncomingFact fact) { take(std::move(fact)); }, registry_);
    gm_->start();
    gm_port_ = gm_->port();
  }
  void start_lc() {
    LocalControllerOptions options;
    options.node = "edge0";
    options.paths.own = (folder_ / "own/lc.db").string();
    options.paths.rootfs = (folder_ / "rootfs").string();
    options.bind = "127.0.0.1";
    options.port = 0;
    options.link.gm_address = "127.0.0.1:" + std::to_string(gm_port_);
    options.link.first_pause = 5ms;
    options.link.longest_pause = 50ms;
    options.data.local_period = 20ms;
    lc_ = std::make_unique<LocalController>(options, lc_registry_);
    lc_->start();
  }
  void take(link::IncomingFact fact) {
    {
      const std::lock_guard lock(mutex_);
      facts_[fact.subject] = fact.body;
      ++count_;
    }
    if (fact.acknowledge) fact.acknowledge({});
  }
  json::object fact(const link::StateKey& subject) {
    const std::lock_guard lock(mutex_);
    return facts_[subject];
  }
  template <class F>
  static bool until(F done) {
    const auto deadline = SteadyClock::now() + 15s;
    while (!done()) {
      if (SteadyClock::now() > deadline) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }
  void set(const link::StateKey& subject, std::string_view url, std::string_view format, int version) {
    json::object object;
    object["kind"] = subject.kind;
    object["metadata"] = json::object{{"name", "d"}, {"namespace", "default"}, {"uid", "u" + std::to_string(version)}};
    object["spec"] = json::object{{"url", url}, {"format", format}};
    board_.set(subject, std::make_shared<const json::object>(object), std::to_string(version), {"edge0"});
  }
  void write(const std::string& name, const std::string& text, std::ios::openmode mode = std::ios::trunc) {
    std::ofstream(folder_ / "rootfs/data" / name, std::ios::binary | mode) << text;
  }
  bool has_count(std::int64_t n) {
    return until([&] {
      const auto f = fact(kDataset);
      return f.contains("numberOfSamples") && f.at("numberOfSamples") == n;
    });
  }
  net::HttpOutcome post(const std::string& worker, const std::string& body) {
    net::HttpClient client("http://127.0.0.1:" + std::to_string(lc_->port()));
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/sedna/workers/" + worker + "/info";
    request.headers.add("Content-Type", "application/json");
    request.body.push_back(Bytes::copy_of(body));
    return client.exchange(request, Deadline::after(5s));
  }

  fs::path folder_;
  link::StateBoard board_;
  metrics::Registry registry_, lc_registry_;
  std::uint16_t gm_port_ = 0;
  std::unique_ptr<link::LinkServer> gm_;
  std::unique_ptr<LocalController> lc_;
  std::mutex mutex_;
  std::map<link::StateKey, json::object> facts_;
  int count_ = 0;
};

constexpr const char* kReport =
    R"({"name":"w","namespace":"default","ownerName":"digits","ownerKind":"jointinferenceservice","kind":"inference",)"
    R"("ownerInfo":{"inferenceNumber":5,"hardExampleNumber":2,"uploadCloudRatio":0.4}})";

TEST_F(Node, CountsADatasetAsItGrowsAndSaysWhatIsWrong) {
  start_gm();
  set(kDataset, "/data/index.txt", "txt", 1);
  start_lc();
  ASSERT_TRUE(until([&] { return fact(kDataset).contains("reason"); }));
  EXPECT_EQ(fact(kDataset).at("reason"), "FileNotFound");
  EXPECT_EQ(fact(kDataset).at("message"), "/data/index.txt: is not there") << "as the user knows the path";
  write("index.txt", "a\nb\n");
  EXPECT_TRUE(has_count(2));
  write("index.txt", "c\n", std::ios::app);
  EXPECT_TRUE(has_count(3));
  set(kDataset, "/data/index.txt", "CSV", 2);
  EXPECT_TRUE(has_count(2)) << "the first line is the header now";
}

TEST_F(Node, CountsThroughARestartAndWhileGmIsAway) {
  start_gm();
  set(kDataset, "/data/index.txt", "txt", 1);
  write("index.txt", "a\n");
  start_lc();
  ASSERT_TRUE(has_count(1));
  gm_.reset();
  lc_.reset();
  write("index.txt", "b\nc\n", std::ios::app);
  start_lc();  // GM is not there: it goes by what it knows
  std::this_thread::sleep_for(100ms);
  write("index.txt", "d\n", std::ios::app);
  std::this_thread::sleep_for(100ms);
  start_gm();
  EXPECT_TRUE(has_count(4));
}

TEST_F(Node, SeesModelFiles) {
  start_gm();
  set(kModel, "/data/model.onnx", "onnx", 1);
  start_lc();
  ASSERT_TRUE(until([&] { return fact(kModel).contains("exists"); }));
  EXPECT_EQ(fact(kModel).at("exists"), false);
  write("model.onnx", "abc");
  ASSERT_TRUE(until([&] { return fact(kModel).at("exists") == true; }));
  EXPECT_EQ(fact(kModel).at("bytes"), 3);
  EXPECT_EQ(fact(kModel).at("digest"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(Node, AReportIsKeptWhileGmIsAwayAndThroughARestart) {
  start_gm();
  set(kService, "", "", 1);
  start_lc();
  ASSERT_TRUE(until([&] { return lc_->connected(); }));
  gm_.reset();
  ASSERT_TRUE(until([&] { return !lc_->connected(); }));
  const auto outcome = post("w", kReport);
  ASSERT_TRUE(outcome.response);
  EXPECT_EQ(outcome.response->status, 200);
  EXPECT_EQ(outcome.response->body.text(), R"({"Status":200,"Message":"OK"})");
  lc_.reset();
  start_gm();
  start_lc();
  ASSERT_TRUE(until([&] { return fact(kService).contains("ownerInfo"); }));
  EXPECT_EQ(fact(kService).at("ownerInfo").at("inferenceNumber"), 5);
}

TEST_F(Node, AnswersAsUpstreamDoes) {
  start_gm();
  start_lc();
  EXPECT_EQ(post("other", kReport).response->status, 400);
  EXPECT_TRUE(post("other", kReport).response->body.text().starts_with(R"({"Status":400,"Message":")"));
  EXPECT_EQ(post("w", "no json").response->status, 400);
  EXPECT_EQ(post("w", kReport).response->status, 200) << "a report of an unknown job is passed over";
  EXPECT_EQ(post("w", std::string(2'000'000, ' ')).response->status, 413);
}

TEST_F(Node, WorkersReachItByAUnixSocketToo) {
  start_gm();
  set(kService, "", "", 1);
  start_lc();
  ASSERT_TRUE(until([&] { return lc_->connected(); }));
  const std::string path = (folder_ / "own/lc.db.sock").string();
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string body = kReport;
  const std::string request =
      "POST /sedna/workers/w/info HTTP/1.1\r\nHost: lc\r\nConnection: close\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  ASSERT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer(4096, '\0');
  std::size_t n = 0;
  for (ssize_t got = 0; (got = ::read(fd, answer.data() + n, answer.size() - n)) > 0;
       n += static_cast<std::size_t>(got)) {
  }
  ::close(fd);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  EXPECT_TRUE(until([&] { return fact(kService).contains("ownerInfo"); })) << answer;
}

}  // namespace
}  // namespace sedna::lc
