#include "sedna/apiserver/face.hpp"

#include <unistd.h>

#include <array>

#include "sedna/apiserver/access.hpp"
#include "sedna/apiserver/discovery.hpp"
#include "sedna/apiserver/openapi.hpp"
#include "sedna/apiserver/request_body.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/serve/file_response.hpp"
#include "sedna/serve/offload.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::apiserver {
namespace {

using serve::Response;
namespace statuses = store::statuses;

constexpr std::string_view kBackupPath = "/backup";

/// What Kubernetes has and this server does not, with what to do instead.
std::optional<store::Status> known_absence(std::string_view path) {
  struct Absence {
    std::string_view part, why;
  };
  static constexpr std::array<Absence, 6> kAbsences{{
      {"/apis/apiextensions.k8s.io",
       "the embedded API server has a fixed set of kinds: CustomResourceDefinitions are "
       "not available (the Sedna kinds are built in)"},
      {"/apis/rbac.authorization.k8s.io",
       "the embedded API server has fixed roles (admin, controller, node, worker, viewer): RBAC objects are not "
       "available"},
      {"/apis/apps/v1/namespaces/*/replicasets",
       "ReplicaSets are not available on the embedded API server: Deployments own their Pods directly, and a rollout "
       "is "
       "undone by applying the manifest of before"},
      {"/exec", "exec is not available on the embedded API server"},
      {"/attach", "attach is not available on the embedded API server"},
      {"/portforward", "port-forward is not available on the embedded API server: use sedna port-forward"},
  }};
  for (const Absence& absence : kAbsences) {
    const std::size_t star = absence.part.find('*');
    const bool within = star != std::string_view::npos && path.starts_with(absence.part.substr(0, star)) &&
                        path.find(absence.part.substr(star + 1)) != std::string_view::npos;
    const bool group = absence.part.starts_with("/apis");
    if (within ||
        (group ? path.starts_with(absence.part) : path.starts_with("/api/") && path.ends_with(absence.part))) {
      store::Status status = statuses::no_such_path();
      status.message = absence.why;
      return status;
    }
  }
  return std::nullopt;
}

std::string_view path_of(const serve::Request& request) {
  return std::string_view(request.target).substr(0, request.target.find('?'));
}

net::Task<Response> ready(Response response) {
  co_return response;
}

}  // namespace

Face::Face(store::embedded::Engine& engine, metrics::Registry& registry, FaceOptions options)
    : engine_(engine),
      figures_(registry),
      options_(std::move(options)),
      resources_(engine),
      proxy_(engine, options_.node_token),
      disk_([&registry] {
        serve::OffloadOptions pool;
        pool.name = "backup";
        pool.registry = &registry;
        return pool;
      }()) {}

void Face::add_routes(serve::Server& server) {
  serve::RouteOptions options;
  options.max_body = kMaxBody;
  options.error_body = core_error;
  options.metric_name = "api";
  serve::RouteOptions health;
  health.anonymous = true;
  health.uncounted = true;
  server.route("GET", "/readyz", [this](serve::Request& request) { return readiness(request); }, health);
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    server.route(method, "/{path...}", [this](serve::Request& request) { return answer(request); }, options);
  }
}

net::Task<Response> Face::readiness(serve::Request&) const {
  const std::string trouble = engine_.core().trouble();
  co_return trouble.empty() ? Response::text(200, "ok") : Response::text(503, "the store fails: " + trouble + "\n");
}

// No coroutine itself, nor is Resources::handle(): each in the chain costs an allocation of more than a kilobyte.
net::Task<Response> Face::answer(serve::Request& request) {
  const std::string_view path = path_of(request);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (path == kBackupPath && request.method == "GET") return backup(request);
  if (reads) {
    if (auto response = discovery_response(path, request.headers.get("Accept"))) return ready(*std::move(response));
    if (auto response = openapi_response(path)) return ready(*std::move(response));
  }
  const std::size_t mark = request.target.find('?');
  auto query = Query::parse(mark == std::string::npos ? "" : std::string_view(request.target).substr(mark + 1));
  if (!query) return ready(status_response(statuses::bad_request(query.error().what())));
  auto target = reads ? PodProxy::node_target(path) : std::nullopt;
  if (target) {
    RequestInfo asked;
    asked.kind = &api::kinds::kNode;
    asked.name = target->node;
    asked.subresource = "proxy";
    asked.method = request.method;
    if (auto refused = check_access(request.identity, asked, engine_)) return ready(status_response(*refused));
    return proxy_.node(*std::move(target));
  }
  auto info = parse_request(request.method, path, *query);
  if (!info) {
    const auto absence = known_absence(path);
    return ready(status_response(absence ? *absence : statuses::no_such_path()));
  }
  return dispatch(request, *std::move(info));
}

net::Task<Response> Face::dispatch(serve::Request& request, RequestInfo info) {
  const auto since = SteadyClock::now();
  const Kind& kind = *info.kind;
  const Verb verb = info.verb;
  Response response;
  if (auto refused = check_access(request.identity, info, engine_)) {
    response = status_response(*refused);
  } else if (auto absence = known_absence(path_of(request))) {
    response = status_response(*absence);
  } else if (info.kind == &api::kinds::kPod && info.subresource == "log" && info.verb == Verb::kGet) {
    response = co_await proxy_.logs(std::move(info));
  } else {
    response = co_await resources_.handle(request, std::move(info));
  }
  figures_.count(kind, verb, response.status, SteadyClock::now() - since);
  co_return response;
}

net::Task<Response> Face::backup(serve::Request& request) {
  if (!request.identity.has_role(kRoleAdmin)) {
    store::Status status = store::Status::from_json({}, 403);
    status.message = "a backup holds every Secret: only admin may make one";
    co_return status_response(status);
  }
  // The copy's name goes at once; the answer reads the open file.
  const std::string path = options_.scratch + "/backup-" + random_hex(8) + ".db";
  const auto make = [this, path] { engine_.core().backup(path); };
  co_await disk_.run(make);
  Response response = serve::file_response(request, path, "application/vnd.sqlite3");
  ::unlink(path.c_str());
  log::info("a backup was made", {{"by", request.identity.name}});
  co_return response;
}

}  // namespace sedna::apiserver
