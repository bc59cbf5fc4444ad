#include "sedna/base/clock.hpp"

#include <time.h>

#include <cstdio>

namespace sedna {
namespace {

class RealClock final : public Clock {
 public:
  SteadyClock::time_point now() const override { return SteadyClock::now(); }
  SystemClock::time_point wall() const override { return SystemClock::now(); }
};

}  // namespace

const Clock& Clock::real() {
  static const RealClock clock;
  return clock;
}

std::string format_local_time(SystemClock::time_point t) {
  const time_t seconds = SystemClock::to_time_t(t);
  struct tm parts{};
  localtime_r(&seconds, &parts);
  char text[32];
  const std::size_t n = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return std::string(text, n);
}

std::string format_utc_time(SystemClock::time_point t) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
  const time_t seconds = static_cast<time_t>(ms / 1000);
  struct tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char tail[8];
  std::snprintf(tail, sizeof tail, ".%03dZ", static_cast<int>(ms % 1000));
  return std::string(text, n) + tail;
}

}  // namespace sedna
