// Lists and the start of watches: what the core answers to readers.
#include <algorithm>
#include <charconv>
#include <mutex>

#include "sedna/store/embedded/continue_token.hpp"
#include "sedna/store/embedded/core.hpp"
#include "sedna/store/embedded/watch_cursor.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::store::embedded {
namespace {

Outcome<std::uint64_t> parse_version(std::string_view text) {
  std::uint64_t version = 0;
  if (text.empty()) return version;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (bad == std::errc() && end == text.data() + text.size()) return version;
  Status status;
  status.code = 400;
  status.reason = "BadRequest";
  status.message = "resourceVersion: Invalid value: \"" + std::string(text) + "\": strconv.ParseUint: parsing \"" +
                   std::string(text) + "\": invalid syntax";
  return status;
}

Status too_old_token(std::string fresh_token) {
  Status status = statuses::expired(
      "The provided continue parameter is too old to display a consistent list result. You can start a new list "
      "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
      "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
      "modified, or deleted between the time the first chunk was returned and now may show up in the list.");
  status.continue_token = std::move(fresh_token);
  return status;
}

}  // namespace

Outcome<std::vector<StoredPtr>> Core::range_at(const Shelf& place, const std::string& from, const std::string& to,
                                               std::uint64_t version) const {
  const auto first = place.objects.lower_bound(from);
  const auto last = to.empty() ? place.objects.end() : place.objects.lower_bound(to);
  std::vector<StoredPtr> out;
  if (version < place.forgotten) return statuses::expired("too old resource version");
  if (place.history.empty() || place.history.back().resource_version <= version) {
    for (auto it = first; it != last; ++it) out.push_back(it->second);
    return out;
  }
  // As it was then: the changes since are undone, the newest first.
  std::map<std::string, StoredPtr, std::less<>> then(first, last);
  for (auto it = place.history.rbegin(); it != place.history.rend() && it->resource_version > version; ++it) {
    const std::string& key = it->after->key;
    if (key < from || (!to.empty() && key >= to)) continue;
    if (it->before) {
      then.insert_or_assign(key, it->before);
    } else {
      then.erase(key);
    }
  }
  for (auto& [key, stored] : then) out.push_back(std::move(stored));
  return out;
}

Outcome<RawList> Core::list(const Kind& kind, const Filter& filter, const ListOptions& options,
                            VersionMatch match) const {
  const auto wanted = parse_version(options.resource_version);
  if (!wanted) return wanted.status();
  std::optional<ContinueToken> token;
  if (!options.continue_token.empty()) {
    auto parsed = ContinueToken::parse(options.continue_token);
    if (!parsed)
      return statuses::bad_request("invalid continue token: continue key is not valid: " + parsed.error().message());
    token = *std::move(parsed);
  }
  std::string from = filter.ns().empty() ? "" : filter.ns() + "/";
  const std::string to = filter.ns().empty() ? "" : filter.ns() + "0";  // '0' follows '/'
  if (token && token->start > from) from = token->start;
  const std::shared_lock lock(mutex_);
  if (*wanted > committed_) return statuses::too_large_resource_version(*wanted, committed_);
  std::uint64_t version = committed_;
  if (token && token->resource_version > 0) version = token->resource_version;
  if (!token && match == VersionMatch::kExact) version = *wanted;
  auto range = range_at(shelf(kind), from, to, version);
  if (!range) {
    if (!token) return statuses::expired("The resourceVersion for the provided list is too old.");
    return too_old_token(ContinueToken{0, token->start}.text());
  }
  RawList out;
  out.resource_version = version;
  std::vector<StoredPtr>& all = *range;
  std::size_t next = 0;
  for (; next < all.size(); ++next) {
    if (options.limit > 0 && out.items.size() == options.limit) break;
    if (filter.matches(*all[next])) out.items.push_back(std::move(all[next]));
  }
  // As Kubernetes: the rest is known to hold something only when it has been looked at.
  const bool more = std::any_of(all.begin() + static_cast<std::ptrdiff_t>(next), all.end(),
                                [&filter](const StoredPtr& stored) { return filter.matches(*stored); });
  if (more) {
    out.continue_token = ContinueToken{version, out.items.back()->key + '\0'}.text();
    if (filter.selects_all()) out.remaining = static_cast<std::int64_t>(all.size() - next);
  }
  return out;
}

Outcome<std::shared_ptr<WatchCursor>> Core::watch(const Kind& kind, Filter filter, const WatchOptions& options) {
  const auto wanted = parse_version(options.resource_version);
  if (!wanted) return wanted.status();
  if (watches() >= options_.max_watches) {
    return statuses::too_many_requests("too many watches are open, please try again later", 5);
  }
  const auto cursor = std::make_shared<WatchCursor>(*this, kind, std::move(filter), options);
  const std::unique_lock lock(mutex_);
  Shelf& place = shelf(kind);
  if (*wanted == 0 || options.send_initial_events) {
    if (*wanted > committed_) return statuses::too_large_resource_version(*wanted, committed_);
    cursor->position_ = committed_;
    cursor->initial_done_ = false;
    for (const auto& [key, stored] : place.objects) {
      if (cursor->filter_.matches(*stored)) cursor->initial_.push_back(stored);
    }
    std::reverse(cursor->initial_.begin(), cursor->initial_.end());
  } else {
    if (*wanted < place.forgotten) {
      return statuses::expired("too old resource version: " + std::to_string(*wanted) + " (" +
                               std::to_string(place.forgotten) + ")");
    }
    cursor->position_ = *wanted;
  }
  place.cursors.push_back(cursor);
  return cursor;
}

}  // namespace sedna::store::embedded
