#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "sedna/algo/calibration.hpp"
#include "sedna/algo/parameters.hpp"
#include "sedna/base/error.hpp"
#include "sedna/json/json.hpp"

namespace sedna::algo {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::string_view kKind = "sedna.calibration";
constexpr std::size_t kLargestFile = std::size_t{1} << 20;

/// JSON has no infinities; the threshold that sends everything is the text "-inf".
json::value number(double v) {
  return std::isfinite(v) ? json::value(v) : json::value(number_text(v));
}
json::value number(const std::optional<double>& v) {
  return v ? number(*v) : json::value(nullptr);
}

Result<double> read_number(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  if (v != nullptr && v->is_string()) {
    const auto parsed = parse_number(v->as_string());
    if (parsed && std::isinf(*parsed)) return *parsed;
    return Error(ErrorCode::kInvalidArgument, "is text; it must be a number, \"inf\" or \"-inf\"", std::string(name));
  }
  return json::require_number(o, name);
}

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  const int code = errno;
  throw Error(code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
              std::string(what) + ": " + std::strerror(code), file.string());
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// close() may be where a network file system reports that nothing was stored.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

void write_all(int fd, std::string_view text, const std::filesystem::path& file) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(file, "cannot be written");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string calibration_text(const Calibration& c) {
  json::object parameters;
  for (const auto& [key, text] : c.parameters) parameters[key] = text;
  const std::pair<std::string_view, json::value> fields[] = {
      {"kind", json::value(kKind)},
      {"format", kFormat},
      {"model_checksum", json::value(c.model_checksum)},
      {"filter", json::value(c.filter)},
      {"parameters", parameters},
      {"threshold", number(c.threshold)},
      {"temperature", number(c.temperature)},
      {"policy", json::value(c.policy)},
      {"asked", number(c.asked)},
      {"reached", c.reached},
      {"ratio", number(c.ratio)},
      {"accuracy_edge", number(c.accuracy_edge)},
      {"accuracy_joint", number(c.accuracy_joint)},
      {"accuracy_cloud", number(c.accuracy_cloud)},
      {"samples", c.samples},
      {"ece_before", number(c.ece_before)},
      {"ece_after", number(c.ece_after)},
      {"date", json::value(c.date)},
  };
  // One field a line: people read and compare these files.
  std::string text = "{";
  for (const auto& [name, value] : fields) {
    text += text.size() == 1 ? "\n  " : ",\n  ";
    json::append_string(text, name);
    text += ": ";
    json::append(text, value);
  }
  return text + "\n}\n";
}

Result<Calibration> parse_calibration(std::string_view text) {
  auto parsed = json::parse(text);
  if (!parsed) return parsed.error();
  const auto top = json::as_object(*parsed);
  if (!top) return top.error();
  const json::object& o = **top;

  const auto kind = json::require_string(o, "kind");
  if (!kind || *kind != kKind) {
    return Error(ErrorCode::kInvalidArgument, "is not \"sedna.calibration\": not a file that calibration wrote",
                 "kind");
  }
  const auto format = json::require_int(o, "format");
  if (!format) return format.error();
  if (*format != kFormat) {
    return Error(ErrorCode::kUnimplemented,
                 "is " + std::to_string(*format) + "; this version reads 1: calibrate again or upgrade", "format");
  }

  Calibration c;
  const auto set_text = [&](std::string_view name, std::string& field) -> Result<void> {
    auto read = json::require_string(o, name);
    if (!read) return read.error();
    field = *std::move(read);
    return {};
  };
  const auto set_number = [&](std::string_view name, double& field) -> Result<void> {
    const auto read = read_number(o, name);
    if (!read) return read.error();
    field = *read;
    return {};
  };
  const auto set_optional = [&](std::string_view name, std::optional<double>& field) -> Result<void> {
    const auto read = json::optional_number(o, name);
    if (!read) return read.error();
    field = *read;
    return {};
  };
  for (const auto& [name, field] : std::initializer_list<std::pair<std::string_view, std::string*>>{
           {"model_checksum", &c.model_checksum}, {"filter", &c.filter}, {"policy", &c.policy}, {"date", &c.date}}) {
    if (auto done = set_text(name, *field); !done) return done.error();
  }
  for (const auto& [name, field] : std::initializer_list<std::pair<std::string_view, double*>>{
           {"threshold", &c.threshold}, {"temperature", &c.temperature}, {"asked", &c.asked}, {"ratio", &c.ratio}}) {
    if (auto done = set_number(name, *field); !done) return done.error();
  }
  for (const auto& [name, field] :
       std::initializer_list<std::pair<std::string_view, std::optional<double>*>>{{"accuracy_edge", &c.accuracy_edge},
                                                                                  {"accuracy_joint", &c.accuracy_joint},
                                                                                  {"accuracy_cloud", &c.accuracy_cloud},
                                                                                  {"ece_before", &c.ece_before},
                                                                                  {"ece_after", &c.ece_after}}) {
    if (auto done = set_optional(name, *field); !done) return done.error();
  }
  const auto reached = json::require_bool(o, "reached");
  if (!reached) return reached.error();
  c.reached = *reached;
  const auto samples = json::require_int(o, "samples");
  if (!samples) return samples.error();
  if (*samples < 0) return Error(ErrorCode::kInvalidArgument, "must not be negative", "samples");
  c.samples = static_cast<std::uint64_t>(*samples);
  if (!(c.temperature > 0) || std::isinf(c.temperature)) {
    return Error(ErrorCode::kInvalidArgument, "must be a finite number above 0", "temperature");
  }
  const auto parameters = json::require_object(o, "parameters");
  if (!parameters) return parameters.error();
  for (const auto& each : **parameters) {
    auto value = json::require_string(**parameters, each.key(), "parameters");
    if (!value) return value.error();
    c.parameters.emplace(each.key(), *std::move(value));
  }
  return c;
}

void write_calibration(const std::filesystem::path& file, const Calibration& calibration) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  std::string temporary = (folder / ("." + file.filename().string() + ".XXXXXX")).string();
  Descriptor out(::mkostemp(temporary.data(), O_CLOEXEC));
  if (out.get() < 0) fail(file, "cannot be written");
  try {
    write_all(out.get(), calibration_text(calibration), file);
    // mkostemp gives 0600; a calibration is no secret, and the worker may run as another user.
    if (::fchmod(out.get(), 0644) != 0 || ::fsync(out.get()) != 0 || !out.close()) fail(file, "cannot be written");
    if (::rename(temporary.c_str(), file.c_str()) != 0) fail(file, "cannot be put in place");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  // The new name is safe once the folder is, too; file systems that cannot do that say so and are believed.
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0 && ::fsync(directory.get()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    fail(file, "was written, but its folder cannot be synced");
  }
}

Calibration read_calibration(const std::filesystem::path& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, "cannot be opened");
  std::string text(kLargestFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) fail(file, "cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kLargestFile) {
    throw Error(ErrorCode::kInvalidArgument, "is larger than 1 MiB: not a calibration", file.string());
  }
  auto parsed = parse_calibration(text);
  if (!parsed) throw parsed.error().within(file.string());
  return *std::move(parsed);
}

}  // namespace sedna::algo
