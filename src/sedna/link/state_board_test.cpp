#include "sedna/link/state_board.hpp"

#include <gtest/gtest.h>

namespace sedna::link {
namespace {

ObjectPtr object(std::string_view text) {
  json::object o;
  o["text"] = text;
  return std::make_shared<const json::object>(std::move(o));
}

const StateKey kA{"Dataset", "default/a"}, kB{"Dataset", "default/b"};

TEST(StateBoard, TellsOnlyTheNewestAndOnlyWhatChanged) {
  StateBoard board;
  board.set(kA, object("1"), "1", {"edge0"});
  board.set(kB, object("1"), "2", {"edge0", "edge1"});
  board.set(kA, object("2"), "3", {"edge0"});
  auto changes = board.changes("edge0", 0, 10);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].subject, kB);
  EXPECT_EQ(changes[1].version, "3");
  const auto revision = changes[1].revision;
  EXPECT_TRUE(board.changes("edge0", revision, 10).empty());
  board.set(kA, object("2"), "3", {"edge0"});
  EXPECT_TRUE(board.changes("edge0", revision, 10).empty()) << "the same version is no change";
  EXPECT_EQ(board.objects("edge1"), 1U);
}

TEST(StateBoard, AnObjectThatMovesIsGoneFromItsOldNode) {
  StateBoard board;
  board.set(kA, object("1"), "1", {"edge0"});
  board.set(kA, object("1"), "2", {"edge1"});
  EXPECT_TRUE(board.changes("edge0", 0, 10)[0].gone);
  EXPECT_FALSE(board.knows("edge0", kA));
  EXPECT_TRUE(board.knows("edge1", kA));
  board.set(kA, nullptr, "", {});
  EXPECT_TRUE(board.changes("edge1", 0, 10)[0].gone);
  EXPECT_NE(board.changes("edge1", 0, 10)[0].object, nullptr) << "what it was last";
}

TEST(StateBoard, RemembersABoundedNumberOfThingsThatAreGone) {
  StateBoard board;
  for (int i = 0; i < 3000; ++i) {
    const StateKey key{"Dataset", "default/" + std::to_string(i)};
    board.set(key, object("x"), "1", {"edge0"});
    board.set(key, nullptr, "", {});
  }
  EXPECT_LE(board.changes("edge0", 0, 10'000).size(), 1001U);
}

TEST(StateBoard, WakesTheNodesSubscribers) {
  StateBoard board;
  int woken = 0;
  const auto subscription = board.subscribe("edge0", [&] { ++woken; });
  board.set(kA, object("1"), "1", {"edge1"});
  EXPECT_EQ(woken, 0);
  board.set(kA, object("1"), "1", {"edge0", "edge1"});
  EXPECT_EQ(woken, 1);
  board.unsubscribe(subscription);
  board.set(kA, object("1"), "2", {"edge0"});
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace sedna::link
