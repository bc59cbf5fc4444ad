#include "sedna/journal/journal.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/journal/crash_file_system.hpp"

namespace sedna::journal {
namespace {

JournalOptions in_memory(CrashFileSystem& fs) {
  JournalOptions o;
  o.path = "/j";
  o.files = &fs;
  return o;
}

std::vector<std::string> data_of(Journal& journal) {
  std::vector<std::string> out;
  for (auto& entry : journal.read(0, 1000)) out.push_back(entry.data);
  return out;
}

TEST(Journal, KeepsOrderAndForgetsWhatIsAcknowledged) {
  CrashFileSystem fs;
  Journal journal(in_memory(fs));
  EXPECT_EQ(journal.append("k", "one"), 1U);
  EXPECT_EQ(journal.append("", "two"), 2U);
  journal.append("k", "three");
  journal.acknowledge(2);
  EXPECT_EQ(data_of(journal), (std::vector<std::string>{"one", "three"}));
  ASSERT_EQ(journal.read(1, 10).size(), 1U);
  EXPECT_EQ(journal.read(1, 10)[0].sequence, 3U);
  EXPECT_EQ(journal.read(0, 1).size(), 1U);
}

TEST(Journal, IsThereAfterARestart) {
  CrashFileSystem fs;
  std::string id;
  {
    Journal journal(in_memory(fs));
    id = journal.id();
    journal.append("", "one");
    journal.append("", "two");
    journal.acknowledge(1);
  }
  Journal journal(in_memory(fs));
  EXPECT_EQ(journal.id(), id);
  EXPECT_EQ(data_of(journal), (std::vector<std::string>{"two"}));
  EXPECT_EQ(journal.append("", "three"), 3U) << "sequences are never used twice";
}

TEST(Journal, SequencesGoOnWhenEverythingWasAcknowledgedAndCompacted) {
  CrashFileSystem fs;
  {
    Journal journal(in_memory(fs));
    const std::string big(40'000, 'x');
    for (int i = 0; i < 10; ++i) journal.acknowledge(journal.append("", big));
    EXPECT_LT(journal.file_bytes(), 100'000U) << "acknowledged entries do not fill the disk";
  }
  Journal journal(in_memory(fs));
  EXPECT_EQ(journal.append("", "next"), 11U);
}

// The file is cut at every byte: what comes back is a prefix of what was appended, and new entries find their place.
TEST(Journal, SurvivesTruncationAtEveryByte) {
  CrashFileSystem fs;
  std::vector<std::uint64_t> ends;
  {
    Journal journal(in_memory(fs));
    ends.push_back(journal.file_bytes());
    for (const char* data : {"a", "bb", "", "dddd"}) {
      journal.append("key", data);
      ends.push_back(journal.file_bytes());
    }
  }
  const std::string whole = fs.nodes["/j"]->now;
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    CrashFileSystem copy;
    copy.nodes["/j"] = std::make_shared<CrashFileSystem::Node>();
    copy.nodes["/j"]->now = whole.substr(0, cut);
    Journal journal(in_memory(copy));
    const auto whole_entries = static_cast<std::size_t>(
        std::count_if(ends.begin() + 1, ends.end(), [&](std::uint64_t end) { return end <= cut; }));
    ASSERT_EQ(journal.waiting(), whole_entries) << "cut at " << cut;
    journal.append("", "after");
    Journal again(in_memory(copy));
    ASSERT_EQ(data_of(again).back(), "after") << "cut at " << cut;
    ASSERT_EQ(again.waiting(), whole_entries + 1);
  }
}

TEST(Journal, AFlippedBitLosesNothingBeforeIt) {
  CrashFileSystem fs;
  {
    Journal journal(in_memory(fs));
    for (int i = 0; i < 3; ++i) journal.append("", "entry");
  }
  const std::string whole = fs.nodes["/j"]->now;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CrashFileSystem copy;
    copy.nodes["/j"] = std::make_shared<CrashFileSystem::Node>();
    copy.nodes["/j"]->now = whole;
    copy.nodes["/j"]->now[at] = static_cast<char>(copy.nodes["/j"]->now[at] ^ 0x40);
    Journal journal(in_memory(copy));
    for (const auto& data : data_of(journal)) EXPECT_EQ(data, "entry");
    journal.append("", "after");
    EXPECT_EQ(data_of(journal).back(), "after");
  }
}

// The machine goes off at every step, with and without luck: what append() promised is there, nothing else is, but for
// the one entry that was under way.
TEST(Journal, KeepsItsPromiseWhereverTheMachineGoesOff) {
  for (const bool lucky : {false, true}) {
    for (const bool torn : {false, true}) {
      for (std::uint64_t off = 1; off < 60; ++off) {
        CrashFileSystem fs;
        fs.fail_at = off;
        fs.torn_writes = torn;
        std::vector<std::uint64_t> promised, acknowledged;
        try {
          JournalOptions options = in_memory(fs);
          options.max_bytes = 400;
          Journal journal(options);
          for (int i = 0; i < 12; ++i) {
            promised.push_back(journal.append("k" + std::to_string(i % 3), std::string(60, 'x')));
            if (i % 4 == 3) {
              acknowledged.push_back(promised.front());
              journal.acknowledge(promised.front());
              promised.erase(promised.begin());
            }
          }
        } catch (const Error&) {
        }
        fs.crash(lucky);
        Journal journal(in_memory(fs));
        const auto left = journal.read(0, 1000);
        // At the limit older entries of a key are dropped: the newest of each key is what was promised.
        for (std::size_t i = promised.size() >= 3 ? promised.size() - 3 : 0; i < promised.size(); ++i) {
          EXPECT_TRUE(std::any_of(left.begin(), left.end(), [&](const Entry& e) { return e.sequence == promised[i]; }))
              << "promised " << promised[i] << ", off at step " << off << (lucky ? " lucky" : "");
        }
        for (const auto& entry : left) {
          EXPECT_EQ(entry.data, std::string(60, 'x'));
        }
        const auto next = journal.append("", "next");
        for (const auto sequence : promised) EXPECT_GT(next, sequence);
        for (const auto sequence : acknowledged) EXPECT_GT(next, sequence);
      }
    }
  }
}

TEST(Journal, ADiskThatIsFullForAMomentRefusesOneAppendAndNothingIsHalfThere) {
  for (const bool torn : {false, true}) {
    for (std::uint64_t step = 5; step < 9; ++step) {
      CrashFileSystem fs;
      Journal journal(in_memory(fs));
      journal.append("", "one");
      fs.steps = 4;
      fs.fail_once = step;
      fs.torn_writes = torn;
      fs.failure = ErrorCode::kResourceExhausted;
      std::vector<std::string> expected{"one"};
      for (const char* data : {"two", "three", "four"}) {
        try {
          journal.append("", data);
          expected.emplace_back(data);
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), ErrorCode::kResourceExhausted);
        }
      }
      EXPECT_EQ(expected.size(), 3U) << "exactly one was refused";
      Journal again(in_memory(fs));
      EXPECT_EQ(data_of(again), expected);
    }
  }
}

