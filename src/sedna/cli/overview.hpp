// What is running and what is wrong, read from the API once: the facts behind `status` and the hints of `describe`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/cli/cluster.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

/// A Pod in the words of `kubectl get pods`.
struct PodSummary {
  std::string ns, name, node, status, ready;  ///< status: Running, Completed, CrashLoopBackOff, …; ready: "1/1"
  std::int64_t restarts = 0;
  std::string started;     ///< creationTimestamp
  std::string owner_kind;  ///< the Sedna kind's singular by its label, or ""
  std::string owner;
  std::string worker_type;  ///< "edge", "cloud", …
  std::string message;      ///< why it is not as it should be, from the container or a condition
  std::string container;    ///< whose message it is
  bool healthy = false;
};
PodSummary summarise_pod(const api::Object& pod);

struct NodeSummary {
  std::string name, role, address, version, since;
  bool ready = false;
  bool schedulable = true;
  std::string message;
};
NodeSummary summarise_node(const api::Object& node);

/// A Sedna object: its current condition.
struct ServiceSummary {
  const api::Kind* kind = nullptr;
  std::string ns, name, state, reason, message, since;
  bool healthy = false;
  bool waiting = false;  ///< neither good nor bad yet
};
ServiceSummary summarise_service(const api::Kind& kind, const api::Object& object);

struct Problem {
  std::string where;  ///< "pod/x" with its namespace when it is not the default one
  std::string what;
  std::string advice;  ///< what to do, a command where there is one
};

struct Overview {
  std::vector<NodeSummary> nodes;
  std::vector<ServiceSummary> services;
  std::vector<PodSummary> pods;
  std::vector<Problem> problems;
  json::value to_json() const;
};

/// `ns` empty: all namespaces. What the user may not read is left out. Throws Error when the server does not answer.
Overview load_overview(Cluster& cluster, const std::string& ns);

/// What to do about a Pod that is not well; "" when nothing is known.
std::string advice_for(const PodSummary& pod);

}  // namespace sedna::cli
