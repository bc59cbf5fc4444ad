// How the routes of AggregationServer answer. Internal.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sedna/json/json.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::federated {

inline serve::Response answer(int status, const json::object& body) {
  return serve::Response::json(status, json::write(body));
}

inline serve::Response error_answer(int status, const Error& error) {
  return answer(status, {{"error", error.what()}});
}

/// A whole number in decimal digits, and nothing else.
inline std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

}  // namespace sedna::federated
