// metav1.Time: RFC 3339.
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "sedna/api/object.hpp"

namespace sedna::api {

namespace {

namespace chr = std::chrono;

/// Two or four digits at `at`, or -1.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int out = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    out = out * 10 + (text[i] - '0');
  }
  return out;
}

/// "Z", "+02:00", "-07:30" in minutes east of Greenwich.
std::optional<int> zone_minutes(std::string_view zone) {
  if (zone == "Z" || zone == "z") return 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const int hours = digits(zone, 1, 2);
  const int minutes = digits(zone, 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (zone[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

}  // namespace

std::string format_time(std::chrono::system_clock::time_point t) {
  const auto seconds = chr::floor<chr::seconds>(t);
  const auto day = chr::floor<chr::days>(seconds);
  const chr::year_month_day date{day};
  const chr::hh_mm_ss clock{seconds - day};
  std::array<char, 48> text{};
  const int n = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                              static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                              static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                              static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(n)};
}

std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text) {
  // 2026-01-31T13:05:59[.123456]Z
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 59) {
    return std::nullopt;
  }
  const chr::year_month_day date{chr::year{year}, chr::month{static_cast<unsigned>(month)},
                                 chr::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  std::size_t at = 19;
  chr::nanoseconds fraction{0};
  if (text[at] == '.') {
    std::int64_t unit = 100'000'000;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
      fraction += chr::nanoseconds{(text[at] - '0') * unit};
    }
    if (at == first) return std::nullopt;
  }
  const auto zone = zone_minutes(text.substr(at));
  if (!zone) return std::nullopt;
  const auto whole =
      chr::sys_days{date} + chr::hours{hour} + chr::minutes{minute} + chr::seconds{second} - chr::minutes{*zone};
  // A nanosecond clock reaches from 1678 to 2261; a time beyond that (Go's zero time) is held at its end.
  constexpr auto kEarliest = chr::sys_days{chr::year{1678} / 1 / 1};
  constexpr auto kLatest = chr::sys_days{chr::year{2262} / 1 / 1};
  if (whole < kEarliest) return chr::system_clock::time_point{kEarliest};
  if (whole >= kLatest) return chr::system_clock::time_point{kLatest};
  return chr::system_clock::time_point{chr::duration_cast<chr::system_clock::duration>(whole.time_since_epoch()) +
                                       chr::duration_cast<chr::system_clock::duration>(fraction)};
}

}  // namespace sedna::api
