// Times the joint-inference path against yardsticks of the same run and prints one JSON object: bench/run.py turns it
// into BENCH lines. `ji_bench overhead | offload PORT BYTES | stream PORT | hang | breaker`; PORT is bench_server's.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "sedna/algo/hard_example.hpp"
#include "sedna/inference/cloud_client.hpp"
#include "sedna/inference/joint_inference.hpp"
#include "sedna/inference/offload_stream.hpp"

#include "bench_util.hpp"

namespace sedna::bench {
namespace {

using inference::CloudClient;
using inference::CloudClientOptions;
using inference::JointInference;
using inference::JointOptions;

double time_of(const std::function<void()>& call) {
  const auto start = BenchClock::now();
  call();
  return micros(BenchClock::now() - start);
}

std::shared_ptr<const algo::HardExampleFilter> entropy_filter() {
  return algo::make_filter("CrossEntropy", {{"threshold_cross_entropy", "0.5"}});
}

CloudClientOptions client_options(std::uint16_t port) {
  CloudClientOptions options;
  options.port = port;
  options.wire = inference::CloudWire::kOip;
  options.model = "bench";
  options.deadline = std::chrono::seconds(10);
  return options;
}

/// A bound loopback port on which nobody ever accepts: connections are taken by the kernel and hang.
class HungPeer {
 public:
  HungPeer() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(fd_, 128) != 0 ||
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      throw Error(ErrorCode::kInternal, "no listening socket", std::strerror(errno));
    }
    port_ = ntohs(address.sin_port);
  }
  ~HungPeer() { close(fd_); }
  HungPeer(const HungPeer&) = delete;
  HungPeer& operator=(const HungPeer&) = delete;
  std::uint16_t port() const { return port_; }
  void refuse() {  // from now on connections are refused
    shutdown(fd_, SHUT_RDWR);
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

void overhead() {
  metrics::Registry registry;
  auto model = std::make_shared<BusyClassifier>(10, false);
  JointInference joint(JointOptions{}, model, entropy_filter(), nullptr, registry);
  const std::vector<tensor::Tensor> inputs{input_tensor(0)};
  std::vector<double> bare, ours;
  for (int round = 0; round < 600; ++round) {
    for (int i = 0; i < 200; ++i) bare.push_back(time_of([&] { model->infer(inputs, {}); }));
    for (int i = 0; i < 200; ++i) ours.push_back(time_of([&] { joint.infer(inputs); }));
  }
  std::printf("{\"calls\": %zu, \"bare_us\": %.4f, \"ours_us\": %.4f}\n", ours.size(), quantile(bare, 0.5),
              quantile(ours, 0.5));
}

void offload(std::uint16_t port, std::size_t bytes) {
  metrics::Registry registry;
  CloudClient client(client_options(port), registry);
  SocketYardstick yardstick(bytes);
  inference::CloudCall call;
  call.inputs.push_back(input_tensor(0, bytes / sizeof(float)));
  const auto ask = [&] {
    const auto answer = client.ask(call);
    if (!answer.ok()) throw Error(ErrorCode::kInternal, "the cloud did not answer: " + answer.message);
  };
  const int calls = bytes > 1'000'000 ? 20 : 200;
  for (int i = 0; i < calls; ++i) ask();
  for (int i = 0; i < calls; ++i) yardstick.exchange();
  std::vector<double> plain, ours;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < calls; ++i) plain.push_back(time_of([&] { yardstick.exchange(); }));
    for (int i = 0; i < calls; ++i) ours.push_back(time_of(ask));
  }
  std::printf(
      "{\"calls\": %zu, \"socket_us\": %.3f, \"ours_us\": %.3f, \"socket_p50_us\": %.3f, \"ours_p50_us\": %.3f}\n",
      ours.size(), quantile(plain, 0.1), quantile(ours, 0.1), quantile(plain, 0.5), quantile(ours, 0.5));
}

