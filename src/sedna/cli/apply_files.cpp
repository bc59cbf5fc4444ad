#include "sedna/cli/apply_files.hpp"

#include <algorithm>
#include <thread>

#include "sedna/cli/overview.hpp"
#include "sedna/cli/targets.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

/// Namespaces before what lies in them; the rest in the order of the files.
std::vector<Manifest> namespaces_first(std::vector<Manifest> manifests) {
  std::vector<Manifest> out;
  for (const bool namespaces : {true, false}) {
    for (const auto& m : manifests) {
      if ((api::kind_of(m.object) == api::kinds::kNamespace.kind) == namespaces) out.push_back(m);
    }
  }
  return out;
}

/// A worker that is not well says more about a waiting service than its own condition.
std::string worker_trouble(Cluster& cluster, const ServiceSummary& service) {
  store::ListOptions list;
  list.ns = service.ns;
  list.label_selector = std::string(service.kind->singular) + ".sedna.io/name=" + service.name;
  const auto pods = cluster.api().list(api::kinds::kPod, list);
  if (!pods) return {};
  std::string starting;
  for (const auto& pod : pods->items) {
    const PodSummary p = summarise_pod(pod);
    if (p.healthy) continue;
    const std::string text = p.name + " " + p.status + (p.message.empty() ? "" : ": " + p.message);
    if (style_of_word(p.status) == Style::kBad) return text + "\n  " + advice_for(p);
    starting = text;
  }
  return starting;
}

int wait_running(Cluster& cluster, Console& console, const std::vector<ApplyResult>& applied,
                 std::chrono::seconds timeout) {
  const Deadline deadline = Deadline::after(timeout);
  const auto begin = SteadyClock::now();
  std::vector<std::pair<const api::Kind*, const api::Object*>> left;
  for (const auto& r : applied) {
    const api::Kind* kind = api::find_kind(r.object);
    if (kind == nullptr || kind->category != "sedna") continue;
    if (kind == &api::kinds::kDataset || kind == &api::kinds::kModel) continue;
    left.emplace_back(kind, &r.object);
  }
  auto pause = std::chrono::milliseconds(25);
  bool failed = false;
  while (!left.empty()) {
    std::string what;
    for (auto it = left.begin(); it != left.end();) {
      auto object = cluster.api().get(*it->first, api::namespace_of(*it->second), api::name_of(*it->second));
      const std::string name = qualified_name(*it->first, api::name_of(*it->second));
      if (!object && !object.status().is_transient()) throw object.status().to_error();
      if (object) {
        const ServiceSummary s = summarise_service(*it->first, *object);
        if (s.healthy) {
          console.err_line(
              name + " is " + s.state + " after " +
              human_duration(std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - begin)));
          it = left.erase(it);
          continue;
        }
        if (s.reason == "NoController") {
          console.warn(name + ": " + s.message);
          failed = true;
          it = left.erase(it);
          continue;
        }
        if (what.empty()) {
          const std::string worker = worker_trouble(cluster, s);
          what = name + ": " + (!worker.empty() ? worker : s.state == "-" ? s.message : s.state + " " + s.message);
        }
      }
      ++it;
    }
    if (left.empty()) break;
    console.progress("waiting for " + what.substr(0, console.interactive() ? what.find('\n') : what.size()));
    if (deadline.expired()) {
      console.warn("not running after " + human_duration(timeout) + ": " + what + "\n  sedna status   shows more");
      return 1;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(250));
  }
  console.progress_end();
  return failed ? 1 : 0;
}

}  // namespace

int apply_files(Cluster& cluster, Console& console, ApplyFilesOptions options) {
  options.manifests = namespaces_first(std::move(options.manifests));
  std::vector<ApplyResult> applied;
  bool failed = false;
  for (const auto& manifest : options.manifests) {
    auto result = apply(cluster, manifest, options.apply);
    if (!result) {
      const store::Status& status = result.status();
      std::string name(api::kind_of(manifest.object));
      if (const auto object_name = api::name_of(manifest.object); !object_name.empty()) {
        name.append(" ").append(object_name);
      }
      console.err_line(console.styled(Style::kBad, "Error") + " " + manifest.source + ": " + name + ": " +
                       explain_failure(status));
      if (status.is_not_found() && status.kind == "namespaces") {
        console.hint("a document before it can make it: {apiVersion: v1, kind: Namespace, metadata: {name: " +
                     status.name + "}}");
      }
      if (status.code == 503) return 1;  // the server is gone: the others would only wait for it, one by one
      failed = true;
      continue;
    }
    for (const auto& warning : result->warnings) console.warn(manifest.source + ": " + warning);
    if (options.output.is_table()) {
      const api::Kind* kind =
          resolve_kind(cluster, api::api_version_of(manifest.object), api::kind_of(manifest.object));
      const std::string_view word = word_of(result->applied);
      const Style style = result->applied == Applied::kUnchanged ? Style::kDim : Style::kGood;
      using DryRun = ApplyOptions::DryRun;
      const std::string note = options.apply.dry_run == DryRun::kClient   ? " (dry run)"
                               : options.apply.dry_run == DryRun::kServer ? " (server dry run)"
                                                                          : "";
      console.line(qualified_name(*kind, api::name_of(result->object)) + " " + console.styled(style, word) + note);
    }
    applied.push_back(std::move(*result));
  }
  if (!options.output.is_table()) {
    std::vector<api::Object> objects;
    for (const auto& r : applied) objects.push_back(r.object);
    const bool single = objects.size() == 1;
    print_objects(console, options.output, std::move(objects), single);
  }
  if (options.wait && options.apply.dry_run == ApplyOptions::DryRun::kNone) {
    failed |= wait_running(cluster, console, applied, options.timeout) != 0;
  }
  return failed ? 1 : 0;
}

}  // namespace sedna::cli
