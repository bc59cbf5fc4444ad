#include "sedna/lc/local_controller.hpp"

#include <filesystem>

#include "sedna/base/log.hpp"
#include "sedna/lc/unix_relay.hpp"
#include "sedna/lc/worker_reports.hpp"
#include "sedna/serve/offload.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::lc {

namespace {

constexpr std::size_t kMaxReport = std::size_t{1} << 20;

/// Upstream's form of answers: {"Status":200,"Message":"OK"}.
serve::Response answer(int status, std::string_view message) {
  std::string text = "{\"Status\":" + std::to_string(status) + ",\"Message\":";
  json::append_string(text, message);
  text.push_back('}');
  return serve::Response::json(status, std::move(text));
}

journal::JournalOptions journal_options(const std::string& path) {
  journal::JournalOptions options;
  options.path = path;
  return options;
}

/// The folder of its files exists before the first of them is opened.
Paths prepared(Paths paths) {
  const auto folder = std::filesystem::path(paths.own).parent_path();
  std::error_code error;
  if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
    journal::FileSystem::posix().make_folder(folder.string());
  }
  return paths;
}

}  // namespace

struct LocalController::Impl {
  Impl(LocalControllerOptions o, metrics::Registry& r)
      : options(std::move(o)),
        registry(r),
        store(journal_options(prepared(options.paths).own)),
        facts(journal_options(options.paths.facts())),
        state(store),
        link(link_options(options), facts, state),
        monitor(state, store, options.paths, reporter(), options.data),
        reports(state, store, reporter(), registry),
        disk(disk_options(registry)),
        server(server_options(options), registry),
        connected_gauge(registry.gauge("sedna_lc_connected", "1 while GM is reached")),
        waiting_gauge(registry.gauge("sedna_lc_facts_waiting", "Facts that GM has not acknowledged")) {
    state.on_change([this](const link::StateKey& subject) { monitor.wake(subject); });
    state.on_synced([this] { monitor.report_all(); });
    state.on_link([this](bool up) { connected_gauge.set(up ? 1 : 0); });
  }

  Reporter reporter() {
    return [this](const link::StateKey& subject, std::string_view worker, const json::object& fact) {
      link.report(subject, worker, fact);
      waiting_gauge.set(static_cast<double>(link.waiting()));
    };
  }

  static link::LinkClientOptions link_options(const LocalControllerOptions& o) {
    link::LinkClientOptions out = o.link;
    out.node = o.node;
    return out;
  }

  static serve::OffloadOptions disk_options(metrics::Registry& registry) {
    serve::OffloadOptions out;
    out.name = "disk";
    out.registry = &registry;
    return out;
  }

  static serve::ServerOptions server_options(const LocalControllerOptions& o) {
    serve::ServerOptions out;
    out.host = o.bind;
    out.port = o.port;
    // Unmodified workers speak plain HTTP without identity (docs/compatibility/control-plane.md, exceptions).
    out.plaintext_beyond_loopback = true;
    out.access_log = false;
    out.max_body = kMaxReport;
    out.max_connections = 1024;
    out.drain_timeout = std::chrono::seconds(3);
    out.server_name = "sedna-lc";
    return out;
  }

  net::Task<serve::Response> take_report(serve::Request& request) {
    const std::string content_type(request.headers.get("Content-Type"));
    if (content_type.find("xml") != std::string::npos) {
      co_return answer(415, "reports are JSON here, not XML");
    }
    auto report = parse_worker_report(request.body.text());
    if (!report) co_return answer(400, report.error().what());
    if (report->name != request.params[0]) {
      co_return answer(
          400, "the name in the body is \"" + report->name + "\" and that in the path \"" + request.params[0] + "\"");
    }
    auto work = [this, r = std::move(*report)] {
      const std::string dropped = reports.take(r);
      if (!dropped.empty())
        log::info("a worker's report belongs to nothing here", {{"worker", r.name}, {"reason", dropped}});
    };
    co_await disk.run(std::move(work), request.deadline);
    co_return answer(200, "OK");  // also for what was passed over, as upstream answers
  }

  net::Task<serve::Response> tell_status(serve::Request& /*request*/) {
    json::object out{{"node", options.node}, {"connected", state.connected()}};
    if (const auto problem = state.problem(); !problem.empty()) out["problem"] = problem;
    out["waitingFacts"] = static_cast<std::int64_t>(link.waiting());
    json::object objects;
    for (const char* kind : {"Dataset", "Model", "JointInferenceService"}) {
      objects[kind] = static_cast<std::int64_t>(state.list(kind).size());
    }
    out["objects"] = std::move(objects);
    co_return serve::Response::json(200, json::write(out));
  }

  net::Task<serve::Response> tell_workers(serve::Request& /*request*/) {
    const json::object out{{"node", options.node}, {"workers", reports.latest()}};
    co_return serve::Response::json(200, json::write(out));
  }

  void start() {
    serve::RouteOptions open;
    open.anonymous = true;
    open.error_body = [](int status, const Error& error) { return answer(status, error.what()); };
    server.route("POST", "/sedna/workers/{name}/info", [this](serve::Request& q) { return take_report(q); }, open);
    server.route("GET", "/sedna/status", [this](serve::Request& q) { return tell_status(q); }, open);
    server.route("GET", "/sedna/workers", [this](serve::Request& q) { return tell_workers(q); }, open);
    server.start();
    if (options.unix_socket) {
      try {
        relay = std::make_unique<UnixRelay>(options.paths.socket(), options.bind, server.port());
      } catch (const std::exception& e) {
        // The port is the way that every worker knows.
        log::warning("no unix socket for workers", {{"reason", e.what()}});
      }
    }
    monitor.start();
    if (!options.link.gm_address.empty()) link.start();
  }

  void stop() {
    link.stop();
    monitor.stop();
    relay.reset();
    server.drain();
  }

  const LocalControllerOptions options;
  metrics::Registry& registry;
  journal::Journal store, facts;
  NodeState state;
  link::LinkClient link;
  DataMonitor monitor;
  WorkerReports reports;
  serve::Offload disk;
  serve::Server server;
  std::unique_ptr<UnixRelay> relay;
  metrics::Gauge& connected_gauge;
  metrics::Gauge& waiting_gauge;
};

LocalController::LocalController(LocalControllerOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), registry)) {}

LocalController::~LocalController() {
  stop();
}

void LocalController::start() {
  impl_->start();
}
void LocalController::stop() {
  impl_->stop();
}
std::uint16_t LocalController::port() const {
  return impl_->server.port();
}
bool LocalController::connected() const {
  return impl_->state.connected();
}

}  // namespace sedna::lc
