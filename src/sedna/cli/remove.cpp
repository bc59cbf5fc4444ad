#include "sedna/cli/remove.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "sedna/api/object.hpp"
#include "sedna/base/error.hpp"
#include "sedna/cli/apply.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

struct Doomed {
  const api::Kind* kind = nullptr;
  std::string ns, name, uid;
};

void report(Console& console, const store::Status& status) {
  console.err_line(console.styled(Style::kBad, "Error") + " from server" +
                   (status.reason.empty() ? "" : " (" + status.reason + ")") + ": " + explain_failure(status));
}

/// What is asked for, one by one; a kind with --all or a selector is listed first.
std::vector<Doomed> collect(Cluster& cluster, Console& console, const RemoveOptions& options, bool& failed) {
  std::vector<Doomed> out;
  for (const auto& manifest : options.manifests) {
    const auto& object = manifest.object;
    const api::Kind* kind = resolve_kind(cluster, api::api_version_of(object), api::kind_of(object));
    if (kind == nullptr) {
      console.warn(manifest.source + ": the server knows no kind " + std::string(api::kind_of(object)));
      failed = true;
      continue;
    }
    std::string ns(api::namespace_of(object));
    if (ns.empty()) ns = options.scope.ns;
    out.push_back({kind, kind->namespaced ? ns : std::string(), std::string(api::name_of(object)), {}});
  }
  std::reverse(out.begin(), out.end());  // a file's namespace last: what lies in it goes first
  if (options.words.empty()) return out;
  for (const auto& target : parse_targets(cluster, options.words)) {
    const std::string ns = options.scope.namespace_for(*target.kind);
    if (!target.name.empty()) {
      out.push_back({target.kind, ns, target.name, {}});
      continue;
    }
    if (!options.all && options.scope.label_selector.empty() && options.scope.field_selector.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "name what to delete, or choose with -l, or say --all for every one of the namespace",
                  std::string(target.kind->plural));
    }
    store::ListOptions list;
    list.ns = ns;
    list.label_selector = options.scope.label_selector;
    list.field_selector = options.scope.field_selector;
    auto found = cluster.api().list(*target.kind, list);
    if (!found) {
      report(console, found.status());
      failed = true;
      continue;
    }
    for (const auto& item : found->items) {
      out.push_back({target.kind, std::string(api::namespace_of(item)), std::string(api::name_of(item)), {}});
    }
  }
  return out;
}

/// What is left of an object on its way out: its finalizers, or what it owns.
std::string waiting_for(const Doomed& doomed, const api::Object& object) {
  std::string out;
  if (const auto* finalizers = api::array_at(object, {"metadata", "finalizers"})) {
    for (const auto& f : *finalizers) {
      if (!f.is_string()) continue;
      out += out.empty() ? "its finalizer " : ", ";
      out += std::string_view(f.as_string());
    }
  }
  if (!out.empty()) return out;
  if (doomed.kind == &api::kinds::kPod) {
    const std::string_view node = api::string_at(object, {"spec", "nodeName"});
    return "its containers to stop" + (node.empty() ? "" : " on node " + std::string(node));
  }
  return "the server to finish";
}

/// Pods and Deployments that belong to an object by owner, directly or through each other. `uids` are those of what was
/// deleted and grow by what is found: a Deployment may be gone before its Pods.
std::vector<std::string> children_left(Cluster& cluster, const std::vector<std::string>& namespaces,
                                       std::set<std::string, std::less<>>& uids) {
  std::vector<std::string> out;
  for (const auto& ns : namespaces) {
    for (const api::Kind* kind : {&api::kinds::kDeployment, &api::kinds::kPod}) {
      store::ListOptions list;
      list.ns = ns;
      auto found = cluster.api().list(*kind, list);
      if (!found) continue;  // may lack the right to look; the objects named are gone all the same
      for (const auto& item : found->items) {
        for (const auto& owner : api::owners_of(item)) {
          if (!uids.contains(owner.uid)) continue;
          out.push_back(qualified_name(*kind, api::name_of(item)));
          uids.emplace(api::uid_of(item));
          break;
        }
      }
    }
  }
  return out;
}

