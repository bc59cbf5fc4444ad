// Columns of text as kubectl lays them out: upper-case headers, three spaces between, no trailing spaces.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/cli/console.hpp"

namespace sedna::cli {

/// A cell and how it looks; width counts characters, not bytes.
struct Cell {
  std::string text;
  Style style = Style::kPlain;
  Cell(std::string t) : text(std::move(t)) {}  // NOLINT(google-explicit-constructor)
  Cell(std::string_view t) : text(t) {}        // NOLINT(google-explicit-constructor)
  Cell(const char* t) : text(t) {}             // NOLINT(google-explicit-constructor)
  Cell(std::string t, Style s) : text(std::move(t)), style(s) {}
};

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headers) : headers_(std::move(headers)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }
  void set_indent(std::string indent) { indent_ = std::move(indent); }
  void set_headers_shown(bool shown) { headers_shown_ = shown; }
  /// Keep the widths of an earlier printing (a watch prints row by row).
  std::string render(const Console& console, std::vector<std::size_t>* widths = nullptr) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<Cell>> rows_;
  std::string indent_;
  bool headers_shown_ = true;
};

/// Characters of UTF-8 text.
std::size_t text_width(std::string_view text);
/// "34s", "5m12s", "3h", "2d4h", "41d", as kubectl writes an age.
std::string human_duration(std::chrono::seconds duration);
/// The age of an RFC 3339 time, "<unknown>" when it is none.
std::string age_of(std::string_view timestamp, std::chrono::system_clock::time_point now);
/// "27,776".
std::string with_thousands(long long number);
/// "1.4 MB".
std::string human_bytes(double bytes);
/// Status words as a person reads them at a glance: Running, Ready, True are good; Failed, CrashLoopBackOff bad.
Style style_of_word(std::string_view word);

}  // namespace sedna::cli
