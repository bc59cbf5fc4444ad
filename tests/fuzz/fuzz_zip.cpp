// Unpacks whatever bytes as an archive: no crash, and nothing outside the folder or left behind after a refusal.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "sedna/storage/archive.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  static const fs::path base = fs::temp_directory_path() / ("fuzz_zip-" + std::to_string(::getpid()));
  fs::create_directories(base);
  const fs::path file = base / "in.zip";
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  sedna::storage::ArchiveLimits limits;
  limits.members = 100;
  limits.total_size = std::uint64_t{1} << 20;
  bool unpacked = false;
  try {
    sedna::storage::extract_archive(file, base / "a/out", limits);
    unpacked = true;
  } catch (const sedna::Error&) {
    // A refusal is a right answer; what it may leave is looked at below.
  }
  std::size_t left = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(base)) ++left;
  if (left > 2) std::abort();
  if (!unpacked && fs::exists(base / "a") && !fs::is_empty(base / "a")) std::abort();
  fs::remove_all(base);
  return 0;
}
