// Outcome<T>: the answer of the API server, which is a value or a Kubernetes Status. Conflicts and missing objects are
// everyday answers to a controller, so they are values and not exceptions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/base/error.hpp"
#include "sedna/json/json.hpp"

namespace sedna::store {

/// metav1.Status of a failure. `reason` is Kubernetes' word: NotFound, AlreadyExists, Conflict, Invalid, BadRequest,
/// Forbidden, Unauthorized, Expired (410), TooManyRequests, Timeout, ServiceUnavailable, InternalError,
/// MethodNotAllowed, UnsupportedMediaType.
struct Status {
  int code = 500;
  std::string reason;
  std::string message;
  struct Cause {
    std::string reason;  ///< FieldValueRequired, FieldValueInvalid, …
    std::string message;
    std::string field;  ///< "spec.edgeWorker.model.name"
  };
  std::vector<Cause> causes;
  std::string name, group, kind, uid;  ///< details: what it concerns (kind: the plural, as Kubernetes writes)
  std::optional<int> retry_after_seconds;
  std::string continue_token;      ///< metadata.continue: with a 410 of a list in pieces, how to go on all the same
  bool may_have_executed = false;  ///< no answer came, but the request was sent: it may have been carried out

  bool is_not_found() const { return code == 404; }
  bool already_exists() const { return reason == "AlreadyExists"; }
  bool is_conflict() const { return reason == "Conflict"; }
  bool is_expired() const { return code == 410; }
  bool is_invalid() const { return code == 422; }
  /// The server did not answer, or said that it can't now: the same request may succeed later.
  bool is_transient() const { return code == 429 || code >= 500; }
  Error to_error() const;
  /// The body as Kubernetes sends it: {"kind":"Status","apiVersion":"v1","status":"Failure",…}.
  json::object to_json() const;
  static Status from_json(const json::object& body, int http_status);
};

template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Outcome(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  /// The value, or throws the status as an Error.
  T& value() & { return ok() ? *value_ : throw status_.to_error(); }
  const T& value() const& { return ok() ? *value_ : throw status_.to_error(); }
  T&& value() && { return ok() ? std::move(*value_) : throw status_.to_error(); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  /// Meaningful when !ok().
  const Status& status() const { return status_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace sedna::store
