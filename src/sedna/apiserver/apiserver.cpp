#include "sedna/apiserver/apiserver.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "sedna/apiserver/access.hpp"
#include "sedna/apiserver/face.hpp"
#include "sedna/apiserver/housekeeping.hpp"
#include "sedna/apiserver/state_folder.hpp"
#include "sedna/base/log.hpp"
#include "sedna/store/embedded/embedded_server.hpp"

namespace sedna::apiserver {
namespace {

constexpr std::size_t kMaxConnections = 2048;
constexpr std::size_t kMaxUnderWay = 1024;

store::embedded::EmbeddedOptions store_options(const StateFolder& folder) {
  return store::embedded::EmbeddedOptions(folder.database());
}

}  // namespace

struct Daemon::Impl {
  Impl(DaemonOptions o, metrics::Registry& r)
      : options(std::move(o)),
        registry(r),
        folder(options.state),
        store(open_store()),
        tokens(prepare_tokens()),
        face(store.engine(), registry, face_options()) {}

  /// The lock first: a second server must not even look at the database.
  store::embedded::EmbeddedOptions open_store() {
    folder.lock();
    return store_options(folder);
  }
  std::string prepare_tokens() {
    folder.token("admin", role_for("admin"));
    return folder.file("tokens");
  }
  FaceOptions face_options() {
    FaceOptions out;
    out.scratch = folder.file("");
    out.node_token = [this](const std::string& node) -> std::optional<std::string> {
      return folder.known_token("node-" + node);
    };
    return out;
  }
  std::uint16_t wanted_port() const;
  std::unique_ptr<serve::Server> listen(const std::string& host, std::uint16_t port, int descriptor);
  void write_kubeconfigs();

  const DaemonOptions options;
  metrics::Registry& registry;
  StateFolder folder;
  store::embedded::EmbeddedServer store;
  LiveTokens tokens;
  Face face;
  std::vector<std::unique_ptr<serve::Server>> servers;  ///< the user's first
  std::unique_ptr<Housekeeping> housekeeping;
  bool stopped = false;
};

std::uint16_t Daemon::Impl::wanted_port() const {
  if (options.port != 0) return options.port;
  std::ifstream in(folder.file("port"));
  unsigned port = 0;
  in >> port;
  return in && port < 65536 ? static_cast<std::uint16_t>(port) : 0;
}

std::unique_ptr<serve::Server> Daemon::Impl::listen(const std::string& host, std::uint16_t port, int descriptor) {
  serve::ServerOptions server_options;
  server_options.host = host;
  server_options.port = port;
  server_options.listen_fd = descriptor;
  server_options.tls.cert_file = folder.file("server.pem");
  server_options.tls.key_file = folder.file("server-key.pem");
  server_options.find_identity = [this](std::string_view token) { return tokens.find(token); };
  server_options.max_connections = kMaxConnections;
  server_options.max_queue = kMaxUnderWay;
  server_options.max_header = 64 * 1024;
  server_options.drain_timeout = std::chrono::seconds(10);
  server_options.access_log = options.access_log;
  server_options.server_name = "";
  server_options.not_found = core_error;
  auto server = std::make_unique<serve::Server>(std::move(server_options), registry);
  face.add_routes(*server);
  return server;
}

Daemon::Daemon(DaemonOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), registry)) {}

Daemon::~Daemon() {
  stop();
}

void Daemon::start() {
  Impl& impl = *impl_;
  std::vector<std::string> hosts{
      "127.0.0.1", "::1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"};
  hosts.insert(hosts.end(), impl.options.binds.begin(), impl.options.binds.end());
  impl.folder.issue_server_certificate(hosts);
  const std::uint16_t wanted = impl.wanted_port();
  impl.servers.push_back(impl.listen("127.0.0.1", wanted, impl.options.listen_fd));
  try {
    impl.servers.front()->start();
  } catch (const Error& error) {
    // Only the port used last time, which nobody asked for: another one does as well.
    if (impl.options.port != 0 || wanted == 0 || error.code() != ErrorCode::kUnavailable) throw;
    impl.servers.front() = impl.listen("127.0.0.1", 0, -1);
    impl.servers.front()->start();
  }
  const std::uint16_t port = impl.servers.front()->port();
  for (const std::string& host : impl.options.binds) {
    impl.servers.push_back(impl.listen(host, port, -1));
    impl.servers.back()->start();
  }
  identity::write_private(impl.folder.file("port"), std::to_string(port) + "\n");
  impl.write_kubeconfigs();
  impl.housekeeping = std::make_unique<Housekeeping>(impl.store.engine(), impl.registry);
}

void Daemon::Impl::write_kubeconfigs() {
  const std::string here = "https://127.0.0.1:" + std::to_string(servers.front()->port());
  const std::string inside = options.binds.empty() ? here : servers[1]->origin();
  folder.write_kubeconfig("admin", here);
  folder.write_kubeconfig("viewer", here);
  folder.write_kubeconfig("gm", inside);
  for (const std::string& node : options.nodes) {
    folder.write_kubeconfig("node-" + node, inside);
    folder.write_kubeconfig("lc-" + node, inside);
  }
  folder.refresh_kubeconfigs(inside);
}

store::ApiServer& Daemon::server() {
  return impl_->store;
}

std::string Daemon::url() const {
  return "https://127.0.0.1:" + std::to_string(impl_->servers.front()->port());
}

std::string Daemon::inside_url() const {
  return impl_->servers.size() > 1 ? impl_->servers[1]->origin() : url();
}

void Daemon::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  impl_->housekeeping.reset();
  for (const auto& server : impl_->servers) server->drain();
  // No write may answer on a connection that is gone.
  impl_->store.engine().core().close();
  impl_->servers.clear();
}

}  // namespace sedna::apiserver
