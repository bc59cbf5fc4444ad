// store::ApiServer over HTTPS: the client of a Kubernetes API server and of the embedded one, which speaks the same
// paths. Controllers, node agents and the CLI hold one and share it between their threads.
#pragma once

#include <memory>
#include <string>

#include "sedna/net/http_client.hpp"
#include "sedna/store/api_server.hpp"
#include "sedna/store/kube/kubeconfig.hpp"

namespace sedna::store {

struct KubeClientOptions {
  KubeClientOptions() {}
  std::string user_agent = "sedna/0.1";
  SteadyClock::duration timeout =
      std::chrono::seconds(30);  ///< of one request (a page of a list), retries and waits included
  /// A watch on which nothing came for so long, not even a bookmark (servers send one about every minute), has ended.
  SteadyClock::duration watch_stall = std::chrono::seconds(150);
  std::size_t page_size = 500;  ///< lists without a limit are fetched in pages of so many
  std::size_t max_body = std::size_t{64} << 20;
  std::size_t max_event = std::size_t{8} << 20;  ///< one line of a watch
  std::size_t max_idle_connections = 8;
};

/// Thread-safe. A server that does not answer is a Status of code 503 (504 past the timeout) with reason
/// ServiceUnavailable (Timeout); Status::may_have_executed then says whether the request can have been carried out.
/// 429, and 503 with Retry-After, are waited for and tried again within the timeout.
class KubeClient final : public ApiServer {
 public:
  /// Throws Error for an unusable configuration (TLS files, URL, a token for a server without TLS beyond loopback).
  explicit KubeClient(KubeConfig config, KubeClientOptions options = {});
  ~KubeClient() override;

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
  /// What a server answers with a bare success (custom resources) becomes an object of names and uid only.
  Outcome<Object> remove(const Kind& kind, std::string_view ns, std::string_view name,
                         const DeleteOptions& options) override;

  /// Any patch of an object or of one of its subresources; for the CLI (controllers use merge patches).
  Outcome<Object> patch(const Kind& kind, std::string_view ns, std::string_view name, std::string_view subresource,
                        PatchType type, const json::value& body, const WriteOptions& options = {});
  /// An exchange as it is: discovery, /version, logs, tables. Authenticated like every other; `request.target` begins
  /// with "/". Answers of 400 and above are Statuses.
  Outcome<net::HttpResponse> raw(const net::HttpRequest& request);
  /// The same for an answer that has no end (logs that are followed).
  Outcome<std::unique_ptr<net::HttpStream>> open(const net::HttpRequest& request);

  /// Ends every watch and every wait for a retry; further calls answer ServiceUnavailable. From any thread, for a
  /// program that is told to end.
  void shutdown();

  const KubeConfig& config() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::store
