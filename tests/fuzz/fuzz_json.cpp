// Any text through the JSON reader: what it accepts must survive writing and reading again, and skipping must agree.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/json/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool python : {false, true}) {
    sedna::json::ParseOptions options = python ? sedna::json::python_options() : sedna::json::ParseOptions{};
    const auto tree = sedna::json::parse(text, options);
    sedna::json::Scanner scanner(text, options.limits);
    const bool skipped = scanner.skip_value() && scanner.finish();
    if (tree && !skipped && !text.starts_with("\xEF\xBB\xBF")) std::abort();
    if (!tree) continue;
    sedna::json::WriteOptions style;
    style.allow_nan = true;
    options.limits.allow_nan = true;
    const std::string written = sedna::json::write(*tree, style);
    const auto again = sedna::json::parse(written, options);
    if (!again || sedna::json::write(*again, style) != written) std::abort();
    const auto escaped = sedna::json::parse(sedna::json::write(*tree, sedna::json::WriteOptions::python()), options);
    if (!escaped || sedna::json::write(*escaped, style) != written) std::abort();
  }
  return 0;
}
