#include "sedna/federated/settings.hpp"

#include <charconv>
#include <cmath>

namespace sedna::federated {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string plain(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

}  // namespace

Settings::Settings(std::string_view text) {
  bool first = true;
  while (!text.empty() || first) {
    const std::size_t comma = text.find(',');
    const std::string_view part = trimmed(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (first) {
      first = false;
      name_ = part;
      if (name_.empty() || name_.find('=') != std::string::npos) {
        throw Error(ErrorCode::kInvalidArgument, "must be a name, or name,key=value,…", std::string(part));
      }
      continue;
    }
    const std::size_t equals = part.find('=');
    const std::string key(trimmed(part.substr(0, equals)));
    if (equals == std::string_view::npos || key.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "must be key=value", name_ + "." + std::string(part));
    }
    if (!values_.emplace(key, trimmed(part.substr(equals + 1))).second) refuse(key, "is given twice");
  }
}

double Settings::number(const std::string& key, double fallback, double min, double max) {
  asked_.insert(key);
  const auto it = values_.find(key);
  if (it == values_.end()) return fallback;
  double value = 0;
  const std::string& text = it->second;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size() || !(value >= min && value <= max)) {
    refuse(key, "is '" + text + "'; it must be a number from " + plain(min) + " to " + plain(max));
  }
  return value;
}

std::size_t Settings::count(const std::string& key, std::size_t fallback, std::size_t min, std::size_t max) {
  const double value = number(key, static_cast<double>(fallback), static_cast<double>(min), static_cast<double>(max));
  if (value != std::floor(value)) refuse(key, "must be a whole number");
  return static_cast<std::size_t>(value);
}

std::string Settings::text(const std::string& key, std::string fallback) {
  asked_.insert(key);
  const auto it = values_.find(key);
  return it == values_.end() ? std::move(fallback) : it->second;
}

void Settings::finish() const {
  for (const auto& [key, value] : values_) {
    if (asked_.contains(key)) continue;
    std::string known;
    for (const std::string& name : asked_) known += (known.empty() ? "" : ", ") + name;
    refuse(key, known.empty() ? "is unknown: there are no parameters" : "is unknown; there are " + known);
  }
}

void Settings::refuse(const std::string& key, const std::string& why) const {
  throw Error(ErrorCode::kInvalidArgument, why, name_ + "." + key);
}

}  // namespace sedna::federated
