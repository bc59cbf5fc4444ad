// The one error type of Sedna: a code that programs act on, a sentence for a person, and the thing it concerns.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace sedna {

/// What kind of failure it is. Mapped once to HTTP status, to a Python exception and to an exit code.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,
  kNotFound,
  kAlreadyExists,
  kConflict,
  kPermissionDenied,
  kUnauthenticated,
  kUnavailable,
  kDeadlineExceeded,
  kResourceExhausted,
  kAborted,
  kDataLoss,
  kUnimplemented,
  kInternal,
};

/// Name as written in logs and bodies, e.g. "deadline_exceeded".
std::string_view error_code_name(ErrorCode code);
/// HTTP status that carries the code (400, 404, 409, 403, 401, 503, 504, 429, …).
int http_status(ErrorCode code);
/// The code that an HTTP status means to a client.
ErrorCode error_code_from_http(int status);

/// Thrown (or held by Result) everywhere. `subject` is the field path, file, URL or object concerned; what() joins
/// both.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string subject = {});
  const char* what() const noexcept override { return what_.c_str(); }
  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& subject() const { return subject_; }
  /// The same failure seen from further out: the subject is prefixed ("inputs[0]" + ".shape").
  Error within(std::string_view outer) const;

 private:
  ErrorCode code_;
  std::string message_;
  std::string subject_;
  std::string what_;
};

/// Reports a broken invariant of our own and ends the process: never for outside causes.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace sedna

#define SEDNA_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::sedna::check_failed(#condition, __FILE__, __LINE__))
