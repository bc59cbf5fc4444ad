#include "sedna/node/agent_server.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/api/object.hpp"
#include "sedna/identity/ca.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/log_reader.hpp"
#include "sedna/node/pod_runner.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::node {

namespace {

namespace asio = net::asio;
using serve::Request;
using serve::Response;

constexpr std::size_t kPiece = 64 * 1024;
/// A rotation renames and a move between folders is not seen: look again at least so often while following.
constexpr auto kLook = std::chrono::seconds(2);

/// The log as it is, and further while it grows, until the container has ended.
class FollowedLog final : public serve::BodyProducer {
 public:
  FollowedLog(AttemptPaths folder, LogOptions options, asio::any_io_executor executor)
      : folder_(std::move(folder)),
        reader_(folder_.log(), options),
        follow_(options.follow),
        watch_(executor),
        timer_(executor) {
    if (!follow_) return;
    const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) return;
    inotify_add_watch(fd, folder_.root.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF);
    watch_.assign(fd);
  }

  net::Task<Bytes> next() override {
    for (;;) {
      // Asked before reading: what was written before the end is then still read.
      const bool over = !follow_ || ended();
      auto text = reader_.next(kPiece);
      if (!text.empty()) co_return Bytes::from_string(std::move(text));
      if (over || reader_.full()) co_return Bytes();
      co_await changed();
    }
  }
  bool waits() const override { return follow_; }

 private:
  bool ended() const {
    std::error_code error;
    return std::filesystem::exists(folder_.exit(), error) || !std::filesystem::exists(folder_.root, error);
  }

  net::Task<void> changed() {
    boost::system::error_code error;
    timer_.expires_after(kLook);
    if (!watch_.is_open()) {
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
      co_return;
    }
    timer_.async_wait([this](boost::system::error_code cancelled) {
      if (!cancelled) watch_.cancel();
    });
    co_await watch_.async_wait(asio::posix::stream_descriptor::wait_read,
                               asio::redirect_error(asio::use_awaitable, error));
    timer_.cancel();
    std::array<char, 4096> events{};
    while (::read(watch_.native_handle(), events.data(), events.size()) > 0) {
    }
  }

  const AttemptPaths folder_;
  LogReader reader_;
  const bool follow_;
  asio::posix::stream_descriptor watch_;
  asio::steady_timer timer_;
};

std::optional<std::int64_t> number(const Request& request, std::string_view name) {
  const auto text = request.query(name);
  std::int64_t out = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), out).ec != std::errc()) return std::nullopt;
  return out;
}

bool flag(const Request& request, std::string_view name) {
  const auto text = request.query(name);
  return text && (*text == "true" || *text == "1");
}

LogOptions read_options(const Request& request) {
  LogOptions out;
  out.follow = flag(request, "follow");
  out.previous = flag(request, "previous");
  out.timestamps = flag(request, "timestamps");
  out.tail_lines = number(request, "tailLines");
  if (const auto limit = number(request, "limitBytes"); limit && *limit > 0)
    out.limit_bytes = static_cast<std::uint64_t>(*limit);
  if (const auto seconds = number(request, "sinceSeconds"))
    out.since = api::format_time(SystemClock::now() - std::chrono::seconds(*seconds));
  if (const auto time = request.query("sinceTime")) {
    const auto decoded = net::percent_decode(*time);
    const auto at = decoded ? api::parse_time(*decoded) : std::nullopt;
    if (at) out.since = api::format_time(*at);
  }
  return out;
}

}  // namespace

struct AgentServer::Impl {
  Impl(const NodePaths& node_paths, AgentServerOptions o, FindPod f, metrics::Registry& registry)
      : paths(node_paths), options(std::move(o)), find(std::move(f)) {
    make_certificate();
    serve::ServerOptions server_options;
    server_options.host = options.host;
    server_options.port = options.port;
    server_options.tls.cert_file = paths.certificate().string();
    server_options.tls.key_file = paths.key().string();
    server_options.token_file = (paths.node / "agent-tokens").string();
    identity::write_private(
        server_options.token_file,
        "apiserver:" + (options.token.empty() ? identity::new_token() : options.token) + ":apiserver\n");
    server_options.access_log = false;
    server_options.max_connections = 256;
    server = std::make_unique<serve::Server>(server_options, registry);
    serve::RouteOptions route;
    route.long_lived = true;
    route.roles = {"apiserver"};
    server->route(
        "GET", "/containerLogs/{ns}/{pod}/{container}",
        [this](Request& request) -> net::Task<Response> { return logs(request); }, route);
  }

  /// Self-signed by an authority of its own that nobody else has; the Node's annotation says to trust it.
  void make_certificate() {
    make_folder(paths.node);
    const auto kept = read_file(paths.certificate());
    const auto address = read_file(paths.node / "agent-address");
    if (kept && address == options.host && read_file(paths.key())) {
      certificate = *kept;
      return;
    }
    auto authority = identity::CertificateAuthority::create("sedna node " + options.node_name);
    identity::CertificateRequest request;
    request.name = options.node_name;
    request.hosts = {options.node_name, options.host};
    request.lifetime = std::chrono::hours(24 * 3650);
    const auto issued = authority.issue(request);
    identity::write_private(paths.key().string(), issued.key);
    identity::write_private(paths.certificate().string(), issued.certificate);
    write_file(paths.node / "agent-address", options.host);
    certificate = issued.certificate;
  }

  net::Task<Response> logs(Request& request) {
    const auto pod = find(request.params[0], request.params[1]);
    if (!pod) co_return Response::text(404, "pod " + request.params[1] + " is not on this node\n");
    const std::string& container = request.params[2];
    if (container.find('/') != std::string::npos || container.starts_with('.'))
      co_return Response::text(400, "not a container's name\n");
    const auto options_read = read_options(request);
    auto attempt = PodRunner::newest_attempt(*pod, container);
    if (attempt && options_read.previous) attempt = *attempt - 1;
    const auto folder = AttemptPaths(*pod, container, attempt.value_or(0));
    std::error_code error;
    if (!attempt || !std::filesystem::exists(folder.log(), error)) {
      if (options_read.previous)
        co_return Response::text(400, "previous terminated container \"" + container + "\" in pod \"" +
                                          request.params[1] + "\" not found\n");
      co_return Response::text(400, "container \"" + container + "\" in pod \"" + request.params[1] +
                                        "\" is waiting to start: it has not run yet\n");
    }
    Response response;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.producer = std::make_shared<FollowedLog>(folder, options_read, request.executor);
    co_return response;
  }

  const NodePaths paths;
  const AgentServerOptions options;
  const FindPod find;
  std::string certificate;
  std::unique_ptr<serve::Server> server;
};

AgentServer::AgentServer(const NodePaths& paths, AgentServerOptions options, FindPod find, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(paths, std::move(options), std::move(find), registry)) {}

AgentServer::~AgentServer() = default;

void AgentServer::start() {
  impl_->server->start();
}

void AgentServer::stop() {
  impl_->server->stop();
}

std::uint16_t AgentServer::port() const {
  return impl_->server->port();
}

std::string AgentServer::origin() const {
  return impl_->server->origin();
}

const std::string& AgentServer::certificate() const {
  return impl_->certificate;
}

}  // namespace sedna::node
