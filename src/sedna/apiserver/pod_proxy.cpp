#include "sedna/apiserver/pod_proxy.hpp"

#include <algorithm>

#include "sedna/apiserver/agent_stream.hpp"
#include "sedna/apiserver/answers.hpp"
#include "sedna/store/statuses.hpp"

namespace sedna::apiserver {
namespace {

using serve::Response;
namespace statuses = store::statuses;
namespace kinds = api::kinds;

constexpr auto kAgentDeadline = std::chrono::seconds(10);

constexpr auto kNodeDeadline = std::chrono::seconds(2);
constexpr std::string_view kLocalControllerPort = "9100";

std::string address_of(const api::Object& node) {
  std::string out;
  if (const json::array* all = api::array_at(node, {"status", "addresses"})) {
    for (const json::value& a : *all) {
      if (a.is_object() && api::string_at(a.get_object(), {"type"}) == "InternalIP") {
        out = api::string_at(a.get_object(), {"address"});
      }
    }
  }
  return out;
}

std::vector<std::string> container_names(const api::Object& pod, const char* list) {
  std::vector<std::string> names;
  if (const json::array* all = api::array_at(pod, {"spec", list})) {
    for (const json::value& c : *all) {
      if (c.is_object()) names.emplace_back(api::string_at(c.get_object(), {"name"}));
    }
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
  return out;
}

/// The container that the log is of, as kube-apiserver chooses it.
store::Outcome<std::string> container_of(const api::Object& pod, std::string_view wanted) {
  const auto containers = container_names(pod, "containers");
  const auto init = container_names(pod, "initContainers");
  const std::string name(api::name_of(pod));
  if (wanted.empty()) {
    if (containers.size() == 1) return containers.front();
    std::string message =
        "a container name must be specified for pod " + name + ", choose one of: [" + joined(containers) + "]";
    if (!init.empty()) message += " or one of the init containers: [" + joined(init) + "]";
    return statuses::bad_request(message);
  }
  for (const auto* list : {&containers, &init}) {
    if (std::find(list->begin(), list->end(), wanted) != list->end()) return std::string(wanted);
  }
  return statuses::bad_request("container " + std::string(wanted) + " is not valid for pod " + name);
}

}  // namespace

store::Outcome<AgentAddress> PodProxy::agent_of(const std::string& node) const {
  const auto found = engine_.get(kinds::kNode, {}, node);
  if (!found) return found.status();
  const api::Object object = (*found)->object();
  AgentAddress agent;
  agent.node = node;
  agent.host = address_of(object);
  const std::int64_t port = api::int_at(object, {"status", "daemonEndpoints", "kubeletEndpoint", "Port"});
  if (agent.host.empty() || port <= 0 || port > 65535) {
    return statuses::unavailable("the agent of node " + node + " has not said yet where it serves");
  }
  agent.port = static_cast<std::uint16_t>(port);
  agent.certificate = api::annotation(object, "sedna.io/agent-certificate").value_or("");
  auto token = node_token_ ? node_token_(node) : std::nullopt;
  if (!token) return statuses::unavailable("no token is known for node " + node);
  agent.token = *std::move(token);
  return agent;
}

std::optional<NodeTarget> PodProxy::node_target(std::string_view path) {
  constexpr std::string_view kNodes = "/api/v1/nodes/", kProxy = "/proxy";
  if (!path.starts_with(kNodes)) return std::nullopt;
  path.remove_prefix(kNodes.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view name = path.substr(0, slash), rest = path.substr(slash);
  if (!rest.starts_with(kProxy) || (rest.size() > kProxy.size() && rest[kProxy.size()] != '/')) return std::nullopt;
  NodeTarget out;
  const std::size_t colon = name.find(':');
  out.node = name.substr(0, colon);
  if (colon != std::string_view::npos) out.port = name.substr(colon + 1);
  out.path = rest.size() > kProxy.size() ? rest.substr(kProxy.size()) : "/";
  return out;
}

net::Task<Response> PodProxy::node(NodeTarget target) {
  if (target.port != kLocalControllerPort) {
    store::Status status = statuses::no_such_path();
    status.message = "of a node's ports the embedded API server passes on " + std::string(kLocalControllerPort) +
                     ", that of the local controller: use sedna port-forward for those of Pods";
    co_return status_response(status);
  }
  const auto found = engine_.get(kinds::kNode, {}, target.node);
  if (!found) co_return status_response(found.status());
  AgentAddress address;
  address.node = target.node;
  address.host = address_of((*found)->object());
  address.port = static_cast<std::uint16_t>(std::stoi(target.port));
  address.tls = false;
  std::unique_ptr<AgentStream> stream;
  std::string trouble = "the node has not said yet where it is";
  if (!address.host.empty()) {
    try {
      stream = co_await AgentStream::open(address, std::move(target.path), Deadline::after(kNodeDeadline));
    } catch (const Error& error) {
      trouble = error.what();
    }
  }
  if (!stream) {
    store::Status status =
        statuses::unavailable("the local controller of node " + target.node + " does not answer: " + trouble);
    status.retry_after_seconds.reset();  // an offline node is not back in a second
    co_return status_response(status);
  }
  Response response;
  response.status = stream->status();
  response.headers.add("Content-Type", stream->content_type());
  response.producer = std::move(stream);
  co_return response;
}

net::Task<Response> PodProxy::logs(RequestInfo info) {
  const auto found = engine_.get(kinds::kPod, info.ns, info.name);
  if (!found) co_return status_response(found.status());
  const api::Object pod = (*found)->object();
  const auto container = container_of(pod, info.query.get("container"));
  if (!container) co_return status_response(container.status());
  const std::string node(api::string_at(pod, {"spec", "nodeName"}));
  // A Pod that has no node has no log either.
  if (node.empty()) co_return Response::text(200, "");
  const auto agent = agent_of(node);
  if (!agent) co_return status_response(agent.status());
  std::string target = "/containerLogs/" + net::percent_encode(info.ns) + "/" + net::percent_encode(info.name) + "/" +
                       net::percent_encode(*container);
  char separator = '?';
  for (const char* option :
       {"follow", "previous", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "limitBytes"}) {
    if (!info.query.has(option)) continue;
    target += separator + std::string(option) + "=" + net::percent_encode(info.query.get(option));
    separator = '&';
  }
  std::unique_ptr<AgentStream> stream;
  std::string trouble;
  try {
    stream = co_await AgentStream::open(*agent, std::move(target), Deadline::after(kAgentDeadline));
  } catch (const Error& error) {
    trouble = error.what();
  }
  if (!stream) {
    co_return status_response(statuses::internal("the agent of node " + node + " does not answer: " + trouble));
  }
  Response response;
  response.status = stream->status();
  if (stream->status() != 200) {
    std::string text = co_await stream->text(4096);
    while (text.ends_with('\n')) text.pop_back();
    store::Status status = store::Status::from_json({}, stream->status());
    status.message = text.empty() ? "the agent of node " + node + " refused" : text;
    co_return status_response(status);
  }
  response.headers.add("Content-Type", "text/plain");
  response.producer = std::move(stream);
  co_return response;
}

}  // namespace sedna::apiserver
