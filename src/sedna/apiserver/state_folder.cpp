#include "sedna/apiserver/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "sedna/apiserver/access.hpp"
#include "sedna/base/log.hpp"
#include "sedna/store/kube/kubeconfig.hpp"

namespace sedna::apiserver {
namespace {

namespace fs = std::filesystem;

constexpr auto kServerCertificateLifetime = std::chrono::hours(24 * 3650);
constexpr auto kLookAgain = std::chrono::milliseconds(200);

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return in ? text.str() : std::string();
}

/// Held while the token file is read and written.
class FileLock {
 public:
  explicit FileLock(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0) {
      throw Error(ErrorCode::kUnavailable, std::string("can't lock: ") + std::strerror(errno), path);
    }
  }
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

std::optional<std::string> token_in(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(std::string(name) + ":")) continue;
    const std::string_view rest = line.substr(name.size() + 1);
    return std::string(rest.substr(0, rest.find(':')));
  }
  return std::nullopt;
}

}  // namespace

std::string role_for(std::string_view name) {
  if (name == "admin") return std::string(kRoleAdmin);
  if (name == "gm") return std::string(kRoleController);
  if (name.starts_with("node-")) return std::string(kRoleNode);
  if (name.starts_with("lc-")) return std::string(kRoleWorker);
  return std::string(kRoleViewer);
}

StateFolder::StateFolder(const fs::path& path) : path_(fs::absolute(path)) {
  std::error_code error;
  const bool made = fs::create_directories(path_, error);
  if (!error && made) fs::permissions(path_, fs::perms::owner_all, error);
  if (!error) fs::create_directories(path_ / "kubeconfigs", error);
  if (!error) fs::permissions(path_ / "kubeconfigs", fs::perms::owner_all, error);
  if (error) throw Error(ErrorCode::kPermissionDenied, "can't make the state folder: " + error.message(), path_);
}

StateFolder::~StateFolder() {
  if (lock_ >= 0) ::close(lock_);
}

void StateFolder::lock() {
  const std::string path = file("apiserver.lock");
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) throw Error(ErrorCode::kPermissionDenied, std::strerror(errno), path);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorCode::kAlreadyExists, "another API server runs on this state folder", path_.string());
  }
}

std::string StateFolder::ca_pem() {
  return identity::CertificateAuthority::open(path_.string(), "Sedna home").certificate();
}

void StateFolder::issue_server_certificate(const std::vector<std::string>& hosts) {
  const auto authority = identity::CertificateAuthority::open(path_.string(), "Sedna home");
  identity::CertificateRequest request;
  request.name = "sedna-apiserver";
  request.hosts = hosts;
  request.lifetime = kServerCertificateLifetime;
  const identity::IssuedCertificate issued = authority.issue(request);
  identity::write_private(file("server.pem"), issued.certificate);
  identity::write_private(file("server-key.pem"), issued.key);
}

std::string StateFolder::token(const std::string& name, const std::string& role) {
  if (name.empty() || name.find_first_of(":\n #/") != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, "not a name that a token can have", name);
  }
  const FileLock held(file("tokens.lock"));
  const std::string path = file("tokens");
  std::string text = read_file(path);
  if (auto known = token_in(text, name)) return *std::move(known);
  std::string token = identity::new_token();
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += name + ":" + token + ":" + role + "\n";
  identity::write_private(path, text);
  return token;
}

std::string StateFolder::write_kubeconfig(const std::string& name, const std::string& server_url) {
  const std::string secret = token(name, role_for(name));
  store::KubeConfig config;
  config.server = server_url;
  config.ca_pem = ca_pem();
  config.token = secret;
  config.context = "sedna";
  const std::string path = name == "admin" ? file("kubeconfig") : file("kubeconfigs/" + name);
  identity::write_private(path, store::write_kube_config(config));
  return path;
}

std::optional<std::string> StateFolder::known_token(const std::string& name) const {
  return token_in(read_file(file("tokens")), name);
}

void StateFolder::refresh_kubeconfigs(const std::string& server_url) {
  for (const auto& entry : fs::directory_iterator(path_ / "kubeconfigs")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("node-") || name.starts_with("lc-")) write_kubeconfig(name, server_url);
  }
}

LiveTokens::LiveTokens(std::string path) : path_(std::move(path)) {
  reload();
}

void LiveTokens::reload() {
  std::error_code error;
  const auto changed = fs::last_write_time(path_, error);
  if (table_ && (error || changed == changed_)) return;
  auto loaded = identity::TokenTable::load(path_);
  if (!loaded) {
    if (!table_) throw Error(loaded.error());
    log::warning("the token file can't be read; the tokens known so far stay", {{"error", loaded.error().what()}});
    return;
  }
  changed_ = changed;
  table_ = std::make_shared<const identity::TokenTable>(*std::move(loaded));
}

std::optional<identity::Principal> LiveTokens::find(std::string_view token) {
  std::shared_ptr<const identity::TokenTable> table;
  {
    const std::lock_guard lock(mutex_);
    table = table_;
  }
  if (const identity::Principal* known = table->find(token)) return *known;
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < kLookAgain) return std::nullopt;
    looked_ = now;
    reload();
    table = table_;
  }
  const identity::Principal* known = table->find(token);
  return known == nullptr ? std::nullopt : std::optional<identity::Principal>(*known);
}

}  // namespace sedna::apiserver
