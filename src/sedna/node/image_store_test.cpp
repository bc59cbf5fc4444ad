#include "sedna/node/image_store.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sedna/base/ids.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/image_manifest.hpp"
#include "sedna/node/sandbox.hpp"

namespace sedna::node {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A ustar archive in memory.
class Tar {
 public:
  Tar& file(const std::string& name, const std::string& content, unsigned mode = 0644) {
    return member('0', name, content, "", mode);
  }
  Tar& folder(const std::string& name, unsigned mode = 0755) { return member('5', name, "", "", mode); }
  Tar& link(const std::string& name, const std::string& target) { return member('2', name, "", target, 0777); }
  Tar& hard_link(const std::string& name, const std::string& target) { return member('1', name, "", target, 0644); }
  Tar& device(const std::string& name) { return member('3', name, "", "", 0600); }
  std::string bytes() const { return out_ + std::string(1024, '\0'); }

 private:
  Tar& member(char type, const std::string& name, const std::string& content, const std::string& target,
              unsigned mode) {
    std::string head(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { head.replace(at, text.size(), text); };
    const auto octal = [](std::size_t width, std::size_t value) {
      char text[32];
      std::snprintf(text, sizeof text, "%0*zo", static_cast<int>(width), value);
      return std::string(text);
    };
    put(0, name);
    put(100, octal(7, mode));
    put(108, octal(7, 0));
    put(116, octal(7, 0));
    put(124, octal(11, content.size()));
    put(136, octal(11, 0));
    put(148, std::string(8, ' '));
    head[156] = type;
    put(157, target);
    put(257, std::string("ustar\0", 6) + "00");
    std::size_t sum = 0;
    for (const char c : head) sum += static_cast<unsigned char>(c);
    put(148, octal(6, sum) + std::string("\0 ", 2));
    out_ += head + content + std::string((512 - content.size() % 512) % 512, '\0');
    return *this;
  }

  std::string out_;
};

class ImageStoreTest : public ::testing::Test {
 protected:
  ImageStoreTest() : root(fs::temp_directory_path() / ("sedna-images-" + random_hex(6))), state(root / "state") {
    fs::create_directories(state);
  }
  ~ImageStoreTest() override { remove_folder(root); }

  std::string config(const std::vector<std::string>& layers, const std::string& fields = "{}",
                     const std::string& architecture = machine_architecture()) {
    std::string ids;
    for (const auto& layer : layers)
      ids += std::string(ids.empty() ? "" : ",") + "\"sha256:" + sha256_hex(layer) + "\"";
    return R"({"architecture":")" + architecture + R"(","os":"linux","config":)" + fields +
           R"(,"rootfs":{"type":"layers","diff_ids":[)" + ids + "]}}";
  }

  /// As `docker save` wrote until version 24.
  Path docker(const std::vector<std::string>& layers, const std::string& config_text,
              const std::string& tags = R"(["app:1"])") {
    Tar tar;
    const std::string name = sha256_hex(config_text) + ".json";
    tar.file(name, config_text);
    std::string list;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto file = "layer" + std::to_string(i) + "/layer.tar";
      tar.file(file, layers[i]);
      list += std::string(i == 0 ? "" : ",") + "\"" + file + "\"";
    }
    tar.file("manifest.json", R"([{"Config":")" + name + R"(","RepoTags":)" + tags + R"(,"Layers":[)" + list + "]}]");
    return write(tar.bytes());
  }

  Path oci(const std::string& layer, const std::string& config_text, const std::string& index_fields,
           const std::string& stored_layer) {
    const auto blob = [](const std::string& text) {
      return R"({"mediaType":"x","digest":"sha256:)" + sha256_hex(text) + R"(","size":)" + std::to_string(text.size());
    };
    const std::string manifest =
        R"({"schemaVersion":2,"config":)" + blob(config_text) + R"(},"layers":[)" + blob(layer) + "}]}";
    Tar tar;
    tar.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    tar.file("index.json", R"({"schemaVersion":2,"manifests":[)" + blob(manifest) + index_fields + "}]}");
    for (const auto& [digest, text] :
         {std::pair(sha256_hex(manifest), manifest), std::pair(sha256_hex(config_text), config_text),
          std::pair(sha256_hex(layer), stored_layer)})
      tar.file("blobs/sha256/" + digest, text);
    return write(tar.bytes());
  }

