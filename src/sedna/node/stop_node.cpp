// Ending a node's Pods without its agent.
#include <signal.h>
#include <sys/poll.h>

#include <charconv>

#include "sedna/node/agent.hpp"
#include "sedna/node/cgroups.hpp"
#include "sedna/node/files.hpp"
#include "sedna/node/pod_runner.hpp"
#include "sedna/node/process.hpp"

namespace sedna::node {

int stop_node(const std::string& state, const std::string& node, SteadyClock::duration limit) {
  const NodePaths paths(std::filesystem::absolute(state), node);
  std::vector<ContainerProcess> running;
  std::error_code error;
  std::chrono::seconds longest{0};
  for (auto pod = std::filesystem::directory_iterator(paths.pods(), error);
       !error && pod != std::filesystem::directory_iterator(); pod.increment(error)) {
    const PodPaths pod_paths(pod->path());
    const auto spec = read_json(pod_paths.pod());
    if (spec)
      longest =
          std::max(longest, std::chrono::seconds(api::int_at(*spec, {"spec", "terminationGracePeriodSeconds"}, 30)));
    std::error_code none;
    for (auto container = std::filesystem::directory_iterator(pod->path() / "containers", none);
         !none && container != std::filesystem::directory_iterator(); container.increment(none)) {
      const auto name = container->path().filename().string();
      const auto attempt = PodRunner::newest_attempt(pod_paths, name);
      if (!attempt) continue;
      auto process = ContainerProcess::adopt(AttemptPaths(pod_paths, name, *attempt));
      if (process && process->alive()) running.push_back(std::move(*process));
    }
  }
  const auto wait_all = [&](Deadline deadline) {
    for (const auto& process : running) {
      while (process.alive() && !deadline.expired()) {
        pollfd p{process.pidfd(), POLLIN, 0};
        poll(&p, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(deadline.remaining()).count()));
      }
    }
  };
  for (const auto& process : running) process.terminate();
  wait_all(Deadline::after(std::min<SteadyClock::duration>(longest, limit)));
  int killed = 0;
  for (const auto& process : running) {
    if (!process.alive()) continue;
    process.kill();
    ++killed;
  }
  wait_all(Deadline::after(std::chrono::seconds(5)));
  Cgroups(node).remove_all();
  return killed;
}

}  // namespace sedna::node
