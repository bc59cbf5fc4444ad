// Any text as a calibration file: what is accepted must survive writing and reading, and either makes a filter or is
// refused as an error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/algo/calibration.hpp"
#include "sedna/base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna::algo;
  const auto parsed = parse_calibration({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  const std::string text = calibration_text(*parsed);
  const auto again = parse_calibration(text);
  if (!again || calibration_text(*again) != text) std::abort();
  try {
    const auto filter = make_filter(parsed->filter, parsed->parameters);
    const double values[] = {0.7, 0.2, 0.1};
    filter->judge({filter->form(), values, true});
  } catch (const sedna::Error&) {
    return 0;  // an unknown filter, a parameter that is no number
  }
  return 0;
}
