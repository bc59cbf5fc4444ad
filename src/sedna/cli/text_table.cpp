#include "sedna/cli/text_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "sedna/api/object.hpp"

namespace sedna::cli {

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string TextTable::render(const Console& console, std::vector<std::size_t>* widths) const {
  std::vector<std::size_t> own;
  std::vector<std::size_t>& width = widths != nullptr ? *widths : own;
  width.resize(headers_.size(), 0);
  for (std::size_t i = 0; i < headers_.size(); ++i) width[i] = std::max(width[i], text_width(headers_[i]));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < std::min(row.size(), width.size()); ++i) {
      width[i] = std::max(width[i], text_width(row[i].text));
    }
  }
  std::string out;
  const auto put_row = [&](std::size_t count, const auto& text_of, const auto& style_of) {
    out += indent_;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string& text = text_of(i);
      out += console.styled(style_of(i), text);
      if (i + 1 < count) out.append(width[i] - text_width(text) + 3, ' ');
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    out += '\n';
  };
  if (headers_shown_) {
    put_row(
        headers_.size(), [&](std::size_t i) -> const std::string& { return headers_[i]; },
        [](std::size_t) { return Style::kBold; });
  }
  for (const auto& row : rows_) {
    put_row(
        std::min(row.size(), headers_.size()), [&](std::size_t i) -> const std::string& { return row[i].text; },
        [&](std::size_t i) { return row[i].style; });
  }
  return out;
}

std::string human_duration(std::chrono::seconds duration) {
  const long long s = std::max<long long>(0, duration.count());
  const long long m = s / 60;
  const long long h = m / 60;
  const long long d = h / 24;
  const auto text = [](long long n, const char* unit) { return std::to_string(n) + unit; };
  const auto pair = [&](long long a, const char* ua, long long b, const char* ub) {
    return b == 0 ? text(a, ua) : text(a, ua) + text(b, ub);
  };
  if (s < 120) return text(s, "s");
  if (m < 10) return pair(m, "m", s % 60, "s");
  if (m < 180) return text(m, "m");
  if (h < 8) return pair(h, "h", m % 60, "m");
  if (h < 48) return text(h, "h");
  if (d < 8) return pair(d, "d", h % 24, "h");
  if (d < 365 * 2) return text(d, "d");
  if (d < 365 * 8) return pair(d / 365, "y", d % 365, "d");
  return text(d / 365, "y");
}

std::string age_of(std::string_view timestamp, std::chrono::system_clock::time_point now) {
  const auto time = api::parse_time(timestamp);
  if (!time) return "<unknown>";
  return human_duration(std::chrono::duration_cast<std::chrono::seconds>(now - *time));
}

std::string with_thousands(long long number) {
  std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t i = digits.size(); i > first + 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string human_bytes(double bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text.data();
}

Style style_of_word(std::string_view word) {
  static constexpr std::array kGood{"Running", "Ready", "Completed", "Succeeded", "Active", "Bound", "Available"};
  static constexpr std::array kWaiting{"Pending",  "ContainerCreating", "Terminating", "Waiting",  "Starting",
                                       "Init:0/1", "PodInitializing",   "Unknown",     "NotReady", "Stopping"};
  static constexpr std::array kBad{"Failed",  "Error",        "CrashLoopBackOff", "OOMKilled",
                                   "Evicted", "InitFailed",   "ImagePullBackOff", "ImageNeedsCommand",
                                   "Lost",    "ErrImagePull", "ImageNeedsSandbox"};
  const auto in = [&](const auto& list) { return std::find(list.begin(), list.end(), word) != list.end(); };
  if (in(kGood)) return Style::kGood;
  if (in(kWaiting)) return Style::kWarning;
  if (in(kBad)) return Style::kBad;
  return Style::kPlain;
}

}  // namespace sedna::cli
