// HEM_PARAMETERS and numbers as the environment carries them: read, ignored, or an Error that names the variable.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"
#include "sedna/worker/context.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    sedna::log::set_level(sedna::log::Level::kError);
    return true;
  }();
  static_cast<void>(quiet);
  const std::string text(reinterpret_cast<const char*>(data), size);
  const sedna::worker::Context context({{"HEM_NAME", "IBT"}, {"HEM_PARAMETERS", text}, {"N", text}});
  if (const auto algorithm = context.algorithm("HEM"); !algorithm || algorithm->name != "IBT") std::abort();
  try {
    const double number = context.get_number("N", 1, -10, 10);
    if (number < -10 || number > 10) std::abort();
  } catch (const sedna::Error& error) {
    if (error.subject() != "N") std::abort();
  }
  return 0;
}
