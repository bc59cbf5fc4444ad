// The image-to-command file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/node/images.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto images = sedna::node::ImageMap::parse(text, "/base");
  if (!images) return 0;
  const auto* entry = images->find("a");
  if (entry != nullptr && entry->command.empty() && entry->args.empty()) std::abort();
  return 0;
}
