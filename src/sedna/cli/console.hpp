// What a command of `sedna` writes to: results on standard output, progress and problems on standard error. Colours and
// moving progress only on a terminal, plain lines otherwise, so that output can be piped and logged. Tests give
// strings.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sedna::cli {

enum class Style : std::uint8_t { kPlain, kBold, kDim, kGood, kWarning, kBad };

/// Used by one thread.
class Console {
 public:
  using Sink = std::function<void(std::string_view)>;

  /// Standard output and error as this process has them. NO_COLOR and TERM=dumb are honoured.
  static Console process();
  /// Everything is appended to the two strings, plain. They outlive the console.
  static Console capture(std::string& out, std::string& err);

  void out(std::string_view text);
  void line(std::string_view text);
  void err_line(std::string_view text);
  /// "sedna: text" in the colour of the matter, on standard error.
  void warn(std::string_view text);
  void hint(std::string_view text);

  /// What is going on: on a terminal one line that the next one replaces, otherwise a line for each new text.
  void progress(std::string_view text);
  /// Removes the moving line, if there is one.
  void progress_end();

  std::string styled(Style style, std::string_view text) const;
  bool colour() const { return colour_; }
  bool interactive() const { return interactive_; }
  /// Columns of the terminal; 0 when unlimited (no terminal).
  int width() const { return width_; }
  void set_colour(bool on) { colour_ = on; }
  void set_quiet(bool on) { quiet_ = on; }

 private:
  Sink out_, err_;
  bool colour_ = false;
  bool interactive_ = false;
  bool quiet_ = false;
  int width_ = 0;
  std::string progress_;
};

}  // namespace sedna::cli
