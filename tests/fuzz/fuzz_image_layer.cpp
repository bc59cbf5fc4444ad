// Two layers of whatever bytes, one over the other: no crash, and nothing is written outside of the root.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "sedna/base/error.hpp"
#include "sedna/node/rootfs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  static const fs::path base = fs::temp_directory_path() / ("fuzz_layer-" + std::to_string(::getpid()));
  const fs::path root = base / "a/b/rootfs";
  fs::create_directories(root);
  const fs::path tar = base / "layer.tar";
  sedna::node::RootfsLimits limits;
  limits.members = 100;
  limits.total_size = std::uint64_t{1} << 20;
  sedna::node::RootfsBuilder builder(root, limits);
  const std::size_t middle = size / 1024 * 512;  // tar's blocks
  for (const auto& [begin, end] : {std::pair(std::size_t{0}, middle), std::pair(middle, size)}) {
    std::ofstream(tar, std::ios::binary)
        .write(reinterpret_cast<const char*>(data + begin), static_cast<std::streamsize>(end - begin));
    try {
      builder.apply(tar);
    } catch (const sedna::Error&) {
      // A refusal is a right answer.
    }
  }
  const auto alone = [](const fs::path& folder, std::size_t most) {
    std::size_t found = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder)) ++found;
    if (found > most) std::abort();
  };
  alone(base, 2);
  alone(base / "a", 1);
  alone(base / "a/b", 1);
  fs::remove_all(base);
  return 0;
}
