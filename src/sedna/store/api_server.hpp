// The one small interface that every controller talks to (architecture, decision 1). Two implementations: a Kubernetes
// API server over HTTPS (kube/), and the embedded one on SQLite (embedded/). tests/conformance runs the same cases
// against both; where they differ, the embedded one is wrong.
//
// Calls block (at most their deadline) and are thread-safe. Answers of the server are Outcomes; nothing throws for an
// outside cause.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/base/clock.hpp"
#include "sedna/store/outcome.hpp"

namespace sedna::store {

using api::Kind;
using api::Object;

struct ListOptions {
  ListOptions() {}
  std::string ns;              ///< "": all namespaces
  std::string label_selector;  ///< Kubernetes' syntax: "a=b,c in (d,e),!f"
  std::string field_selector;  ///< "metadata.name=x,spec.nodeName=edge0"
  std::size_t limit = 0;       ///< 0: all at once
  std::string continue_token;
  std::string resource_version;  ///< "": the newest; "0": any
};

struct ListResult {
  std::vector<Object> items;     ///< each with apiVersion and kind
  std::string resource_version;  ///< watch from here
  std::string continue_token;
  std::optional<std::int64_t> remaining;
};

struct WatchOptions {
  WatchOptions() {}
  std::string ns;
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;      ///< events after this; "": from now on
  bool send_initial_events = false;  ///< WatchList: what exists first, then a bookmark with initial_events_end
  bool bookmarks = true;
  SteadyClock::duration timeout = std::chrono::minutes(5);  ///< the server ends the watch then; not an error
};

struct WatchEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kAdded;
  Object object;                    ///< of a bookmark: only metadata.resourceVersion
  bool initial_events_end = false;  ///< the bookmark that ends the initial events
  Status status;                    ///< kError: 410 Expired means list again
};

/// A stream of events, in order. One reader; stop() from any thread.
class Watch {
 public:
  virtual ~Watch() = default;
  /// The next event; nothing when the watch has ended (its timeout, stop(), or a lost link: go on with a new watch from
  /// the last resourceVersion seen) or when the deadline passed (then ended() is false).
  virtual std::optional<WatchEvent> next(Deadline deadline) = 0;
  virtual bool ended() const = 0;
  virtual void stop() = 0;
};

enum class FieldValidation : std::uint8_t { kIgnore, kWarn, kStrict };

struct WriteOptions {
  WriteOptions() {}
  bool dry_run = false;
  FieldValidation field_validation = FieldValidation::kWarn;
  std::string field_manager = "sedna";
  std::vector<std::string>* warnings = nullptr;  ///< unknown fields, when asked for
};

struct DeleteOptions {
  DeleteOptions() {}
  std::string uid;               ///< precondition
  std::string resource_version;  ///< precondition
  std::optional<std::int64_t> grace_period_seconds;
  enum class Propagation : std::uint8_t { kBackground, kForeground, kOrphan } propagation = Propagation::kBackground;
  bool dry_run = false;
};

/// RFC 7386. A merge patch replaces lists whole, so one that holds a list (finalizers, conditions, ownerReferences)
/// must say which version it was made from: the constructor refuses (SEDNA_CHECK) a list without one.
class MergePatch {
 public:
  explicit MergePatch(json::object body);
  MergePatch(json::object body, std::string_view resource_version);
  const json::object& body() const { return body_; }

 private:
  json::object body_;
};

enum class PatchType : std::uint8_t { kMerge, kJson, kStrategic };

class ApiServer {
 public:
  virtual ~ApiServer() = default;

  virtual Outcome<Object> get(const Kind& kind, std::string_view ns, std::string_view name) = 0;
  virtual Outcome<ListResult> list(const Kind& kind, const ListOptions& options = {}) = 0;
  /// Starts a watch; 410 when the resourceVersion is no longer retained.
  virtual Outcome<std::unique_ptr<Watch>> watch(const Kind& kind, const WatchOptions& options = {}) = 0;
  /// metadata.generateName works as in Kubernetes. The answer is the object as stored.
  virtual Outcome<Object> create(const Kind& kind, const Object& object, const WriteOptions& options = {}) = 0;
  /// Replaces spec and metadata; metadata.resourceVersion, when present, must be the current one (409 Conflict).
  virtual Outcome<Object> update(const Kind& kind, const Object& object, const WriteOptions& options = {}) = 0;
  /// Replaces status only.
  virtual Outcome<Object> update_status(const Kind& kind, const Object& object, const WriteOptions& options = {}) = 0;
  virtual Outcome<Object> merge_patch(const Kind& kind, std::string_view ns, std::string_view name,
                                      const MergePatch& patch, const WriteOptions& options = {}) = 0;
  virtual Outcome<Object> merge_patch_status(const Kind& kind, std::string_view ns, std::string_view name,
                                             const MergePatch& patch, const WriteOptions& options = {}) = 0;
  /// The object as it was last seen: gone now, or with deletionTimestamp while finalizers are left.
  virtual Outcome<Object> remove(const Kind& kind, std::string_view ns, std::string_view name,
                                 const DeleteOptions& options = {}) = 0;
};

}  // namespace sedna::store