TEST(Journal, AtTheLimitOlderEntriesOfAKeyGoFirstThenItRefuses) {
  CrashFileSystem fs;
  JournalOptions options = in_memory(fs);
  options.max_bytes = 1000;
  Journal journal(options);
  const std::string data(100, 'x');
  for (int i = 0; i < 50; ++i) journal.append("same", data);
  EXPECT_LE(journal.waiting_bytes(), 1000U);
  EXPECT_EQ(journal.read(0, 1000).back().sequence, 50U);
  int kept = 0;
  try {
    for (int i = 0; i < 50; ++i, ++kept) journal.append("", data);
    FAIL() << "it never refused";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResourceExhausted);
  }
  EXPECT_GE(kept, 5);
  journal.acknowledge(journal.read(0, 1)[0].sequence);
  journal.append("", data);
}

TEST(Journal, IsASmallDurableMapWhenEntriesReplaceEachOther) {
  CrashFileSystem fs;
  {
    Journal journal(in_memory(fs));
    for (int i = 0; i < 3000; ++i)
      journal.replace("a/" + std::to_string(i % 3), std::string(100, 'x') + std::to_string(i));
    journal.replace("b/0", "other");
    EXPECT_EQ(journal.waiting(), 4U);
    EXPECT_LT(journal.file_bytes(), 150'000U);
    journal.remove("a/1");
  }
  Journal journal(in_memory(fs));
  EXPECT_EQ(journal.find("a/2")->data, std::string(100, 'x') + "2999");
  EXPECT_FALSE(journal.find("a/1"));
  EXPECT_EQ(journal.find_all("a/").size(), 2U);
  EXPECT_EQ(journal.find_all("").size(), 3U);
}

TEST(Journal, ADamagedFileIsKeptAside) {
  CrashFileSystem fs;
  fs.nodes["/j"] = std::make_shared<CrashFileSystem::Node>();
  fs.nodes["/j"]->now = std::string(500, 'z');
  Journal journal(in_memory(fs));
  EXPECT_EQ(journal.waiting(), 0U);
  EXPECT_TRUE(fs.exists("/j.damaged"));
  journal.append("", "works");
}

TEST(Journal, WorksOnARealDisk) {
  const auto folder = std::filesystem::temp_directory_path() / ("sedna-journal-" + random_hex(6));
  FileSystem::posix().make_folder(folder.string());
  JournalOptions options;
  options.path = (folder / "facts").string();
  {
    Journal journal(options);
    journal.append("k", "one");
    journal.append("k", "two");
    journal.acknowledge(1);
  }
  {
    Journal journal(options);
    EXPECT_EQ(data_of(journal), (std::vector<std::string>{"two"}));
  }
  const auto mode = std::filesystem::status(options.path).permissions();
  EXPECT_EQ(mode & std::filesystem::perms::mask, std::filesystem::perms(0600));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sedna::journal
