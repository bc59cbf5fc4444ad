// Identifiers that follow a request through the system: X-Request-Id and the W3C trace context.
#pragma once

#include <string>
#include <string_view>

namespace sedna::serve {

/// What the client sent when it is harmless (1–128 of A–Z a–z 0–9 - _ . : / + =), else a new one of 16 hex digits.
std::string request_id_from(std::string_view sent);
void assign_request_id(std::string& out, std::string_view sent);  ///< the same into a string's memory

/// A traceparent for work done on behalf of the request: the client's trace id and flags with a new span id, or a new
/// trace (not sampled) when nothing usable was sent (https://www.w3.org/TR/trace-context/, version 00).
std::string traceparent_from(std::string_view sent);
void assign_traceparent(std::string& out, std::string_view sent);

/// The 32 hex digits in the middle; empty when it is no traceparent.
std::string_view trace_id_of(std::string_view traceparent);

}  // namespace sedna::serve