void stream(std::uint16_t port) {
  metrics::Registry registry;
  auto model = std::make_shared<BusyClassifier>(10'000, true);
  const auto client = std::make_shared<CloudClient>(client_options(port), registry);
  JointOptions options;
  options.deadline = std::chrono::seconds(2);
  JointInference joint(options, model, entropy_filter(), client, registry);
  const std::vector<tensor::Tensor> easy{input_tensor(0)};
  const std::vector<tensor::Tensor> hard{input_tensor(1)};
  constexpr int kFrames = 200;
  std::vector<double> bare, ours;
  std::size_t from_cloud = 0;
  for (int round = 0; round < 3; ++round) {
    bare.push_back(time_of([&] {
      for (int i = 0; i < kFrames; ++i) model->infer(easy, {});
    }));
    ours.push_back(time_of([&] {
      inference::OffloadStream flow(joint);
      std::size_t taken = 0;
      const auto count = [&](const inference::JointResult& r) {
        ++taken;
        from_cloud += r.source == inference::Source::kCloud;
      };
      for (int i = 0; i < kFrames; ++i) {
        flow.submit(i % 5 == 0 ? hard : easy);
        while (auto result = flow.try_next()) count(*result);
      }
      flow.close();
      while (auto result = flow.next()) count(*result);
      if (taken != kFrames) throw Error(ErrorCode::kInternal, "the stream lost results");
    }));
  }
  std::printf("{\"frames\": %d, \"from_cloud\": %zu, \"edge_fps\": %.3f, \"ours_fps\": %.3f}\n", kFrames * 3,
              from_cloud, kFrames / (quantile(bare, 0.5) * 1e-6), kFrames / (quantile(ours, 0.5) * 1e-6));
}

void hang() {
  HungPeer peer;
  metrics::Registry registry;
  auto options = client_options(peer.port());
  options.breaker_failures = 1'000'000;
  CloudClient client(options, registry);
  inference::CloudCall call;
  call.inputs.push_back(input_tensor(0));
  constexpr auto kDeadline = std::chrono::milliseconds(200);
  std::vector<double> late;
  for (int i = 0; i < 25; ++i) {
    late.push_back(time_of([&] {
                     if (client.ask(call, Deadline::after(kDeadline)).ok()) std::abort();
                   }) /
                   1e3);
  }
  std::printf("{\"calls\": %zu, \"deadline_ms\": 200, \"p50_ms\": %.3f, \"max_ms\": %.3f}\n", late.size(),
              quantile(late, 0.5), quantile(late, 1.0));
}

void breaker() {
  HungPeer peer;
  metrics::Registry registry;
  auto model = std::make_shared<BusyClassifier>(10, false);
  const auto client = std::make_shared<CloudClient>(client_options(peer.port()), registry);
  peer.refuse();
  JointInference joint(JointOptions{}, model, entropy_filter(), client, registry);
  const std::vector<tensor::Tensor> hard{input_tensor(1)};
  for (int i = 0; i < 50 && client->breaker_state() != inference::BreakerState::kOpen; ++i) joint.infer(hard);
  if (client->breaker_state() != inference::BreakerState::kOpen) {
    throw Error(ErrorCode::kInternal, "the breaker did not open after 50 refused calls");
  }
  std::vector<double> bare, ours;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 200; ++i) bare.push_back(time_of([&] { model->infer(hard, {}); }));
    for (int i = 0; i < 200; ++i) ours.push_back(time_of([&] { joint.infer(hard); }));
  }
  std::printf("{\"calls\": %zu, \"bare_us\": %.3f, \"ours_us\": %.3f}\n", ours.size(), quantile(bare, 0.5),
              quantile(ours, 0.5));
}

}  // namespace
}  // namespace sedna::bench

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const auto port = static_cast<std::uint16_t>(argc > 2 ? std::atoi(argv[2]) : 0);
  try {
    if (what == "overhead") {
      sedna::bench::overhead();
    } else if (what == "offload" && argc > 3) {
      sedna::bench::offload(port, std::strtoul(argv[3], nullptr, 10));
    } else if (what == "stream" && argc > 2) {
      sedna::bench::stream(port);
    } else if (what == "hang") {
      sedna::bench::hang();
    } else if (what == "breaker") {
      sedna::bench::breaker();
    } else {
      std::fprintf(stderr, "usage: ji_bench overhead | offload PORT BYTES | stream PORT | hang | breaker\n");
      return 2;
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ji_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
