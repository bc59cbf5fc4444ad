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
  if (const json::array* all = api::array_at(object, {"status", "addresses"})) {
    for (const json::value& a : *all) {
      if (a.is_object() && api::string_at(a.get_object(), {"type"}) == "InternalIP") {
        agent.host = api::string_at(a.get_object(), {"address"});
      }
    }
  }
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
