#include "sedna/control/informer.hpp"

#include <gtest/gtest.h>

#include "sedna/control/test_server.hpp"
#include "sedna/store/embedded/embedded_server.hpp"

namespace sedna::control {
namespace {

using namespace std::chrono_literals;
using api::kinds::kConfigMap;
using testing::FaultyServer;

const Deadline kNow(SteadyClock::time_point::min());

api::Object config_map(std::string_view name, std::string_view value = "1") {
  api::Object object = api::new_object(kConfigMap, "default", name);
  object["data"] = json::object{{"key", value}};
  return object;
}

class InformerTest : public ::testing::Test {
 protected:
  static InformerOptions options() {
    InformerOptions o;
    o.backoff.first = 1ms;
    o.backoff.longest = 4ms;
    return o;
  }
  void settle() {
    while (informer_.step(kNow)) {
    }
  }
  void listen() {
    informer_.add_handler([this](const ObjectCache::Change& change) {
      const auto& object = change.after ? change.after : change.before;
      changes_.push_back((change.after ? change.before ? "changed " : "added " : "gone ") +
                         std::string(api::name_of(*object)));
    });
  }
  store::embedded::EmbeddedServer server_;
  FaultyServer faulty_{server_};
  Informer informer_{faulty_, kConfigMap, options()};
  std::vector<std::string> changes_;
};

TEST_F(InformerTest, ListsThenFollows) {
  server_.create(kConfigMap, config_map("a"), {}).value();
  listen();
  EXPECT_FALSE(informer_.synced());
  settle();
  EXPECT_TRUE(informer_.synced());
  server_.create(kConfigMap, config_map("b"), {}).value();
  server_.update(kConfigMap, config_map("a", "2"), {}).value();
  server_.remove(kConfigMap, "default", "b", {}).value();
  settle();
  EXPECT_EQ(changes_, (std::vector<std::string>{"added a", "added b", "changed a", "gone b"}));
  EXPECT_EQ(informer_.lists(), 1U);
  EXPECT_EQ(api::string_at(*informer_.cache().get("default", "a"), {"data", "key"}), "2");
}

TEST_F(InformerTest, TriesAgainWhenTheServerIsAway) {
  int failures = 3;
  faulty_.on_call = [&](std::string_view, const api::Kind&) -> std::optional<store::Status> {
    if (failures-- > 0) return FaultyServer::unavailable();
    return std::nullopt;
  };
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(informer_.step(Deadline::after(1s)));
  EXPECT_NE(informer_.problem(), "");
  EXPECT_TRUE(informer_.step(Deadline::after(1s)));
  EXPECT_TRUE(informer_.synced());
  EXPECT_EQ(informer_.problem(), "");
}

TEST_F(InformerTest, ListsAgainWhenTheServerHasForgottenAndTellsTheDifference) {
  server_.create(kConfigMap, config_map("kept"), {}).value();
  server_.create(kConfigMap, config_map("goes"), {}).value();
  listen();
  bool forgotten = false;
  faulty_.on_call = [&](std::string_view verb, const api::Kind&) -> std::optional<store::Status> {
    if (verb == "watch" && std::exchange(forgotten, false)) return FaultyServer::expired();
    return std::nullopt;
  };
  ASSERT_TRUE(informer_.step(kNow));
  changes_.clear();
  forgotten = true;
  server_.remove(kConfigMap, "default", "goes", {}).value();
  server_.create(kConfigMap, config_map("new"), {}).value();
  settle();
  EXPECT_EQ(informer_.lists(), 2U);
  EXPECT_EQ(changes_, (std::vector<std::string>{"added new", "gone goes"}));
}

TEST_F(InformerTest, NobodyReadsAnOlderVersionThanHisOwnWrite) {
  server_.create(kConfigMap, config_map("a"), {}).value();
  settle();
  informer_.remember(server_.update(kConfigMap, config_map("a", "2"), {}).value());
  EXPECT_EQ(api::string_at(*informer_.cache().get("default", "a"), {"data", "key"}), "2");
  informer_.remember_gone(server_.remove(kConfigMap, "default", "a", {}).value());
  EXPECT_FALSE(informer_.cache().get("default", "a"));
  listen();
  settle();
  EXPECT_TRUE(changes_.empty()) << "the watch has no news";
}

TEST_F(InformerTest, KeepsOnlyWhatIsAskedFor) {
  InformerOptions o = options();
  o.trim = [](api::Object& object) { object.erase("data"); };
  o.label_selector = "app=x";
  Informer informer(server_, kConfigMap, o);
  api::Object labelled = config_map("a");
  api::make_object(labelled, {"metadata"})["labels"] = json::object{{"app", "x"}};
  server_.create(kConfigMap, labelled, {}).value();
  server_.create(kConfigMap, config_map("b"), {}).value();
  while (informer.step(kNow)) {
  }
  ASSERT_EQ(informer.cache().size(), 1U);
  EXPECT_FALSE(informer.cache().get("default", "a")->contains("data"));
}

TEST_F(InformerTest, ItsThreadEndsAtOnceWhenToldTo) {
  informer_.start();
  ASSERT_TRUE(informer_.wait_synced(Deadline::after(5s)));
  server_.create(kConfigMap, config_map("a"), {}).value();
  const auto begin = SteadyClock::now();
  informer_.stop();
  EXPECT_LT(SteadyClock::now() - begin, 2s);
}

TEST_F(InformerTest, ManyChangesUnderFaultsEndInTheSameState) {
  std::atomic<int> n{0};
  faulty_.on_call = [&](std::string_view verb, const api::Kind&) -> std::optional<store::Status> {
    const int i = ++n;
    if (i % 3 == 0) return FaultyServer::unavailable();
    if (verb == "watch" && i % 5 == 0) return FaultyServer::expired();
    return std::nullopt;
  };
  informer_.start();
  for (int i = 0; i < 300; ++i) {
    const std::string name = "c" + std::to_string(i % 17);
    if (i % 4 == 3) {
      static_cast<void>(server_.remove(kConfigMap, "default", name, {}));
    } else if (!server_.create(kConfigMap, config_map(name, std::to_string(i)), {})) {
      server_.update(kConfigMap, config_map(name, std::to_string(i)), {}).value();
    }
  }
  const auto same = [&] {
    const auto listed = server_.list(kConfigMap, {}).value();
    if (listed.items.size() != informer_.cache().size()) return false;
    for (const auto& item : listed.items) {
      const auto cached = informer_.cache().get(api::key_of(item));
      if (!cached || api::resource_version_of(*cached) != api::resource_version_of(item)) return false;
    }
    return true;
  };
  const auto give_up = SteadyClock::now() + 10s;
  while (!same() && SteadyClock::now() < give_up) std::this_thread::sleep_for(2ms);
  EXPECT_TRUE(same());
}

}  // namespace
}  // namespace sedna::control
