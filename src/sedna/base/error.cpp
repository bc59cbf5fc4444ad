#include "sedna/base/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sedna {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kAlreadyExists:
      return "already_exists";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kPermissionDenied:
      return "permission_denied";
    case ErrorCode::kUnauthenticated:
      return "unauthenticated";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kDeadlineExceeded:
      return "deadline_exceeded";
    case ErrorCode::kResourceExhausted:
      return "resource_exhausted";
    case ErrorCode::kAborted:
      return "aborted";
    case ErrorCode::kDataLoss:
      return "data_loss";
    case ErrorCode::kUnimplemented:
      return "unimplemented";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
      return 400;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kResourceExhausted:
      return 413;
    case ErrorCode::kAborted:
      return 400;
    case ErrorCode::kDataLoss:
      return 500;
    case ErrorCode::kUnimplemented:
      return 501;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

ErrorCode error_code_from_http(int status) {
  switch (status) {
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 408:
    case 504:
      return ErrorCode::kDeadlineExceeded;
    case 409:
      return ErrorCode::kConflict;
    case 413:
      return ErrorCode::kResourceExhausted;
    case 429:
    case 502:
    case 503:
      return ErrorCode::kUnavailable;
    case 501:
      return ErrorCode::kUnimplemented;
    default:
      return status >= 400 && status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kInternal;
  }
}

Error::Error(ErrorCode code, std::string message, std::string subject)
    : code_(code),
      message_(std::move(message)),
      subject_(std::move(subject)),
      what_(subject_.empty() ? message_ : subject_ + ": " + message_) {}

Error Error::within(std::string_view outer) const {
  std::string subject(outer);
  if (!subject_.empty()) {
    if (subject_.front() != '[' && !subject.empty()) subject += '.';
    subject += subject_;
  }
  return Error(code_, message_, std::move(subject));
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "sedna: broken invariant `%s` at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace sedna
