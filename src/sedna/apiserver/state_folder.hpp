// The API server's part of a home's state folder: the authority, the tokens and the kubeconfigs made from them. Used by
// sedna-apiserver when it starts, and by whoever adds a node later (sedna-apiserver kubeconfig).
//
//   DIR/ca.pem, ca-key.pem (0600)     the authority every client trusts
//   DIR/server.pem, server-key.pem    what the server shows; made anew at each start
//   DIR/tokens (0600)                 name:token:roles, one a line; read again when it changes
//   DIR/kubeconfig (0600)             the administrator's
//   DIR/kubeconfigs/NAME (0600)       gm, node-N, lc-N, viewer
//   DIR/objects.db                    every object (store/embedded/database.hpp)
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/identity/ca.hpp"
#include "sedna/identity/principal.hpp"
#include "sedna/identity/token_table.hpp"

namespace sedna::apiserver {

class StateFolder {
 public:
  /// Opens or makes the folder (0700). Throws Error: kAlreadyExists when another server has it.
  explicit StateFolder(const std::filesystem::path& path);
  ~StateFolder();
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  std::string file(std::string_view name) const { return (path_ / name).string(); }
  std::string database() const { return file("objects.db"); }

  /// One server at a time. Throws Error(kAlreadyExists).
  void lock();
  /// A certificate for these names and addresses, in server.pem and server-key.pem.
  void issue_server_certificate(const std::vector<std::string>& hosts);
  /// The token of `name`, made with this role when there is none. Durable. Safe against another process doing the same.
  std::string token(const std::string& name, const std::string& role);
  /// The token of `name` when there is one.
  std::optional<std::string> known_token(const std::string& name) const;
  /// Rewrites the kubeconfigs of nodes and local controllers that exist: the server's address may have changed.
  void refresh_kubeconfigs(const std::string& server_url);
  /// Writes the kubeconfig of `name` (its token is made when there is none); returns its path. "admin" is the home's
  /// own.
  std::string write_kubeconfig(const std::string& name, const std::string& server_url);

 private:
  std::string ca_pem();

  std::filesystem::path path_;
  int lock_ = -1;
};

/// "admin" → admin, "gm" → controller, "node-…" → node, "lc-…" → worker, everything else viewer.
std::string role_for(std::string_view name);

/// The token file as it is now: read again when it has changed and a token is asked for that is not in it.
/// Thread-safe.
class LiveTokens {
 public:
  explicit LiveTokens(std::string path);
  std::optional<identity::Principal> find(std::string_view token);

 private:
  void reload();

  const std::string path_;
  std::mutex mutex_;
  std::shared_ptr<const identity::TokenTable> table_;
  std::filesystem::file_time_type changed_{};
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace sedna::apiserver
