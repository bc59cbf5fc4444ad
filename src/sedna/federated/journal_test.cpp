// The journal: what was appended is there after a restart, and a torn end is cut off wherever it is torn.
#include "sedna/federated/journal.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "sedna/federated/staging.hpp"
#include "sedna/federated/test_updates.hpp"

namespace sedna::federated {
namespace {

using test::Folder;

Record committed(std::int64_t round, const std::string& client) {
  Record record;
  record.kind = Record::Kind::kCommitted;
  record.round = round;
  record.client = client;
  record.digest = "crc32c:0badcafe:100";
  record.samples = 12.5;
  record.steps = 3;
  record.file = "000001-000002.safetensors";
  record.metrics = {{"loss", 0.25}};
  return record;
}

std::string whole(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// FL-2.8
TEST(Journal, HoldsWhatWasAppended) {
  Folder folder;
  {
    Journal journal(folder.path / "journal");
    EXPECT_TRUE(journal.records().empty());
    journal.append(committed(1, "ä \"quoted\""));
    journal.append(committed(1, "b"));
  }
  Journal again(folder.path / "journal");
  ASSERT_EQ(again.records().size(), 2u);
  const Record& r = again.records().front();
  EXPECT_EQ(r.client, "ä \"quoted\"");
  EXPECT_EQ(r.samples, 12.5);
  EXPECT_EQ(r.steps, 3);
  EXPECT_EQ(r.file, "000001-000002.safetensors");
  EXPECT_EQ(r.metrics.at("loss"), 0.25);
  EXPECT_EQ(r.digest, "crc32c:0badcafe:100");
}

// FL-2.8
TEST(Journal, ATornEndIsCutOffWhereverItIsTorn) {
  Folder folder;
  const auto path = folder.path / "journal";
  const std::string first = encode_record(committed(1, "a"));
  const std::string text = first + encode_record(committed(1, "b"));
  for (std::size_t size = 0; size <= text.size(); ++size) {
    std::ofstream(path, std::ios::binary) << text.substr(0, size);
    {
      Journal journal(path);
      EXPECT_EQ(journal.records().size(), size < first.size() ? 0u : size < text.size() ? 1u : 2u);
      journal.append(committed(2, "c"));
    }
    Journal again(path);
    EXPECT_EQ(again.records().back().client, "c");
  }
  // A flipped bit ends the replay there, too.
  std::string flipped = text;
  flipped[first.size() + 20] ^= 1;
  EXPECT_EQ(replay_journal(std::as_bytes(std::span(flipped))).records.size(), 1u);
}

// FL-2.8
TEST(Journal, StaysSmall) {
  Folder folder;
  Journal journal(folder.path / "journal");
  Record published;
  published.kind = Record::Kind::kPublished;
  published.digest = std::string(64, 'f');
  for (int round = 1; round <= 300; ++round) {
    for (int c = 0; c < 20; ++c) journal.append(committed(round, "client-" + std::to_string(c)));
    published.round = round;
    journal.append(published);
    journal.compact();
  }
  EXPECT_LT(whole(folder.path / "journal").size(), 400'000u);
  journal.append(committed(301, "x"));
  Journal again(folder.path / "journal");
  EXPECT_EQ(again.records().back().client, "x");
  int publications = 0;
  for (const Record& r : again.records()) publications += r.kind == Record::Kind::kPublished ? 1 : 0;
  EXPECT_EQ(publications, 300);
}

// FL-3.8
TEST(Staging, LiesInMemoryAsFarAsTheBudgetGoes) {
  Folder folder;
  const auto budget = std::make_shared<StagingBudget>(100);
  const auto fill = [](Staging& staging) {
    std::byte next{0};
    while (staging.received() < staging.size()) {
      const auto room = staging.room();
      const std::size_t n = std::min<std::size_t>(room.size(), 7);
      for (std::size_t i = 0; i < n; ++i) room[i] = next = std::byte(static_cast<unsigned char>(next) + 1);
      staging.filled(n);
    }
    return staging.take();
  };
  Bytes held;
  {
    ASSERT_TRUE(budget->take(80));
    Staging first(budget, 80, true, folder.path);
    EXPECT_FALSE(first.in_file());
    EXPECT_FALSE(budget->take(80));
    Staging second(budget, 80, false, folder.path);
    EXPECT_TRUE(second.in_file());
    held = fill(first);
    EXPECT_EQ(held.text(), fill(second).text());
    EXPECT_EQ(held.size(), 80u);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path)) << "a staging's file goes with it";
  EXPECT_FALSE(budget->take(80)) << "the bytes are still held";
  held = Bytes();
  EXPECT_TRUE(budget->take(100));
  {
    Staging kept(budget, 10, false, folder.path);
    fill(kept);
    kept.keep_as(folder.path / "kept");
  }
  EXPECT_EQ(map_file(folder.path / "kept").size(), 10u);
}

// FL-2.10
TEST(Staging, GoesOnBehindWhatItHasWhenAFullDiskHasTakenAPart) {
  Folder folder;
  const auto budget = std::make_shared<StagingBudget>(0);
  constexpr std::size_t kSize = 300'000;
  Staging staging(budget, kSize, false, folder.path);
  const auto fill = [&](std::byte with, std::size_t count) {
    const auto room = staging.room();
    ASSERT_GE(room.size(), count);
    std::fill_n(room.begin(), count, with);
    staging.filled(count);
  };
  fill(std::byte{1}, 50'000);
  // A limit on files is a disk that is full in the middle of a write.
  ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 70'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(fill(std::byte{2}, 50'000), Error);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(staging.received(), 50'000U);
  fill(std::byte{3}, 250'000);
  const Bytes all = staging.take();
  ASSERT_EQ(all.size(), kSize);
  EXPECT_EQ(std::ranges::count(all.span(), std::byte{1}), 50'000);
  EXPECT_EQ(std::ranges::count(all.span(), std::byte{3}), 250'000);
}

}  // namespace
}  // namespace sedna::federated