std::vector<std::string> namespaces_of(const std::vector<Doomed>& doomed) {
  std::vector<std::string> out;
  for (const auto& d : doomed) {
    if (std::find(out.begin(), out.end(), d.ns) == out.end()) out.push_back(d.ns);
  }
  return out;
}

/// Uids of Deployments, and whose they are. Asked for before anything is deleted: one that is collected before the
/// first look leaves Pods of which nothing else tells that they belong to what was deleted.
std::vector<std::pair<std::string, std::string>> deployments_by_owner(Cluster& cluster,
                                                                      const std::vector<std::string>& namespaces) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& ns : namespaces) {
    store::ListOptions list;
    list.ns = ns;
    auto found = cluster.api().list(api::kinds::kDeployment, list);
    if (!found) continue;  // as in children_left()
    for (const auto& item : found->items) {
      for (const auto& owner : api::owners_of(item)) out.emplace_back(owner.uid, api::uid_of(item));
    }
  }
  return out;
}

/// Waits until none of them is there, nor what they own. False after the timeout.
bool wait_gone(Cluster& cluster, Console& console, std::vector<Doomed> doomed,
               const std::vector<std::pair<std::string, std::string>>& deployments, std::chrono::seconds timeout) {
  const Deadline deadline = Deadline::after(timeout);
  std::set<std::string, std::less<>> uids;
  for (const auto& d : doomed) uids.insert(d.uid);
  for (const auto& [owner, uid] : deployments) {
    if (uids.contains(owner)) uids.insert(uid);
  }
  const auto namespaces = namespaces_of(doomed);
  auto pause = std::chrono::milliseconds(50);
  for (;;) {
    std::string what;
    for (auto it = doomed.begin(); it != doomed.end();) {
      auto object = cluster.api().get(*it->kind, it->ns, it->name);
      const bool gone = object ? !it->uid.empty() && api::uid_of(*object) != it->uid : object.status().is_not_found();
      if (gone) {
        it = doomed.erase(it);
        continue;
      }
      if (what.empty()) {
        what = qualified_name(*it->kind, it->name) + " waits for " +
               (object ? waiting_for(*it, *object) : "the server: " + object.status().message);
      }
      ++it;
    }
    const auto children = children_left(cluster, namespaces, uids);
    if (doomed.empty()) {
      if (children.empty()) break;
      what = children.front() + (children.size() > 1 ? " and " + std::to_string(children.size() - 1) + " more" : "") +
             " still to go";
    }
    console.progress(what);
    if (deadline.expired()) {
      console.warn("not gone after " + human_duration(timeout) + ": " + what +
                   "; it goes on by itself (--wait=false does not wait)");
      return false;
    }
    // Several kinds and their children are looked at together; a watch for each would cost more than it saves.
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(500));
  }
  console.progress_end();
  return true;
}

}  // namespace

int remove(Cluster& cluster, Console& console, const RemoveOptions& options) {
  bool failed = false;
  std::vector<Doomed> doomed = collect(cluster, console, options, failed);
  if (doomed.empty() && !failed) console.err_line("No resources found");
  store::DeleteOptions how;
  how.grace_period_seconds = options.grace_period_seconds;
  how.dry_run = options.dry_run;
  const bool waits = options.wait && !options.dry_run;
  const auto deployments = deployments_by_owner(cluster, waits ? namespaces_of(doomed) : std::vector<std::string>());
  std::vector<Doomed> going;
  for (auto& d : doomed) {
    auto removed = cluster.api().remove(*d.kind, d.ns, d.name, how);
    if (!removed) {
      if (removed.status().is_not_found() && options.ignore_not_found) continue;
      report(console, removed.status());
      failed = true;
      continue;
    }
    console.line(std::string(d.kind->singular) + (d.kind->group.empty() ? "" : "." + std::string(d.kind->group)) +
                 " \"" + d.name + "\" deleted" + (options.dry_run ? " (dry run)" : ""));
    d.uid = api::uid_of(*removed);
    going.push_back(std::move(d));
  }
  if (waits && !going.empty()) {
    failed |= !wait_gone(cluster, console, std::move(going), deployments, options.timeout);
  }
  return failed ? 1 : 0;
}

}  // namespace sedna::cli
