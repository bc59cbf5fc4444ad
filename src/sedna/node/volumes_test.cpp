#include "sedna/node/volumes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/ids.hpp"
#include "sedna/node/cgroups.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/log_reader.hpp"
#include "sedna/node/run_program.hpp"

namespace sedna::node {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

api::Object object(std::string_view text) {
  return json::parse(text).value().as_object();
}

class VolumesTest : public ::testing::Test {
 protected:
  VolumesTest()
      : root(fs::temp_directory_path() / ("sedna-node-" + random_hex(6))),
        node(root / "state", "n"),
        pod(node.pod("u")),
        context(node, pod) {
    fs::create_directories(pod.root);
    fs::create_directories(root / "data");
    context.lookup = [this](Source, const std::string& name) -> Result<std::optional<Data>> {
      if (name != "cm") return std::optional<Data>();
      return std::optional<Data>(data);
    };
  }
  ~VolumesTest() override { fs::remove_all(root); }

  Result<Volumes> volumes(std::string_view list) {
    auto p = object(R"({"metadata":{"name":"p","namespace":"default","uid":"u"},"spec":{}})");
    p["spec"].as_object()["volumes"] = json::parse(list).value();
    return prepare_volumes(p, context);
  }
  std::string host(const std::string& path, const std::string& type) {
    const auto v = volumes(R"([{"name":"v","hostPath":{"path":")" + path + R"(","type":")" + type + "\"}}]");
    return v ? "" : v.error().message();
  }

  Path root;
  NodePaths node;
  PodPaths pod;
  VolumeContext context;
  Data data{{"a", "1"}, {"b", "2"}};
};

TEST_F(VolumesTest, HostPathsAreCheckedByType) {
  const std::string dir = (root / "data").string();
  EXPECT_EQ(host(dir, "Directory"), "");
  EXPECT_THAT(host(dir + "/no", "Directory"), HasSubstr("is not a directory (it does not exist on this machine)"));
  EXPECT_EQ(host(dir + "/made", "DirectoryOrCreate"), "");
  EXPECT_TRUE(fs::is_directory(dir + "/made"));
  EXPECT_EQ(host(dir + "/file", "FileOrCreate"), "");
  EXPECT_EQ(host(dir + "/file", "File"), "");
  EXPECT_THAT(host(dir, "File"), HasSubstr("is not a file"));
  EXPECT_THAT(host(dir, "Socket"), HasSubstr("is not a socket"));
  EXPECT_EQ(host("/dev/null", "CharDevice"), "");
  EXPECT_THAT(host("/dev/null", "BlockDevice"), HasSubstr("is not a block device"));
  EXPECT_THAT(host("relative", ""), HasSubstr("not an absolute path"));
  EXPECT_THAT(host(dir + "/../x", ""), HasSubstr(".."));
  EXPECT_THAT(host((root / "state" / "tokens").string(), ""), HasSubstr("state folder"));
  EXPECT_THAT(volumes(R"([{"name":"v","persistentVolumeClaim":{"claimName":"c"}}])").error().message(),
              HasSubstr("persistentVolumeClaim volumes are not available"));
}

TEST_F(VolumesTest, VarLibSednaBelongsToTheNode) {
  EXPECT_EQ(*map_host_path("/var/lib/sedna/x/y", node), node.var_lib_sedna() / "x/y");
  EXPECT_EQ(*map_host_path("/var/lib/sednax", node), Path("/var/lib/sednax"));
}

