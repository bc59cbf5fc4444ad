// Any text through the YAML reader: bounded, and what it accepts must survive writing and reading again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/json/yaml.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace json = sedna::json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  json::YamlOptions options;
  options.max_values = 10'000;
  const auto documents = json::parse_yaml(text, options);
  if (!documents) return 0;
  options.max_values = 1'000'000;
  for (const auto& document : *documents) {
    const std::string written = json::write_yaml(document);
    const auto again = json::parse_yaml(written, options);
    if (!again || again->size() != 1 || json::write_yaml(again->front()) != written) std::abort();
  }
  return 0;
}
