#include "sedna/cli/console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "sedna/base/error.hpp"

namespace sedna::cli {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";

std::string_view code_of(Style style) {
  switch (style) {
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kPlain:
      break;
  }
  return {};
}

/// A pipe whose reader went away (`sedna get … | head`) ends the command, quietly; a full disk is said.
void write_to(std::FILE* file, std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0) return;
  throw Error(ErrorCode::kUnavailable, "cannot be written", file == stdout ? "standard output" : "standard error");
}

}  // namespace

Console Console::process() {
  Console console;
  console.out_ = [](std::string_view text) { write_to(stdout, text); };
  console.err_ = [](std::string_view text) { write_to(stderr, text); };
  const char* term = std::getenv("TERM");
  const char* no_colour = std::getenv("NO_COLOR");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb" || *term == 0;
  console.interactive_ = isatty(STDERR_FILENO) == 1 && !dumb;
  console.colour_ = isatty(STDOUT_FILENO) == 1 && !dumb && (no_colour == nullptr || *no_colour == 0);
  winsize size{};
  if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) console.width_ = size.ws_col;
  return console;
}

Console Console::capture(std::string& out, std::string& err) {
  Console console;
  console.out_ = [&out](std::string_view text) { out.append(text); };
  console.err_ = [&err](std::string_view text) { err.append(text); };
  return console;
}

void Console::out(std::string_view text) {
  progress_end();
  out_(text);
}

void Console::line(std::string_view text) {
  out(std::string(text) + "\n");
}

void Console::err_line(std::string_view text) {
  progress_end();
  err_(std::string(text) + "\n");
}

void Console::warn(std::string_view text) {
  err_line(styled(Style::kWarning, "sedna: ") + std::string(text));
}

void Console::hint(std::string_view text) {
  err_line(styled(Style::kDim, "  " + std::string(text)));
}

void Console::progress(std::string_view text) {
  if (quiet_ || text == progress_) return;
  if (interactive_) {
    const std::size_t room = width_ > 4 ? static_cast<std::size_t>(width_ - 1) : 100;
    err_(std::string(kClearLine) + std::string(text.substr(0, room)));
  } else {
    err_(std::string(text) + "\n");
  }
  progress_ = text;
}

void Console::progress_end() {
  if (interactive_ && !progress_.empty()) err_(kClearLine);
  progress_.clear();
}

std::string Console::styled(Style style, std::string_view text) const {
  const std::string_view code = colour_ ? code_of(style) : std::string_view{};
  if (code.empty()) return std::string(text);
  return std::string(code) + std::string(text) + "\x1b[0m";
}

}  // namespace sedna::cli
