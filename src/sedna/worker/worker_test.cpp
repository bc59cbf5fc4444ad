// The environment contract (the recorded vectors of upstream's Context, carried over), and reports to the local
// controller.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/base/fork.hpp"
#include "sedna/worker/context.hpp"
#include "sedna/worker/lc_client.hpp"
#include "sedna/worker/per_process.hpp"

namespace sedna::worker {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

// JI-6.4
TEST(Context, GetParametersAsRecorded) {
  struct Case {
    Variables variables;
    std::string name;
    std::optional<std::string> expected;
  };
  const std::vector<Case> cases{
      {{}, "zz_q", std::nullopt},
      {{{"zz_q", "1"}}, "zz_q", "1"},
      {{{"ZZ_Q", "2"}}, "zz_q", "2"},
      {{{"zz_q", "1"}, {"ZZ_Q", "2"}}, "zz_q", "1"},
      {{{"zz_q", ""}}, "zz_q", std::nullopt},
      {{{"zz_q", ""}, {"ZZ_Q", "2"}}, "zz_q", "2"},
      {{{"Zz_Q", "3"}}, "zz_q", std::nullopt},
      {{{"Zz_Q", "3"}}, "Zz_Q", "3"},
      {{{"zz_q", "0"}}, "ZZ_Q", std::nullopt},
      {{{"zz_q", " "}}, "zz_q", " "},
      {{{"zz_q", "\u00e9"}}, "zz_q", "\u00e9"},
      {{{"ZZ-Q", "1"}}, "zz-q", "1"},
  };
  for (const auto& c : cases) EXPECT_EQ(Context(c.variables).get(c.name), c.expected) << c.name;
}

// JI-6.4
TEST(Context, AlgorithmAsRecorded) {
  const auto parameters = [](std::string text) {
    return Context({{"HEM_NAME", "IBT"}, {"HEM_PARAMETERS", std::move(text)}}).algorithm("HEM")->parameters;
  };
  using Map = std::map<std::string, std::string, std::less<>>;
  EXPECT_FALSE(Context(Variables{}).algorithm("HEM"));
  EXPECT_FALSE(Context(Variables{{"HEM_NAME", ""}, {"HEM_PARAMETERS", "[]"}}).algorithm("HEM"));
  EXPECT_EQ(Context(Variables{{"HEM_NAME", "IBT"}}).algorithm("hem")->name, "IBT");
  EXPECT_EQ(parameters(R"([{"key": "a", "value": "1"}])"), (Map{{"a", "1"}}));
  EXPECT_EQ(parameters(R"([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}])"), (Map{{"a", "2"}}));
  EXPECT_EQ(parameters(R"([{"key": "a"}])"), (Map{{"a", ""}}));
  EXPECT_EQ(parameters(R"([{"key": "a", "value": null}])"), (Map{{"a", ""}}));
  EXPECT_EQ(parameters(R"([{"value": "1"}])"), Map{});
  EXPECT_EQ(parameters(R"([{"key":"a","value":"1"},2])"), Map{});
  for (const auto* ignored : {"x", "null", "[]", "[1]", "{\"a\": 1}", "\"text\""})
    EXPECT_EQ(parameters(ignored), Map{}) << ignored;
  EXPECT_EQ(parameters(R"([{"key":"a","value":"é"}])"), (Map{{"a", "é"}}));
}

// JI-7.11
TEST(Context, NumbersNameTheVariable) {
  const Context context(
      {{"LC_PERIOD", "soon"}, {"PORT", "70000"}, {"FLAG", "perhaps"}, {"GOOD", "2.5"}, {"YES", "True"}});
  EXPECT_DOUBLE_EQ(context.get_number("GOOD", 1, 0, 10), 2.5);
  EXPECT_DOUBLE_EQ(context.get_number("NONE", 1, 0, 10), 1);
  EXPECT_TRUE(context.get_flag("YES", false));
  const auto subject = [](auto&& call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.subject();
    }
    return std::string("no error");
  };
  EXPECT_EQ(subject([&] { context.get_number("LC_PERIOD", 30, 0, 100); }), "LC_PERIOD");
  EXPECT_EQ(subject([&] { context.get_integer("PORT", 1, 1, 65535); }), "PORT");
  EXPECT_EQ(subject([&] { context.get_flag("FLAG", true); }), "FLAG");
}

// JI-6.4
TEST(Context, UpstreamDefaults) {
  const Context context{Variables{}};
  EXPECT_EQ(context.job_name(), "sedna");
  EXPECT_EQ(context.worker_name(), "sedna");
  EXPECT_EQ(context.namespace_name(), "sedna");
  EXPECT_EQ(context.lc_server(), "http://127.0.0.1:9100");
}

// JI-6.6
TEST(ForkGeneration, RisesInTheChildOnly) {
  const auto before = fork_generation();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(fork_generation() == before + 1 ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(fork_generation(), before);
}

// JI-6.6
TEST(PerProcess, AForkedChildMakesItsOwn) {
  int made = 0;
  PerProcess<int> number([&] { return std::make_unique<int>(++made); });
  EXPECT_EQ(number.find(), nullptr);
  EXPECT_EQ(number.get(), 1);
  EXPECT_EQ(number.get(), 1);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(number.find() == nullptr && number.get() == 2 && *number.find() == 2 ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  number.reset();
  EXPECT_EQ(number.find(), nullptr);
  EXPECT_EQ(number.get(), 2);
}

TEST(PerProcess, ManyThreadsGetTheSame) {
  PerProcess<int> number([] { return std::make_unique<int>(7); });
  std::atomic<int*> seen{nullptr};
  std::atomic<int> others{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      int* expected = nullptr;
      int* mine = &number.get();
      if (!seen.compare_exchange_strong(expected, mine) && expected != mine) ++others;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(others, 0);
}

TEST(WorkerInfo, BodyOfATrainingReport) {
  WorkerInfo info{"w", "default", "job", "incrementallearningjob", "train", "completed", "[]", std::nullopt};
  EXPECT_EQ(worker_info_body(info),
            R"({"name": "w", "namespace": "default", "ownerName": "job", "ownerKind": "incrementallearningjob", )"
            R"("kind": "train", "status": "completed", "results": []})");
}

TEST(LcClient, RefusesWhatIsNoUrl) {
  EXPECT_THROW(LcClient("localhost:9100"), Error);
}

}  // namespace
}  // namespace sedna::worker
