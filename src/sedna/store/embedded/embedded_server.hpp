// The embedded home's API server in process: store::ApiServer on one SQLite file (or in memory). The daemon
// sedna-apiserver puts Kubernetes' HTTP face on it; controllers' tests use it as it is:
//
//   store::embedded::EmbeddedServer server;              // in memory, gone with the object
//   server.create(api::kinds::kConfigMap, object);
#pragma once

#include <memory>
#include <string>

#include "sedna/store/api_server.hpp"

namespace sedna::store::embedded {

class Engine;

struct EmbeddedOptions {
  EmbeddedOptions() {}
  explicit EmbeddedOptions(std::string database) : path(std::move(database)) {}
  std::string path = ":memory:";
  std::size_t history_events = 4096;  ///< changes kept a kind, for watches; older ones answer 410
  const Clock* clock = &Clock::real();
};

/// Thread-safe. Watches may outlive it: they end.
class EmbeddedServer final : public ApiServer {
 public:
  /// Throws Error when the file can't be opened or is damaged; the message says how to restore.
  explicit EmbeddedServer(EmbeddedOptions options = {});
  ~EmbeddedServer() override;

  Outcome<Object> get(const Kind& kind, std::string_view ns, std::string_view name) override;
  Outcome<ListResult> list(const Kind& kind, const ListOptions& options) override;
  Outcome<std::unique_ptr<Watch>> watch(const Kind& kind, const WatchOptions& options) override;
  Outcome<Object> create(const Kind& kind, const Object& object, const WriteOptions& options) override;
  Outcome<Object> update(const Kind& kind, const Object& object, const WriteOptions& options) override;
  Outcome<Object> update_status(const Kind& kind, const Object& object, const WriteOptions& options) override;
  Outcome<Object> merge_patch(const Kind& kind, std::string_view ns, std::string_view name, const MergePatch& patch,
                              const WriteOptions& options) override;
  Outcome<Object> merge_patch_status(const Kind& kind, std::string_view ns, std::string_view name,
                                     const MergePatch& patch, const WriteOptions& options) override;
  Outcome<Object> remove(const Kind& kind, std::string_view ns, std::string_view name,
                         const DeleteOptions& options) override;

  Engine& engine() { return *engine_; }
  /// A whole copy of the database, made while the server works. Throws Error.
  void backup(const std::string& path);

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace sedna::store::embedded
