// Index files of any bytes, read at once or as they grow: the count is that of the lines.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sedna/dataset/counter.hpp"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

std::string path() {
  static const std::string file = "/tmp/sedna-fuzz-index-" + std::to_string(::getpid());
  return file;
}

void put(const char* mode, const char* data, std::size_t size) {
  std::FILE* file = std::fopen(path().c_str(), mode);
  require(file != nullptr);
  require(std::fwrite(data, 1, size, file) == size);
  std::fclose(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna::dataset;
  if (size == 0) return 0;
  const char* text = reinterpret_cast<const char*>(data);
  const std::size_t first = data[0] % (size + 1);
  put("w", text, first);
  const auto part = count_file(path(), Format::kTxt, {});
  require(part.has_value());
  put("a", text + first, size - first);
  const auto whole = count_file(path(), Format::kTxt, CountState::from_text(part->state.to_text()));
  const auto fresh = count_file(path(), Format::kTxt, {});
  require(whole.has_value() && fresh.has_value());
  const auto lines = static_cast<std::uint64_t>(std::count(text, text + size, '\n')) + (text[size - 1] != '\n' ? 1 : 0);
  require(fresh->samples == lines && whole->samples == lines);
  CountState::from_text(std::string_view(text, size));
  std::remove(path().c_str());
  return 0;
}
