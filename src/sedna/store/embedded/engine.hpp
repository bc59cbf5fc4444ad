// The embedded API server without a face: what create, change and remove mean, on top of the core's versions. Answers
// come by callback, so that a server with many clients needs no thread a write. Used by EmbeddedServer (in process) and
// by module apiserver (HTTP).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/store/embedded/core.hpp"
#include "sedna/store/embedded/strategy.hpp"

namespace sedna::store::embedded {

struct EngineOptions {
  EngineOptions() {}
  CoreOptions core;
  std::size_t max_object = 1536 * 1024;  ///< of an object's text
  const Clock* clock = &Clock::real();
};

/// Thread-safe. `done` is called exactly once, on the caller's thread or the writer's; it must be quick. Warnings
/// (WriteOptions) are filled before the call returns.
class Engine {
 public:
  using Done = Core::Done;
  /// What an object shall become; called again when somebody else was faster. A failure is the answer.
  /// For an object that was sent whole, `current` is empty when there is none.
  using Change = std::function<Outcome<Object>(const Object& current)>;

  /// Where a changed object comes from: what is wrong with the shape of a patched one is said of the patch.
  enum class Source : std::uint8_t { kBody, kPatch };

  /// Makes the namespaces every cluster has.
  explicit Engine(EngineOptions options);

  Core& core() { return core_; }
  const Core& core() const { return core_; }

  Outcome<StoredPtr> get(const Kind& kind, std::string_view ns, std::string_view name) const;
  Outcome<RawList> list(const Kind& kind, const ListOptions& options, VersionMatch match = VersionMatch::kUnset) const;
  Outcome<std::shared_ptr<WatchCursor>> watch(const Kind& kind, const WatchOptions& options);

  /// `ns`: the namespace of the request; "" takes the object's own.
  void create(const Kind& kind, std::string_view ns, Object object, const WriteOptions& options, Done done);
  void modify(const Kind& kind, std::string_view ns, std::string_view name, Part part, Source source,
              const Change& change, const WriteOptions& options, Done done);
  void remove(const Kind& kind, std::string_view ns, std::string_view name, const DeleteOptions& options, Done done);

  /// The change that an update is: `sent` over whatever is there, when its resourceVersion is the current one.
  static Change replacement(const Kind& kind, Object sent);

 private:
  /// Prunes and defaults; unknown fields are refused or told.
  std::optional<Status> shape(const Kind& kind, Source source, Object& object, const WriteOptions& options) const;
  static std::optional<Status> check(const Kind& kind, const Object& object, const Object* old);
  std::optional<Status> check_namespace(const Kind& kind, std::string_view ns, std::string_view name) const;
  std::optional<Status> check_size(const Stored& stored) const;
  void create_attempt(const Kind& kind, Object object, const WriteOptions& options, int attempts, Done done);
  void make_by_update(const Kind& kind, std::string_view ns, std::string_view name, Object sent,
                      const WriteOptions& options, Done done);
  void modify_attempt(const Kind& kind, const std::string& key, const StoredPtr& base, Part part, Object next,
                      const WriteOptions& options, const Done& done, bool& raced);

  const EngineOptions options_;
  Core core_;
};

}  // namespace sedna::store::embedded