TEST_F(VolumesTest, DataChangesAllAtOnceAndOldFilesGo) {
  const char* list = R"([{"name":"v","configMap":{"name":"cm"}}])";
  auto v = volumes(list);
  ASSERT_TRUE(v) << v.error().what();
  const Path folder = v->at("v").source;
  EXPECT_EQ(read_file(folder / "a"), "1");
  data = {{"a", "one"}, {"c", "3"}};
  ASSERT_TRUE(volumes(list));
  EXPECT_EQ(read_file(folder / "a"), "one");
  EXPECT_EQ(read_file(folder / "c"), "3");
  EXPECT_FALSE(fs::exists(folder / "b"));
  EXPECT_THAT(volumes(R"([{"name":"v","configMap":{"name":"none"}}])").error().message(),
              HasSubstr("configmap \"none\" not found"));
  ASSERT_TRUE(volumes(R"([{"name":"w","configMap":{"name":"cm","items":[{"key":"a","path":"sub/x"}]}}])"));
  EXPECT_EQ(read_file(pod.volume("w") / "sub/x"), "one");
  EXPECT_FALSE(volumes(R"([{"name":"z","configMap":{"name":"cm","items":[{"key":"a","path":"../x"}]}}])"));
}

TEST_F(VolumesTest, SubPathsStayInside) {
  auto v = volumes(R"([{"name":"v","emptyDir":{}}])");
  ASSERT_TRUE(v);
  fs::create_directory_symlink("/etc", v->at("v").source / "link");
  const auto mount = [&](const std::string& sub) {
    const auto c =
        object(R"({"volumeMounts":[{"name":"v","mountPath":"/m/","readOnly":true,"subPath":")" + sub + "\"}]}");
    return container_mounts(c, *v, {});
  };
  ASSERT_TRUE(mount("in/side"));
  EXPECT_EQ(mount("in/side")->at(0).source, fs::canonical(v->at("v").source) / "in/side");
  EXPECT_EQ(mount("in/side")->at(0).target, Path("/m"));
  EXPECT_TRUE(mount("in/side")->at(0).read_only);
  EXPECT_FALSE(mount("../../x"));
  EXPECT_FALSE(mount("/etc"));
  EXPECT_FALSE(mount("link"));
  EXPECT_FALSE(container_mounts(object(R"({"volumeMounts":[{"name":"none","mountPath":"/m"}]})"), *v, {}));
}

TEST_F(VolumesTest, TheSandboxOpensFoldersForTargetsThatAreNotThere) {
  SandboxSpec spec;
  spec.argv = {"true"};
  spec.mounts.emplace_back(root / "data", "/home/data/x", true);
  spec.mounts.emplace_back(root / "data", "/usr/share/sedna-none/x", false);
  const auto argv = sandbox_command("bwrap", spec);
  const auto has = [&](const std::vector<std::string>& words) {
    return std::search(argv.begin(), argv.end(), words.begin(), words.end()) != argv.end();
  };
  EXPECT_TRUE(has({"--dir", "/home"}));
  EXPECT_TRUE(has({"--dir", "/usr/share"}));
  EXPECT_TRUE(has({"--ro-bind", "/usr/lib", "/usr/lib"}));
  EXPECT_TRUE(has({"--ro-bind", (root / "data").string(), "/home/data/x"}));
  EXPECT_TRUE(has({"--bind", (root / "data").string(), "/usr/share/sedna-none/x"}));
  EXPECT_FALSE(has({"--ro-bind", "/proc", "/proc"}));
}

