// What stays with a client: which tensors, over restarts, and that none of them is ever on the wire.
#include "sedna/federated/personal.hpp"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/federated/client.hpp"
#include "sedna/federated/test_http_job.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using test::doubles;
using test::fp64;

std::vector<bool> kept(const std::string& rule, const std::vector<std::string>& names) {
  return make_personal_rule(rule)->personal(names);
}

std::string refusal(const std::string& rule, const std::vector<std::string>& names) {
  try {
    kept(rule, names);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// FL-11.1
TEST(FedBn, KeepsWhatNormalises) {
  EXPECT_THAT(kept("FedBN", {"conv1.weight", "bn1.weight", "bn1.running_mean", "fc.bias"}),
              testing::ElementsAre(false, true, true, false));
  EXPECT_THAT(kept("FedBN", {"dense/kernel", "batch_normalization_1/gamma", "batch_normalization_1/moving_variance"}),
              testing::ElementsAre(false, true, true));
  EXPECT_THAT(kept("FedBN", {"layer1.0.bn2.bias", "subnet.weight", "abn1x.weight"}),
              testing::ElementsAre(true, false, false));
  EXPECT_THAT(kept("FedBN,tensors=0+2", {"", "", ""}), testing::ElementsAre(true, false, true));
  EXPECT_THAT(refusal("FedBN", {"a", "b"}), testing::HasSubstr("tensors=2+3"));
  EXPECT_THAT(refusal("FedBN,tensors=0+9", {"a", "b"}), testing::HasSubstr("indices below 2"));
  EXPECT_THAT(refusal("FedBN,tensors=0+1", {"a", "b"}), testing::HasSubstr("nothing to share"));
}

// FL-11.1
TEST(FedPer, KeepsTheLastTensors) {
  EXPECT_THAT(kept("FedPer", {"", "", "", ""}), testing::ElementsAre(false, false, true, true));
  EXPECT_THAT(kept("FedPer,last=1", {"", "", ""}), testing::ElementsAre(false, false, true));
  EXPECT_THAT(kept("FedPer,tensors=0", {"", ""}), testing::ElementsAre(true, false));
  EXPECT_THAT(refusal("FedPer,last=3", {"a", "b", "c"}), testing::HasSubstr("nothing to share"));
  EXPECT_THAT(refusal("FedLocal", {"a"}), testing::HasSubstr("FedBN, FedPer"));
}

// FL-11.2
TEST(PersonalPart, IsCutOutAndPutBackAndSurvivesARestart) {
  const test::Folder folder;
  const auto file = personal_file(folder.path.string(), "client 1");
  {
    PersonalPart part("FedPer,last=1", file);
    part.adopt({fp64({1}, {1}), fp64({1}, {2})});
    EXPECT_THAT(part.indices(), testing::ElementsAre(1u));
    const Weights shared = part.shared({fp64({1}, {3}), fp64({1}, {4})});
    ASSERT_EQ(shared.size(), 1u);
    EXPECT_EQ(doubles(shared[0]).front(), 3);
    const Weights whole = part.whole({fp64({1}, {9})});
    ASSERT_EQ(whole.size(), 2u);
    EXPECT_EQ(doubles(whole[0]).front(), 9);
    EXPECT_EQ(doubles(whole[1]).front(), 4);
    EXPECT_THROW(part.whole({fp64({1}, {9}), fp64({1}, {9})}), Error) << "the others share more";
  }
  PersonalPart again("FedPer,last=1", file);
  EXPECT_THROW(again.whole({fp64({1}, {9})}), Error) << "nobody has said what the model looks like";
  again.adopt({fp64({1}, {0}), fp64({1}, {0})});
  EXPECT_EQ(doubles(again.whole({fp64({1}, {9})})[1]).front(), 4);
  PersonalPart other("FedPer,last=1", file);
  EXPECT_THROW(other.adopt({fp64({1}, {0}), fp64({2}, {0, 0})}), Error) << "of another model";
  PersonalPart none("", {});
  EXPECT_EQ(none.shared({fp64({1}, {3})}).size(), 1u);
}

// FL-11.4
TEST(Ditto, StaysNearTheSharedModelAsWorkedOutByHand) {
  // F(v) = (v − 4)²/2 with lambda = 3 and w = 0: the optimum is 4/(1 + 3) = 1.
  const test::Folder folder;
  const auto file = folder.path / "ditto";
  Ditto ditto(3, file);
  const Weights shared = {fp64({1}, {0})};
  Weights v = ditto.begin(shared);
  EXPECT_EQ(doubles(v[0]).front(), 0) << "it begins as the shared model";
  // One step of rate 0.1 from 0: the gradient is −4 + 3·0.
  EXPECT_DOUBLE_EQ(doubles(ditto.gradient(fp64({1}, {-4}), v[0], shared[0])).front(), -4);
  EXPECT_DOUBLE_EQ(ditto.gradient(-3.6, 0.4, 0), -3.6 + 3 * 0.4);
  double value = 0;
  for (int i = 0; i < 200; ++i) value -= 0.1 * ditto.gradient(value - 4, value, 0);
  EXPECT_NEAR(value, 1, 1e-12);
  ditto.keep({fp64({1}, {value})});
  Ditto again(3, file);
  EXPECT_NEAR(doubles(again.begin(shared)[0]).front(), 1, 1e-12) << "it survives a restart";
  EXPECT_THROW(Ditto(-1, {}), Error);
}

/// Passes bytes on between clients and the server, and keeps a copy of all.
class Tap {
 public:
  explicit Tap(std::uint16_t to) : to_(to) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~Tap() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    for (auto& pump : pumps_) pump.join();
    for (const int fd : open_) ::close(fd);
    ::close(listener_);
  }
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;
  std::string seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  std::uint16_t port = 0;

 private:
  void accept_all() {
    while (true) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      const int server = test::connect_to(to_);
      open_.push_back(client);
      open_.push_back(server);
      pumps_.emplace_back([this, client, server] { pump(client, server); });
      pumps_.emplace_back([this, client, server] { pump(server, client); });
    }
  }
  void pump(int from, int to) {
    char buffer[65536];
    ssize_t n = 0;
    while ((n = ::recv(from, buffer, sizeof buffer, 0)) > 0) {
      {
        const std::lock_guard lock(mutex_);
        seen_.append(buffer, static_cast<std::size_t>(n));
      }
      if (::send(to, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) break;
    }
    ::shutdown(to, SHUT_WR);
  }

  std::uint16_t to_;
  int listener_ = -1;
  std::thread acceptor_;
  std::vector<std::thread> pumps_;
  std::vector<int> open_;
  std::mutex mutex_;
  std::string seen_;
};

std::string bytes_of(double value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// FL-11.3
TEST(PersonalTensors, AreNeverOnTheWire) {
  test::Job job(2, 2);
  Tap tap(job.server->port());
  constexpr double kShared = 0.1234567890123;
  constexpr double kSecret = 0.9876543210987;
  auto options = job.client("a");
  options.origin = "http://127.0.0.1:" + std::to_string(tap.port);
  options.personal = "FedPer,last=1";
  {
    RoundClient a(options);
    auto other = job.client("b");
    other.personal = "FedPer,last=1";
    RoundClient b(other);
    a.adopt({fp64({1}, {0}), fp64({1}, {kSecret})});
    b.adopt({fp64({1}, {0}), fp64({1}, {5})});
    EXPECT_THAT(a.personal(), testing::ElementsAre(1u));
    a.connect();
    b.connect();
    test::next(a);
    test::next(b);
    test::submit(a, 1, {fp64({1}, {kShared}), fp64({1}, {kSecret})});
    test::submit(b, 1, {fp64({1}, {3 * kShared}), fp64({1}, {7})});
    auto task = test::next(a);
    ASSERT_EQ(task.model->weights.size(), 2u);
    EXPECT_DOUBLE_EQ(doubles(task.model->weights[0]).front(), 2 * kShared);
    EXPECT_EQ(doubles(task.model->weights[1]).front(), kSecret);
    EXPECT_EQ(doubles(test::next(b).model->weights[1]).front(), 7);
    test::submit(a, 1, task.model->weights);
    test::submit(b, 1, task.model->weights);
    task = test::next(a);
    EXPECT_TRUE(task.finished);
    EXPECT_EQ(doubles(task.model->weights[1]).front(), kSecret);
    EXPECT_TRUE(test::next(b).finished);
  }
  const std::string seen = tap.seen();
  EXPECT_NE(seen.find(bytes_of(kShared)), std::string::npos) << "the tap sees what is shared";
  EXPECT_EQ(seen.find(bytes_of(kSecret)), std::string::npos);
}

// FL-11.3
TEST(PersonalTensors, AreNeverInUpstreamsMessages) {
  test::Job job(1, 1);
  Tap tap(job.server->port());
  constexpr double kSecret = 0.9876543210987;
  ClientOptions options;
  options.url = "ws://127.0.0.1:" + std::to_string(tap.port) + "/FedAvg";
  options.client_id = "a";
  options.personal = "FedPer,last=1";
  std::optional<RoundModel> model;
  {
    AggregationClient client(options);
    client.connect();
    client.submit(1, {fp64({1}, {0.25}), fp64({1}, {kSecret})});
    model = client.wait(test::seconds(10));
  }
  ASSERT_TRUE(model);
  ASSERT_EQ(model->weights.size(), 2u);
  EXPECT_EQ(doubles(model->weights[1]).front(), kSecret);
  // A client masks what it sends; the model that comes back is made of it, and is in clear.
  const std::string seen = tap.seen();
  EXPECT_NE(seen.find("0.25"), std::string::npos);
  EXPECT_EQ(seen.find("0.98765"), std::string::npos);
}

}  // namespace
}  // namespace sedna::federated
