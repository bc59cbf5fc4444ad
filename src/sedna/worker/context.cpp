#include "sedna/worker/context.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"
#include "sedna/json/json.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX names it and declares it nowhere

namespace sedna::worker {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

[[noreturn]] void refuse(std::string_view name, const std::string& value, const std::string& right) {
  throw Error(ErrorCode::kInvalidArgument, "is \"" + value + "\"; it must be " + right, std::string(name));
}

/// A parameter's value as the filters read it: text. Numbers keep the digits they were written with where that is
/// possible.
std::string value_text(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_null()) return {};
  return json::write(value, json::WriteOptions::python());
}

}  // namespace

Context Context::from_environment() {
  std::map<std::string, std::string, std::less<>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return Context(std::move(variables));
}

std::optional<std::string> Context::get(std::string_view name) const {
  if (const auto it = variables_.find(name); it != variables_.end() && !it->second.empty()) return it->second;
  if (const auto it = variables_.find(upper(name)); it != variables_.end() && !it->second.empty()) return it->second;
  return std::nullopt;
}

std::string Context::get_or(std::string_view name, std::string_view fallback) const {
  auto found = get(name);
  return found ? std::move(*found) : std::string(fallback);
}

double Context::get_number(std::string_view name, double fallback, double lowest, double highest) const {
  const auto text = get(name);
  if (!text) return fallback;
  double value = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || end != text->data() + text->size() || !std::isfinite(value) || value < lowest ||
      value > highest) {
    refuse(name, *text, "a number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return value;
}

std::int64_t Context::get_integer(std::string_view name, std::int64_t fallback, std::int64_t lowest,
                                  std::int64_t highest) const {
  const auto text = get(name);
  if (!text) return fallback;
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc() || end != text->data() + text->size() || value < lowest || value > highest) {
    refuse(name, *text, "a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return value;
}

bool Context::get_flag(std::string_view name, bool fallback) const {
  const auto text = get(name);
  if (!text) return fallback;
  const std::string word = upper(*text);
  if (word == "1" || word == "TRUE" || word == "YES" || word == "ON") return true;
  if (word == "0" || word == "FALSE" || word == "NO" || word == "OFF") return false;
  refuse(name, *text, "1, true, yes, on, or 0, false, no, off");
}

std::optional<Algorithm> Context::algorithm(std::string_view prefix) const {
  auto name = get(std::string(prefix) + "_NAME");
  if (!name) return std::nullopt;
  Algorithm algorithm{std::move(*name), {}};
  const std::string variable = std::string(prefix) + "_PARAMETERS";
  const auto text = get(variable);
  if (!text) return algorithm;
  const Result<json::value> document = json::parse(*text, json::python_options());
  if (document && document->is_null()) return algorithm;  // what the GM writes for "none"
  const bool well_formed =
      document && document->is_array() &&
      std::ranges::all_of(document->get_array(), [](const auto& entry) { return entry.is_object(); });
  if (!well_formed) {
    log::warning("Algorithm parameters ignored: not a JSON array of {\"key\": …, \"value\": …} objects",
                 {{"variable", variable}, {"algorithm", algorithm.name}});
    return algorithm;
  }
  for (const auto& entry : document->get_array()) {
    const json::object& object = entry.get_object();
    const auto* key = object.if_contains("key");
    if (key == nullptr) continue;
    std::string key_name = value_text(*key);
    if (key_name.empty()) continue;
    const auto* value = object.if_contains("value");
    algorithm.parameters.insert_or_assign(std::move(key_name), value == nullptr ? std::string() : value_text(*value));
  }
  return algorithm;
}

}  // namespace sedna::worker
