// The documents of an image archive. The first byte says which parser gets the rest.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/node/image_manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna::node;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto digest = [](const std::string& hex) {
    if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string::npos) std::abort();
  };
  switch (data[0]) {
    case 'd':
      if (const auto images = parse_docker_manifest(text)) {
        for (const auto& image : *images) {
          if (image.config.empty()) std::abort();
        }
      }
      break;
    case 'i':
      if (const auto entries = parse_oci_index(text)) {
        for (const auto& entry : *entries) digest(entry.blob.digest);
      }
      break;
    case 'm':
      if (const auto manifest = parse_oci_manifest(text)) {
        digest(manifest->config.digest);
        for (const auto& layer : manifest->layers) digest(layer.digest);
      }
      break;
    case 'c':
      if (const auto config = parse_image_config(text)) {
        for (const auto& id : config->diff_ids) digest(id);
        if (!config->cwd.empty() && config->cwd.front() != '/') std::abort();
      }
      break;
    default: {
      const auto name = canonical_image_name(text);
      if (!name.empty() && canonical_image_name(name) != name && name.find("docker.io/") == std::string::npos)
        std::abort();
    }
  }
  return 0;
}
