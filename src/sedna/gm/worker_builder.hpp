// How GM dresses a user's Pod template as a worker: labels, environment, data mounts, the storage initializer. Pure
// functions on JSON trees, the same for every kind; the names are upstream's contract
// (docs/compatibility/control-plane.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/api/object.hpp"

namespace sedna::gm {

/// What of GM's configuration shows in workers.
struct WorkerOptions {
  WorkerOptions() {}
  std::string lc_server = "http://localhost:9100";
  std::string storage_initializer_image = "kubeedge/sedna-storage-initializer:v0.3.0";
  /// SEDNA_SERVE_PLAINTEXT=1 in workers: they serve without TLS and identity (configuration `security: required` ends
  /// it).
  bool plaintext = true;
};

/// The S3 access that a Secret holds: annotations s3-endpoint and s3-usehttps, keys ACCESS_KEY_ID and
/// SECRET_ACCESS_KEY.
struct Credential {
  std::string secret;    ///< its name; the values stay in it
  std::string endpoint;  ///< "https://host:port"
};
/// Throws Error(kInvalidArgument) whose subject is the Secret and whose message says what it lacks.
Credential read_credential(const api::Object& secret);

/// A file or folder that a worker reads or writes, under the name of an environment variable.
struct Mount {
  Mount() {}
  std::string env;
  std::string url;
  bool download = true;  ///< http(s) and s3: fetched by the init container; otherwise the worker gets the URL itself
  std::optional<Credential> credential;
};

struct EnvVar {
  std::string name;
  std::string value;
};

/// One worker of a job or service.
struct Worker {
  Worker() {}
  std::string type;  ///< "Cloud": as upstream spells it; labels have it in lower case
  std::vector<EnvVar> env;
  std::vector<Mount> mounts;
  bool reports = false;  ///< gets LC_SERVER
  /// What we add to upstream's environment: JOB_NAME, POD_UID, the LC's address of the node, SEDNA_SERVE_PLAINTEXT.
  bool additions = true;
};

/// "<kind>.sedna.io/name|uid|worker-type" of the owner; `worker_type` empty: without the last.
json::object worker_labels(const api::Object& owner, std::string_view worker_type);
/// The label that every worker of a kind has: "jointinferenceservice.sedna.io/name".
std::string name_label(const api::Kind& kind);
std::string uid_label(const api::Kind& kind);
std::string worker_type_label(const api::Kind& kind);

/// The template as the worker's Pods have it. Throws Error(kInvalidArgument) with the field it concerns (a URL of an
/// unknown scheme, a template that is no object).
json::object build_template(const json::object& user_template, const api::Object& owner, const Worker& worker,
                            const json::object& labels, const WorkerOptions& options);

/// "<prefix>-<5 letters>", upstream's alphabet.
std::string random_worker_name(std::string_view prefix);
/// The value of an environment variable of the first container that has it as a literal.
std::optional<std::string> env_value(const json::object& pod_template, std::string_view name);
bool has_env(const json::object& pod_template, std::string_view name);

/// Takes out what differs without meaning when a template is compared with upstream's: names that it draws, and values
/// that it passes in the open.
void neutralise_template(json::object& pod_template);

}  // namespace sedna::gm
