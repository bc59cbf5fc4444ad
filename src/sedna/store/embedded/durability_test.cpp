// What is left after crashes, full disks and damage: every acknowledged write, and nothing else.
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/store/embedded/embedded_server.hpp"
#include "sedna/store/embedded/engine.hpp"

namespace sedna::store::embedded {
namespace {

namespace fs = std::filesystem;
using api::kinds::kConfigMap;
using ::testing::HasSubstr;

Object config_map(const std::string& name, std::string_view value = "1") {
  Object object = api::new_object(kConfigMap, "default", name);
  object["data"] = json::object{{"key", value}};
  return object;
}

class Durability : public ::testing::Test {
 protected:
  Durability() : folder(fs::temp_directory_path() / ("sedna-durability-" + random_hex(6))) {
    fs::create_directories(folder);
  }
  ~Durability() override { fs::remove_all(folder); }

  std::string path() const { return (folder / "objects.db").string(); }
  std::unique_ptr<EmbeddedServer> open() const { return std::make_unique<EmbeddedServer>(EmbeddedOptions(path())); }
  /// What refusing the file says.
  std::string refusal() const {
    try {
      open();
    } catch (const Error& error) {
      return error.what();
    }
    return "opened";
  }
  std::string bytes() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void sql(const char* text) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, text, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }

  fs::path folder;
};

TEST_F(Durability, ObjectsAndVersionsComeBack) {
  std::string version;
  {
    const auto server = open();
    ASSERT_TRUE(server->create(kConfigMap, config_map("a"), {}));
    ASSERT_TRUE(server->create(kConfigMap, config_map("b"), {}));
    ASSERT_TRUE(server->remove(kConfigMap, "default", "b", {}));
    version = server->list(kConfigMap, {}).value().resource_version;
  }
  const auto server = open();
  const ListResult list = server->list(kConfigMap, {}).value();
  EXPECT_EQ(list.items.size(), 1U);
  EXPECT_EQ(list.resource_version, version) << "versions never go back, also after a removal";
  // Nothing of this kind has happened since: a watch goes on without a new list.
  WatchOptions options;
  options.resource_version = version;
  const auto watch = server->watch(kConfigMap, options).value();
  ASSERT_TRUE(server->create(kConfigMap, config_map("c"), {}));
  EXPECT_EQ(api::name_of(watch->next(Deadline::after(std::chrono::seconds(20)))->object), "c");
  options.resource_version = "1";
  EXPECT_TRUE(server->watch(kConfigMap, options).status().is_expired());
}

/// A child writes as fast as it can and tells what was acknowledged; it is killed at a random moment, again and again.
TEST_F(Durability, NothingAcknowledgedIsLostToKill) {
  std::size_t acknowledged = 0;
  for (int round = 0; round < 12; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto server = open();
      for (int i = 0;; ++i) {
        const std::string name = "r" + std::to_string(round) + "-" + std::to_string(i);
        if (!server->create(kConfigMap, config_map(name, std::string(300, 'x')), {})) _exit(1);
        if (i % 3 == 2 && !server->remove(kConfigMap, "default", name, {})) _exit(1);
        if (write(pipe_ends[1], &i, sizeof i) != sizeof i) _exit(1);
      }
    }
    ::close(pipe_ends[1]);
    // It has begun; then some more microseconds.
    int last = -1;
    ASSERT_EQ(read(pipe_ends[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
    usleep(static_cast<useconds_t>(thread_random()() % 30000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child failed by itself";
    for (int more = 0; read(pipe_ends[0], &more, sizeof more) == sizeof more;) last = more;
    ::close(pipe_ends[0]);

    const auto server = open();
    for (int i = 0; i <= last; ++i) {
      const std::string name = "r" + std::to_string(round) + "-" + std::to_string(i);
      EXPECT_EQ(server->get(kConfigMap, "default", name).ok(), i % 3 != 2) << name;
    }
    acknowledged += static_cast<std::size_t>(last) + 1;
  }
  RecordProperty("acknowledged", static_cast<int>(acknowledged));
}

TEST_F(Durability, WhatIsHeldBackIsWrittenTogetherAndNeverForgotten) {
  EngineOptions options;
  options.core.path = path();
  auto engine = std::make_unique<Engine>(options);
  std::atomic<int> done = 0;
  const auto create = [&](int i) {
    engine->create(kConfigMap, "default", config_map("c" + std::to_string(i)), {},
                   [&done](const Outcome<StoredPtr>& o) {
                     EXPECT_TRUE(o.ok());
                     ++done;
                     done.notify_all();
                   });
  };
  {
    const HeldWakes held;
    const HeldWakes within;
    for (int i = 0; i < 600; ++i) create(i);  // more than one transaction takes
  }
  engine->core().wake_writer();
  for (int seen = done; seen < 600; seen = done) done.wait(seen);
  {
    const HeldWakes held;
    create(600);
  }
  engine->core().close();  // nobody said the word: what waits is written all the same
  EXPECT_EQ(done, 601);
  engine.reset();
  EXPECT_EQ(open()->engine().core().size(kConfigMap), 601U);
}

TEST_F(Durability, AFullDiskIsSaidAndOvercome) {
  const auto server = open();
  ASSERT_TRUE(server->create(kConfigMap, config_map("before"), {}));
  // The log file can grow no further: what a full disk looks like to SQLite.
  signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{fs::file_size(path() + "-wal") + 4096, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message;
  for (int i = 0; i < 64 && message.empty(); ++i) {
    const auto outcome = server->create(kConfigMap, config_map("big" + std::to_string(i), std::string(4000, 'x')), {});
    if (!outcome) message = outcome.status().message;
  }
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_THAT(message, HasSubstr("the object could not be stored"));
  EXPECT_FALSE(server->engine().core().trouble().empty());
  // With room again it goes on by itself, and a failed write has left nothing.
  const std::size_t before = server->list(kConfigMap, {}).value().items.size();
  ASSERT_TRUE(server->create(kConfigMap, config_map("after"), {}));
  EXPECT_TRUE(server->engine().core().trouble().empty());
  EXPECT_EQ(server->list(kConfigMap, {}).value().items.size(), before + 1);
}

TEST_F(Durability, ADamagedDatabaseIsRefusedAndLeftAlone) {
  {
    const auto server = open();
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(server->create(kConfigMap, config_map("c" + std::to_string(i), std::string(500, 'x')), {}));
    }
  }
  const std::string whole = bytes();
  // The tree's own pages, and the text of a row.
  for (const std::size_t at : {std::size_t{4096} * 3, whole.rfind("xxxxxxxx") - 80}) {
    std::string broken = whole;
    for (std::size_t i = at; i < at + 64; ++i) broken[i] = static_cast<char>(broken[i] ^ 0x5a);
    std::ofstream(path(), std::ios::binary) << broken;
    const std::string said = refusal();
    EXPECT_THAT(said, HasSubstr("damaged")) << at;
    EXPECT_THAT(said, HasSubstr("sedna restore"));
    EXPECT_EQ(bytes(), broken) << "the evidence stays";
  }
  std::ofstream(path(), std::ios::binary) << whole.substr(0, whole.size() / 2);
  EXPECT_THAT(refusal(), HasSubstr("damaged"));
  std::ofstream(path(), std::ios::binary) << "this is no database, it is a letter to a friend, and it is long enough";
  EXPECT_THAT(refusal(), HasSubstr("sedna restore"));
  std::ofstream(path(), std::ios::binary) << whole;
  EXPECT_EQ(refusal(), "opened");
}

TEST_F(Durability, AChangedRowIsNoticedByItsChecksum) {
  {
    const auto server = open();
    ASSERT_TRUE(server->create(kConfigMap, config_map("c", "honest"), {}));
  }
  sql("UPDATE objects SET data = replace(data, 'honest', 'forged')");
  EXPECT_THAT(refusal(), HasSubstr("checksum"));
}

TEST_F(Durability, NewerAndForeignFilesAreRefused) {
  open().reset();
  sql("PRAGMA user_version = 99");
  EXPECT_THAT(refusal(), HasSubstr("newer version"));
  fs::remove(path());
  sql("CREATE TABLE notes(text)");
  EXPECT_THAT(refusal(), HasSubstr("not one of Sedna's"));
}

TEST_F(Durability, OneServerAtATime) {
  const auto server = open();
  EXPECT_THAT(refusal(), HasSubstr("in use by another server"));
}

TEST_F(Durability, ABackupMadeWhileWritingIsWholeAndCanTakeTheOriginalsPlace) {
  const std::string copy = (folder / "copy.db").string();
  {
    const auto server = open();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(server->create(kConfigMap, config_map("c" + std::to_string(i)), {}));
    server->backup(copy);
    ASSERT_TRUE(server->create(kConfigMap, config_map("late"), {}));
  }
  EmbeddedServer restored{EmbeddedOptions(copy)};
  EXPECT_EQ(restored.list(kConfigMap, {}).value().items.size(), 20U);
}

}  // namespace
}  // namespace sedna::store::embedded