  Path write(const std::string& bytes) {
    const Path path = root / ("a" + std::to_string(++archives) + ".tar");
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  std::string why(const Path& archive, const std::string& name = "") {
    try {
      store().load(archive, name);
    } catch (const Error& error) {
      // A refusal leaves nothing.
      for (const auto& entry : fs::directory_iterator(state / "images")) {
        if (entry.is_directory()) ADD_FAILURE() << entry.path();
      }
      return error.what();
    }
    return "accepted";
  }
  std::string why_layer(const Tar& layer) {
    const auto bytes = layer.bytes();
    return why(docker({bytes}, config({bytes})));
  }

  ImageStore store() const { return ImageStore(state); }

  Path root, state;
  int archives = 0;
};

// HOME-3.1
TEST_F(ImageStoreTest, ADockerArchiveBecomesWhatAPodRuns) {
  const auto base =
      Tar().folder("etc/").file("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1001:1002::/:/bin/sh\n").bytes();
  const auto top = Tar().file("app/run", "#!/bin/sh\n", 04755).bytes();
  const auto loaded = store().load(
      docker(
          {base, top},
          config({base, top},
                 R"({"Entrypoint":["/app/run"],"Cmd":["-v"],"Env":["A=b=c","E"],"WorkingDir":"/app","User":"app"})")),
      "other");
  ASSERT_EQ(loaded.size(), 1U);
  const auto image = store().find("app:1");
  ASSERT_TRUE(image);
  EXPECT_THAT(image->names, ::testing::UnorderedElementsAre("app:1", "other:latest"));
  EXPECT_THAT(image->entry.command, ElementsAre("/app/run"));
  EXPECT_THAT(image->entry.args, ElementsAre("-v"));
  EXPECT_EQ(image->entry.env.at("A"), "b=c");
  EXPECT_EQ(image->entry.env.at("E"), "");
  EXPECT_EQ(image->entry.cwd, "/app");
  EXPECT_EQ(image->entry.uid, 1001U);
  EXPECT_EQ(image->entry.gid, 1002U);
  struct stat info{};
  ASSERT_EQ(stat((Path(image->entry.rootfs) / "app/run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755U);  // without the set-uid bit
  // The names of one image
  EXPECT_TRUE(store().find("docker.io/library/app:1"));
  EXPECT_TRUE(store().find("other"));
  EXPECT_FALSE(store().find("app"));
  EXPECT_FALSE(store().find("app:2"));
  EXPECT_TRUE(store().find("x@sha256:" + image->id));

  ImageMap images;
  images.add("app:1", image->entry);
  auto container = json::parse(R"({"image":"app:1","args":["-q"]})").value().as_object();
  auto invocation = resolve_invocation(container, images);
  ASSERT_TRUE(invocation);
  EXPECT_THAT(invocation->argv, ElementsAre("/app/run", "-q"));
  EXPECT_EQ(invocation->uid, 1001U);
}

// HOME-3.2
TEST_F(ImageStoreTest, LayersLieOverEachOtherAndHideWhatIsBelow) {
  const auto base = Tar().file("d/old", "1").file("d/kept", "1").file("e/a", "1").file("was/file", "1").bytes();
  const auto top = Tar()
                       .file("d/.wh.old", "")
                       .file("e/new", "2")
                       .file("e/.wh..wh..opq", "")
                       .file(".wh..wh.plnk", "")
                       .file("was", "2")
                       .hard_link("same", "d/kept")
                       .bytes();
  store().load(docker({base, top}, config({base, top})), "");
  const Path at = store().find("app:1")->entry.rootfs;
  EXPECT_FALSE(fs::exists(at / "d/old"));
  EXPECT_TRUE(fs::exists(at / "d/kept"));
  EXPECT_FALSE(fs::exists(at / "e/a"));
  EXPECT_EQ(read_file(at / "e/new"), "2");
  EXPECT_EQ(read_file(at / "was"), "2");
  EXPECT_EQ(read_file(at / "same"), "1");
  EXPECT_FALSE(fs::exists(at / ".wh..wh.plnk"));
}

// HOME-3.3
TEST_F(ImageStoreTest, LinksNeverLeadOut) {
  fs::create_directories(root / "outside");
  const auto base = Tar()
                        .link("out", (root / "outside").string())
                        .link("up", "../../../../../../../.." + (root / "outside").string())
                        .link("lib", "usr/lib")
                        .bytes();
  const auto top = Tar().file("out/a", "x").file("up/b", "x").file("lib/c", "x").bytes();
  store().load(docker({base, top}, config({base, top})), "");
  EXPECT_TRUE(fs::is_empty(root / "outside"));
  const Path at = store().find("app:1")->entry.rootfs;
  EXPECT_EQ(read_file(at / "usr/lib/c"), "x");
  EXPECT_EQ(read_file(at / (root / "outside/a").relative_path()), "x");
  // Mounts into such a root are put where its own processes would look for them.
  SandboxSpec spec;
  spec.rootfs = at;
  spec.mounts.emplace_back("/h", "/lib/hosts", true);
  spec.argv = {"/x"};
  EXPECT_THAT(sandbox_command("bwrap", spec), ::testing::Contains("/usr/lib/hosts"));
}

// HOME-3.3
TEST_F(ImageStoreTest, UnsafeLayersAreRefusedByName) {
  EXPECT_THAT(why_layer(Tar().file("../evil", "x")), HasSubstr("'../evil' leads out of its folder"));
  EXPECT_THAT(why_layer(Tar().file("/etc/evil", "x")), HasSubstr("absolute path"));
  EXPECT_THAT(why_layer(Tar().device("disk")), HasSubstr("'disk' is a device"));
  EXPECT_THAT(why_layer(Tar().hard_link("x", "../../etc/passwd")), HasSubstr("no file of the image"));
  EXPECT_THAT(why_layer(Tar().file(".wh...", "")), HasSubstr("hides nothing"));
  EXPECT_THAT(why_layer(Tar().link("a", "b").link("b", "a").file("a/x", "1")), HasSubstr("go in circles"));
  EXPECT_EQ(why_layer(Tar().device("dev/null")), "accepted");  // containers have a /dev of their own
}

// HOME-3.4
TEST_F(ImageStoreTest, DigestsAreHeld) {
  const auto layer = Tar().file("a", "1").bytes();
  EXPECT_THAT(why(docker({layer}, config({"another"}))), HasSubstr("layer 1: is not what its digest says"));
  EXPECT_THAT(why(oci(layer, config({layer}), "", Tar().file("a", "2").bytes())), HasSubstr("is not what its digest"));
  EXPECT_THAT(why(docker({layer, layer}, config({layer}))), HasSubstr("speaks of 1 layers"));
}

// HOME-3.1
TEST_F(ImageStoreTest, AnOciArchiveIsTakenForThisMachine) {
  const auto layer = Tar().file("a", "1").bytes();
  const auto text = config({layer}, R"({"Cmd":["/a"]})");
  EXPECT_THAT(why(oci(layer, text, R"(,"platform":{"os":"linux","architecture":"z80"})", layer)),
              HasSubstr("only for linux/z80"));
  EXPECT_THAT(why(oci(layer, config({layer}, "{}", "z80"), "", layer)), HasSubstr("is for z80, this machine is"));
  EXPECT_THAT(why(oci(layer, text, "", layer)), HasSubstr("--name"));
  const auto tagged = oci(layer, text, R"(,"annotations":{"org.opencontainers.image.ref.name":"v1"})", layer);
  EXPECT_THAT(why(tagged), HasSubstr("only the tag is known (v1)"));
  EXPECT_THAT(why(tagged, "No Name!"), HasSubstr("is no image name"));
  store().load(tagged, "local/a:v1");
  EXPECT_TRUE(store().find("local/a:v1"));
  const auto named = oci(layer, text, R"(,"annotations":{"io.containerd.image.name":"docker.io/library/b:2"})", layer);
  store().load(named, "");
  EXPECT_EQ(store().list().size(), 1U);  // the same content under two names
  EXPECT_THAT(store().list().front().names, ::testing::UnorderedElementsAre("b:2", "local/a:v1"));
}

// HOME-3.4
TEST_F(ImageStoreTest, WhatIsNoImageIsSaidSo) {
  EXPECT_THAT(why(write("nonsense")), HasSubstr("not a whole"));
  EXPECT_THAT(why(write(Tar().file("x", "").bytes())), HasSubstr("neither manifest.json nor index.json"));
  EXPECT_THAT(why(write(Tar().file("bin/sh", "").folder("usr/").bytes())), HasSubstr("`docker save` an image"));
  EXPECT_THAT(why(write(Tar().file("manifest.json", "[]").bytes())), HasSubstr("manifest.json: must be a list"));
  EXPECT_THAT(why(write(Tar().file("manifest.json", R"([{"Config":"../../x"}])").bytes())), HasSubstr("leads out"));
  const auto layer = Tar().file("a", "1").bytes();
  EXPECT_THAT(why(docker({layer}, config({layer}, R"({"User":"nobody"})"))), HasSubstr("user nobody"));
}

// HOME-3.3
TEST_F(ImageStoreTest, SizeIsBounded) {
  const auto layer = Tar().file("a", std::string(5000, 'x')).file("b", std::string(5000, 'x')).bytes();
  RootfsLimits limits;
  limits.total_size = 24'000;
  const auto twice = docker({layer, layer, layer}, config({layer, layer, layer}));
  try {
    ImageStore(state, limits).load(twice, "");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  }
  EXPECT_TRUE(store().list().empty());
}

// HOME-3.5
TEST_F(ImageStoreTest, RemovalAsksWhoUsesIt) {
  const auto layer = Tar().file("a", "1").bytes();
  store().load(docker({layer}, config({layer})), "second:1");
  const auto id = store().list().front().id;
  const PodPaths pod(NodePaths(state, "n").pod("u"));
  fs::create_directories(pod.root);
  write_file(pod.pod(), R"({"metadata":{"name":"p","namespace":"default"},"spec":{"containers":[{"image":"app:1"}]}})");
  store().remove("second:1", false);
  EXPECT_THAT([&] { store().remove("app:1", false); },
              testing::ThrowsMessage<Error>(HasSubstr("is used by Pod default/p")));
  EXPECT_THAT([&] { store().remove("none:1", false); }, testing::ThrowsMessage<Error>(HasSubstr("image list")));
  store().remove(id.substr(0, 8), true);
  EXPECT_TRUE(store().list().empty());
  EXPECT_FALSE(fs::exists(state / "images" / id));
}

// HOME-3.4
TEST_F(ImageStoreTest, WhatAKilledLoadLeftGoesWithTheNext) {
  const auto layer = Tar().file("a", "1").bytes();
  fs::create_directories(state / "images/.load-1/archive");
  // Moved into place, and killed before it had a name: whole, and taken as it is.
  store().load(docker({layer}, config({layer})), "");
  EXPECT_FALSE(fs::exists(state / "images/.load-1"));
  write_file(state / "images/names.json", "{}");
  store().load(docker({layer}, config({layer})), "");
  EXPECT_TRUE(store().find("app:1"));
}

// HOME-3.1
TEST(ImageNames, AreOneSpelling) {
  EXPECT_EQ(canonical_image_name("nginx"), "nginx:latest");
  EXPECT_EQ(canonical_image_name("docker.io/library/nginx:1"), "nginx:1");
  EXPECT_EQ(canonical_image_name("docker.io/me/app"), "me/app:latest");
  EXPECT_EQ(canonical_image_name("localhost:5000/app"), "localhost:5000/app:latest");
  EXPECT_EQ(canonical_image_name("a b"), "");
}

}  // namespace
}  // namespace sedna::node