// What the image-to-command file names is in sight even in a clone under /tmp, and the state folder beside it is not.
TEST_F(VolumesTest, CodeThatIsKeptUnderTmpIsInSight) {
  EXPECT_EQ(private_entry_of("/tmp/clone/../clone/examples"), Path("/tmp/clone"));
  EXPECT_EQ(private_entry_of("/var/tmp/x"), Path("/var/tmp/x"));
  for (const char* const elsewhere : {"/tmp", "/tmp/", "/tmpfs/x", "/var", "/home/tmp/x", ""}) {
    EXPECT_EQ(private_entry_of(elsewhere), std::nullopt) << elsewhere;
  }
  SandboxSpec spec;
  spec.argv = {"true"};
  spec.scratch_tmp = root / "scratch";
  spec.shown = {"/tmp/clone"};
  spec.hidden = {root / "data"};
  const auto place = [&](const std::vector<std::string>& words) {
    const auto argv = sandbox_command("bwrap", spec);
    return std::ranges::search(argv, words).begin() - argv.begin();
  };
  const auto end = static_cast<std::ptrdiff_t>(sandbox_command("bwrap", spec).size());
  const auto scratch = place({"--bind", (root / "scratch").string(), "/tmp"});
  EXPECT_LT(scratch, place({"--ro-bind", "/tmp/clone", "/tmp/clone"}));
  EXPECT_LT(place({"--ro-bind", "/tmp/clone", "/tmp/clone"}), end);
  // The state folder: hidden where it would be seen, and nothing to hide behind the container's own /tmp.
  const auto entry = private_entry_of(root);
  if (!entry) GTEST_SKIP() << "TMPDIR is elsewhere";
  EXPECT_EQ(place({"--tmpfs", (root / "data").string()}), end);
  spec.shown.push_back(*entry);
  EXPECT_NE(place({"--tmpfs", (root / "data").string()}),
            static_cast<std::ptrdiff_t>(sandbox_command("bwrap", spec).size()));
  EXPECT_LT(place({"--ro-bind", entry->string(), entry->string()}), place({"--tmpfs", (root / "data").string()}));
}

TEST_F(VolumesTest, LogsByTailTimeAndAcrossRotation) {
  const Path log = root / "log";
  write_file(log.string() + ".1", "2026-01-01T00:00:00.1Z stdout F one\n2026-01-01T00:00:01.1Z stderr F two\n");
  write_file(log, "2026-01-01T00:00:02.1Z stdout P thr\n2026-01-01T00:00:02.2Z stdout F ee\n");
  const auto read = [&](LogOptions options) {
    LogReader reader(log, options);
    std::string out;
    for (std::string piece; !(piece = reader.next(7)).empty();) out += piece;
    return out;
  };
  EXPECT_EQ(read({}), "one\ntwo\nthree\n");
  LogOptions tail;
  tail.tail_lines = 3;
  EXPECT_EQ(read(tail), "two\nthree\n");
  LogOptions since;
  since.since = "2026-01-01T00:00:02Z";
  since.timestamps = true;
  EXPECT_THAT(read(since), HasSubstr("2026-01-01T00:00:02.2Z ee\n"));
  LogOptions limit;
  limit.limit_bytes = 5;
  EXPECT_EQ(read(limit), "one\nt");
  LogReader follow(log, {});
  EXPECT_EQ(follow.next(1 << 20), "one\ntwo\nthree\n");
  EXPECT_EQ(follow.next(1 << 20), "");
  fs::rename(log, log.string() + ".1");
  write_file(log, "2026-01-01T00:00:03.1Z stdout F four\n");
  EXPECT_EQ(follow.next(1 << 20), "four\n");
}

TEST_F(VolumesTest, WithoutControlGroupsNothingIsInForce) {
  CgroupLimits limits;
  limits.memory = 1 << 20;
  limits.cpu_millis = 500;
  const Cgroups nothing("n", root / "none");
  const auto none = nothing.make("run", limits);
  EXPECT_FALSE(none.memory || none.cpu);
  EXPECT_TRUE(none.join.empty());
  EXPECT_FALSE(nothing.out_of_memory("run"));
  nothing.remove("run");
}

TEST(RunProgram, EndsLateOnesAndTakesTheOutput) {
  auto done =
      run_program({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.output, "out\nerr\n");
  done = run_program({"/bin/sh", "-c", "sleep 100 & sleep 100"}, Deadline::after(std::chrono::milliseconds(100)));
  EXPECT_TRUE(done.timed_out);
  EXPECT_EQ(run_program({"/nonexistent"}, Deadline::after(std::chrono::seconds(5))).exit_code, 127);
}

}  // namespace
}  // namespace sedna::node
