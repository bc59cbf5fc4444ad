// An ApiServer that misbehaves when a test says so, in front of one that works. For tests of everything that talks to
// the API server.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sedna/store/api_server.hpp"

namespace sedna::control::testing {

/// Passes calls on. Before each, `on_call(verb, kind)` may answer with a status instead, or throw: the process "dies".
class FaultyServer final : public store::ApiServer {
 public:
  using Object = api::Object;
  using Kind = api::Kind;
  explicit FaultyServer(store::ApiServer& under) : under_(under) {}

  std::function<std::optional<store::Status>(std::string_view verb, const Kind& kind)> on_call;
  std::atomic<int> calls{0}, writes{0};

  static store::Status unavailable() {
    store::Status status;
    status.code = 503;
    status.reason = "ServiceUnavailable";
    status.message = "the test says so";
    return status;
  }
  static store::Status expired() {
    store::Status status;
    status.code = 410;
    status.reason = "Expired";
    status.message = "too old resource version";
    return status;
  }

  store::Outcome<Object> get(const Kind& kind, std::string_view ns, std::string_view name) override {
    if (auto status = ask("get", kind)) return *status;
    return under_.get(kind, ns, name);
  }
  store::Outcome<store::ListResult> list(const Kind& kind, const store::ListOptions& options) override {
    if (auto status = ask("list", kind)) return *status;
    return under_.list(kind, options);
  }
  store::Outcome<std::unique_ptr<store::Watch>> watch(const Kind& kind, const store::WatchOptions& options) override {
    if (auto status = ask("watch", kind)) return *status;
    return under_.watch(kind, options);
  }
  store::Outcome<Object> create(const Kind& kind, const Object& object, const store::WriteOptions& options) override {
    if (auto status = ask("create", kind)) return *status;
    return under_.create(kind, object, options);
  }
  store::Outcome<Object> update(const Kind& kind, const Object& object, const store::WriteOptions& options) override {
    if (auto status = ask("update", kind)) return *status;
    return under_.update(kind, object, options);
  }
  store::Outcome<Object> update_status(const Kind& kind, const Object& object,
                                       const store::WriteOptions& options) override {
    if (auto status = ask("update_status", kind)) return *status;
    return under_.update_status(kind, object, options);
  }
  store::Outcome<Object> merge_patch(const Kind& kind, std::string_view ns, std::string_view name,
                                     const store::MergePatch& patch, const store::WriteOptions& options) override {
    if (auto status = ask("merge_patch", kind)) return *status;
    return under_.merge_patch(kind, ns, name, patch, options);
  }
  store::Outcome<Object> merge_patch_status(const Kind& kind, std::string_view ns, std::string_view name,
                                            const store::MergePatch& patch,
                                            const store::WriteOptions& options) override {
    if (auto status = ask("merge_patch_status", kind)) return *status;
    return under_.merge_patch_status(kind, ns, name, patch, options);
  }
  store::Outcome<Object> remove(const Kind& kind, std::string_view ns, std::string_view name,
                                const store::DeleteOptions& options) override {
    if (auto status = ask("remove", kind)) return *status;
    return under_.remove(kind, ns, name, options);
  }

 private:
  std::optional<store::Status> ask(std::string_view verb, const Kind& kind) {
    ++calls;
    if (verb != "get" && verb != "list" && verb != "watch") ++writes;
    return on_call ? on_call(verb, kind) : std::nullopt;
  }
  store::ApiServer& under_;
};

}  // namespace sedna::control::testing
