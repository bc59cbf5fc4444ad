#include "sedna/cli/open.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "sedna/base/clock.hpp"
#include "sedna/base/error.hpp"
#include "sedna/cli/logs.hpp"
#include "sedna/cli/overview.hpp"
#include "sedna/cli/port_forward.hpp"
#include "sedna/cli/targets.hpp"

namespace sedna::cli {
namespace {

constexpr std::uint16_t kEdgePort = 5001;  // where edge workers answer unless EDGE_BIND_PORT says otherwise
constexpr auto kPatience = std::chrono::seconds(20);

/// EDGE_BIND_PORT of a worker's container.
std::uint16_t edge_port(const api::Object& pod) {
  const auto* containers = api::array_at(pod, {"spec", "containers"});
  if (containers == nullptr) return kEdgePort;
  for (const auto& container : *containers) {
    const auto* env = container.is_object() ? api::array_at(container.as_object(), {"env"}) : nullptr;
    if (env == nullptr) continue;
    for (const auto& entry : *env) {
      if (!entry.is_object() || api::string_at(entry.as_object(), {"name"}) != "EDGE_BIND_PORT") continue;
      const int value = std::atoi(std::string(api::string_at(entry.as_object(), {"value"})).c_str());
      if (value > 0 && value < 65536) return static_cast<std::uint16_t>(value);
    }
  }
  return kEdgePort;
}

/// The first port that the first container with ports names; 0 when there is none.
std::uint16_t container_port(const api::Object& pod_or_template) {
  const auto* containers = api::array_at(pod_or_template, {"spec", "containers"});
  if (containers == nullptr) return 0;
  for (const auto& container : *containers) {
    const auto* ports = container.is_object() ? api::array_at(container.as_object(), {"ports"}) : nullptr;
    if (ports != nullptr && !ports->empty() && ports->front().is_object())
      return static_cast<std::uint16_t>(api::int_at(ports->front().as_object(), {"containerPort"}));
  }
  return 0;
}

void use_service_port(const api::Object& service, OpenTarget& out) {
  const auto* ports = api::array_at(service, {"spec", "ports"});
  if (ports == nullptr) return;
  for (const auto& port : *ports) {
    if (!port.is_object()) continue;
    const auto number = static_cast<std::uint16_t>(api::int_at(port.as_object(), {"port"}));
    if (out.port != 0 && out.port != number) continue;
    out.port = number;
    if (api::string_at(port.as_object(), {"name"}).starts_with("https") || number == 443) out.scheme = "https";
    return;
  }
}

bool answers(const std::string& address, std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  const bool ok = inet_pton(AF_INET, address.c_str(), &to.sin_addr) == 1 &&
                  connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  close(fd);
  return ok;
}

/// In a process of its own, which nobody waits for: shows the URL once the forwarding listens. What this process
/// becomes does not tell.
void show_when_listening(const std::string& program, const std::string& url, const std::string& address,
                         std::uint16_t port) {
  const pid_t child = fork();
  if (child < 0) return;
  if (child > 0) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return;
  }
  if (fork() != 0) _exit(0);
  setsid();
  const auto end = Deadline::after(kPatience);
  while (!answers(address, port)) {
    if (end.expired()) _exit(1);
    usleep(50'000);
  }
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; null >= 0 && fd < 3; ++fd) dup2(null, fd);  // browsers talk
  execlp(program.c_str(), program.c_str(), url.c_str(), static_cast<char*>(nullptr));
  _exit(1);
}

bool in_path(const std::string& program) {
  if (program.find('/') != std::string::npos) return access(program.c_str(), X_OK) == 0;
  const char* path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "/usr/bin:/bin";
  for (std::size_t begin = 0; begin <= folders.size();) {
    const auto end = std::min(folders.find(':', begin), folders.size());
    const auto file = folders.substr(begin, end - begin) + "/" + program;
    if (access(file.c_str(), X_OK) == 0) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

std::optional<std::string> browser_program(const std::function<std::string(const char*)>& variable,
                                           const std::function<bool(const std::string&)>& has_program) {
  // BROWSER may list several, with %s for the URL: only a plain first name is taken.
  const std::string wanted = variable("BROWSER");
  std::string first = wanted.substr(0, wanted.find(':'));
  if (!first.empty() && first.find_first_of(" %") == std::string::npos && has_program(first)) return first;
  if (variable("DISPLAY").empty() && variable("WAYLAND_DISPLAY").empty()) return std::nullopt;
  for (const char* program : {"xdg-open", "sensible-browser"}) {
    if (has_program(program)) return program;
  }
  return std::nullopt;
}

OpenTarget find_open_target(Cluster& cluster, const OpenOptions& options) {
  OpenTarget out;
  out.port = options.port;
  Target target;
  std::optional<api::Object> object;
  const auto look = [&](const api::Kind& kind, const std::string& name) {
    auto found = cluster.api().get(kind, options.ns, name);
    if (!found) return false;
    target.kind = &kind;
    target.name = name;
    object = *found;
    return true;
  };
  if (options.what.find('/') != std::string::npos) {
    const auto named = parse_targets(cluster, {options.what}).front();
    if (named.name.empty()) throw Error(ErrorCode::kInvalidArgument, "names a kind, not an object", options.what);
    if (!look(*named.kind, named.name)) {
      throw Error(ErrorCode::kNotFound, "is not there in namespace " + options.ns, options.what);
    }
    out.what = options.what;
  } else {
    const std::pair<const api::Kind*, const char*> order[] = {{&api::kinds::kJointInferenceService, "ji/"},
                                                              {&api::kinds::kService, "svc/"},
                                                              {&api::kinds::kDeployment, "deploy/"},
                                                              {&api::kinds::kPod, "pod/"}};
    for (const auto& [kind, head] : order) {
      if (!look(*kind, options.what)) continue;
      out.what = head + options.what;
      break;
    }
    if (!object) {
      throw Error(ErrorCode::kNotFound,
                  "names no JointInferenceService, Service, Deployment or Pod of namespace " + options.ns +
                      "; `sedna status` lists what there is",
                  options.what);
    }
  }
  if (target.kind == &api::kinds::kService) {
    use_service_port(*object, out);
  } else if (target.kind == &api::kinds::kJointInferenceService && out.port == 0) {
    out.port = kEdgePort;
    for (const auto& pod : pods_of(cluster, *target.kind, options.ns, target.name)) {
      if (summarise_pod(pod).worker_type == "edge") out.port = edge_port(pod);
    }
  } else if (out.port == 0) {
    for (const auto& pod : pods_of(cluster, *target.kind, options.ns, target.name)) {
      if (out.port == 0) out.port = container_port(pod);
    }
  }
  if (out.port == 0) {
    throw Error(ErrorCode::kInvalidArgument, "does not say on which port it serves; say so with --port", options.what);
  }
  return out;
}

int open(Cluster& cluster, Console& console, const OpenOptions& options) {
  const OpenTarget target = find_open_target(cluster, options);
  PortForwardOptions forward;
  forward.what = target.what;
  forward.ns = options.ns;
  forward.address = options.address;
  forward.state = options.state;
  forward.kubeconfig = options.kubeconfig;
  // Any free one: in plain mode the number that the worker is about to listen on must stay free.
  forward.ports = {":" + std::to_string(target.port)};
  const ForwardPlan plan = plan_forward(cluster, forward);
  const std::uint16_t local = plan.forward.local;
  const std::string url = target.scheme + "://" + options.address + ":" + std::to_string(local) +
                          (options.path.starts_with('/') ? "" : "/") + options.path;
  console.line(url);
  const auto program = options.browser ? browser_program(
                                             [](const char* name) {
                                               const char* value = std::getenv(name);
                                               return std::string(value != nullptr ? value : "");
                                             },
                                             in_path)
                                       : std::nullopt;
  console.err_line("Forwarding to " + plan.pod + ":" + std::to_string(plan.forward.remote) +
                   (program ? ", and opening it with " + *program : std::string()) + "; Ctrl-C ends it");
  if (program) show_when_listening(*program, url, options.address, local);
  become(plan.argv);
}

}  // namespace sedna::cli
