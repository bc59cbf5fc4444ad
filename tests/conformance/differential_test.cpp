// Random operation sequences on a real kube-apiserver and on the embedded one: equal answers, apart from what Player
// takes out. A sequence that differs is shrunk before it is shown. SEDNA_CONFORMANCE_SEED runs others than the usual
// ones.
#include <stdlib.h>

#include <iostream>

#include <gtest/gtest.h>

#include "tests/conformance/operation.hpp"
#include "tests/conformance/random_operations.hpp"

namespace sedna::conformance {
namespace {

using Operations = std::vector<json::object>;

// The daemon makes each write durable and is the same engine: fewer are enough there.
constexpr std::size_t kSequences = 24;
constexpr std::size_t kSequencesOfDaemon = 8;
constexpr std::size_t kLength = 40;

struct Difference {
  std::size_t step = 0;
  std::string text;
};

/// The first step at which the two answer differently.
std::optional<Difference> play(const Operations& operations, Home& real, Home& ours) {
  Player right(real, real.fresh_namespace());
  Player checked(ours, ours.fresh_namespace());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const json::value wanted = right.run(operations[i]);
    const json::value got = checked.run(operations[i]);
    std::string text = difference(wanted, got);
    if (!text.empty()) return Difference{i, std::move(text)};
  }
  return std::nullopt;
}

/// Leaves out what the difference does not need, in ever smaller stretches.
Operations shrink(Operations operations, Home& real, Home& ours) {
  for (std::size_t stretch = operations.size() / 2; stretch > 0;) {
    bool shorter = false;
    for (std::size_t at = 0; at + stretch <= operations.size();) {
      Operations fewer = operations;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at),
                  fewer.begin() + static_cast<std::ptrdiff_t>(at + stretch));
      if (const auto still = play(fewer, real, ours)) {
        fewer.resize(still->step + 1);
        operations = std::move(fewer);
        shorter = true;
      } else {
        at += stretch;
      }
    }
    if (!shorter || stretch > operations.size()) stretch = std::min(stretch / 2, operations.size() / 2);
  }
  return operations;
}

class Differential : public ::testing::TestWithParam<std::string> {};

TEST_P(Differential, AnswersAreThoseOfKubernetes) {
  bool real_there = false;
  for (const std::string& name : home_names()) real_there = real_there || name == "kube";
  if (!real_there) GTEST_SKIP() << "no real API server here (SEDNA_CONFORMANCE_KUBECONFIG): nothing to compare with";
  Home& real = home("kube");
  Home& ours = home(GetParam());
  std::uint64_t first = 1;
  if (const char* seed = ::getenv("SEDNA_CONFORMANCE_SEED")) {  // NOLINT(concurrency-mt-unsafe): one thread
    first = std::stoull(seed);
  }
  const std::size_t count = GetParam() == "embedded" ? kSequences : kSequencesOfDaemon;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Operations operations = random_operations(seed, kLength);
    const auto found = play(operations, real, ours);
    if (!found) continue;
    operations.resize(found->step + 1);
    operations = shrink(std::move(operations), real, ours);
    const auto shown = play(operations, real, ours);
    std::string text;
    for (const json::object& operation : operations) text += "  " + json::write(operation) + "\n";
    ADD_FAILURE() << "seed " << seed << ", after\n" << text << (shown ? shown->text : "and it does not happen again\n");
  }
}

std::vector<std::string> our_homes() {
  std::vector<std::string> out;
  for (const std::string& name : home_names()) {
    if (name != "kube") out.push_back(name);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Homes, Differential, ::testing::ValuesIn(our_homes()),
                         [](const auto& which) { return which.param; });

TEST(RandomOperations, AreTheSameForTheSameSeed) {
  const auto one = random_operations(7, 50);
  const auto two = random_operations(7, 50);
  EXPECT_TRUE(one == two);
  EXPECT_FALSE(one == random_operations(8, 50));
}

}  // namespace
}  // namespace sedna::conformance
