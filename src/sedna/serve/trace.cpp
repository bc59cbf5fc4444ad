#include "sedna/serve/trace.hpp"

#include <algorithm>
#include <cstdint>

#include "sedna/base/ids.hpp"

namespace sedna::serve {
namespace {

bool lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

void append_hex(std::string& out, std::uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kDigits[(value >> shift) & 15]);
}

/// Never zero: a zero id is invalid.
std::uint64_t random_id(std::mt19937_64& random) {
  for (;;) {
    const std::uint64_t id = random();
    if (id != 0) return id;
  }
}

}  // namespace

void assign_request_id(std::string& out, std::string_view sent) {
  const bool harmless = !sent.empty() && sent.size() <= 128 && std::all_of(sent.begin(), sent.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_.:/+=").find(c) != std::string_view::npos;
  });
  if (harmless) {
    out = sent;
    return;
  }
  out.clear();
  append_hex(out, random_id(thread_random()));
}

std::string request_id_from(std::string_view sent) {
  std::string out;
  assign_request_id(out, sent);
  return out;
}

std::string_view trace_id_of(std::string_view traceparent) {
  // version "-" trace-id "-" parent-id "-" flags; later versions may append "-…", version ff is forbidden.
  if (traceparent.size() < 55 || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-') return {};
  const std::string_view version = traceparent.substr(0, 2);
  if (!lower_hex(version) || version == "ff" || (version == "00" && traceparent.size() != 55)) return {};
  if (traceparent.size() > 55 && traceparent[55] != '-') return {};
  const std::string_view trace = traceparent.substr(3, 32);
  const std::string_view span = traceparent.substr(36, 16);
  if (!lower_hex(trace) || all_zero(trace) || !lower_hex(span) || all_zero(span)) return {};
  return lower_hex(traceparent.substr(53, 2)) ? trace : std::string_view{};
}

void assign_traceparent(std::string& out, std::string_view sent) {
  const std::string_view trace = trace_id_of(sent);
  auto& random = thread_random();
  out.clear();
  out += "00-";
  if (trace.empty()) {
    append_hex(out, random_id(random));
    append_hex(out, random_id(random));
  } else {
    out += trace;
  }
  out.push_back('-');
  append_hex(out, random_id(random));
  out.push_back('-');
  // Only the "sampled" bit is defined by version 00; others are not passed on.
  const bool sampled = !trace.empty() && (std::string_view("13579bdf").find(sent[54]) != std::string_view::npos);
  out += sampled ? "01" : "00";
}

std::string traceparent_from(std::string_view sent) {
  std::string out;
  assign_traceparent(out, sent);
  return out;
}

}  // namespace sedna::serve
