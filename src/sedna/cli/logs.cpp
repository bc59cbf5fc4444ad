#include "sedna/cli/logs.hpp"

#include <algorithm>
#include <mutex>
#include <thread>

#include "sedna/base/error.hpp"
#include "sedna/cli/apply.hpp"
#include "sedna/net/http.hpp"

namespace sedna::cli {
namespace {

struct Source {
  std::string ns, pod, container;
};

/// One writer for many streams, whole lines only.
class Lines {
 public:
  explicit Lines(Console& console) : console_(console) {}
  void write(std::string_view prefix, std::string_view text) {
    const std::scoped_lock lock(mutex_);
    if (prefix.empty()) {
      console_.out(text);
      return;
    }
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
      std::size_t end = text.find('\n', at);
      if (end == std::string_view::npos) end = text.size();
      out.append(prefix).append(text.substr(at, end - at)).append("\n");
      at = end + 1;
    }
    console_.out(out);
  }

 private:
  Console& console_;
  std::mutex mutex_;
};

void add_containers(std::vector<Source>& out, const api::Object& pod, const LogsOptions& options) {
  const std::string ns(api::namespace_of(pod));
  const std::string name(api::name_of(pod));
  std::vector<std::string> names;
  std::vector<std::string> init;
  const auto read = [&](std::string_view field, std::vector<std::string>& into) {
    if (const auto* list = api::array_at(pod, {"spec", field})) {
      for (const auto& c : *list) {
        if (c.is_object()) into.emplace_back(api::string_at(c.as_object(), {"name"}));
      }
    }
  };
  read("containers", names);
  read("initContainers", init);
  if (options.all_containers) {
    for (const auto& c : init) out.push_back({ns, name, c});
    for (const auto& c : names) out.push_back({ns, name, c});
    return;
  }
  if (!options.container.empty()) {
    const bool known = std::find(names.begin(), names.end(), options.container) != names.end() ||
                       std::find(init.begin(), init.end(), options.container) != init.end();
    if (!known) {
      std::string all;
      for (const auto* list : {&names, &init}) {
        for (const auto& c : *list) all += (all.empty() ? "" : ", ") + c;
      }
      throw Error(ErrorCode::kInvalidArgument,
                  "pod " + name + " has no container '" + options.container + "'; it has " + all, "-c");
    }
    out.push_back({ns, name, options.container});
    return;
  }
  if (!names.empty()) out.push_back({ns, name, names.front()});
}

std::string target_of(const Source& source, const LogsOptions& options) {
  std::string out = api::kinds::kPod.path(source.ns, source.pod, "log") + "?container=" + source.container;
  if (options.follow) out += "&follow=true";
  if (options.previous) out += "&previous=true";
  if (options.timestamps) out += "&timestamps=true";
  if (options.tail) out += "&tailLines=" + std::to_string(*options.tail);
  if (options.since_seconds) out += "&sinceSeconds=" + std::to_string(*options.since_seconds);
  return out;
}

/// Streams one container's log; only whole lines when there is a prefix to put before them.
store::Outcome<bool> copy(Cluster& cluster, const Source& source, const LogsOptions& options, Lines& lines,
                          const std::string& prefix) {
  std::string rest;
  auto done = cluster.stream(target_of(source, options), "*/*", [&](std::string_view piece) {
    if (prefix.empty()) {
      lines.write({}, piece);
      return true;
    }
    rest.append(piece);
    const std::size_t end = rest.rfind('\n');
    if (end == std::string::npos) return true;
    lines.write(prefix, std::string_view(rest).substr(0, end + 1));
    rest.erase(0, end + 1);
    return true;
  });
  if (!rest.empty()) lines.write(prefix, rest);
  return done;
}

std::vector<api::Object> selected_pods(Cluster& cluster, const std::string& ns, const std::string& selector) {
  store::ListOptions list;
  list.ns = ns;
  list.label_selector = selector;
  return std::move(cluster.api().list(api::kinds::kPod, list)).value().items;
}

std::string selector_text(const json::object& labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    if (!value.is_string()) continue;
    if (!out.empty()) out += ',';
    out.append(key).append("=").append(std::string_view(value.as_string()));
  }
  return out;
}

}  // namespace

std::vector<api::Object> pods_of(Cluster& cluster, const api::Kind& kind, const std::string& ns,
                                 const std::string& name) {
  api::Object object = std::move(cluster.api().get(kind, ns, name)).value();
  if (&kind == &api::kinds::kPod) return {std::move(object)};
  const json::object* labels = api::object_at(object, {"spec", "selector", "matchLabels"});
  if (&kind == &api::kinds::kService) labels = api::object_at(object, {"spec", "selector"});
  std::vector<api::Object> out;
  if (kind.category == "sedna") {
    out = selected_pods(cluster, ns, std::string(kind.singular) + ".sedna.io/name=" + name);
  } else if (labels != nullptr && !labels->empty()) {
    out = selected_pods(cluster, ns, selector_text(*labels));
  } else {
    throw Error(ErrorCode::kInvalidArgument, "has no Pods of its own", qualified_name(kind, name));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return api::name_of(a) < api::name_of(b); });
  return out;
}

int logs(Cluster& cluster, Console& console, const LogsOptions& options) {
  std::vector<api::Object> pods;
  if (!options.what.empty()) {
    const bool slashed = options.what.find('/') != std::string::npos;
    const auto targets = parse_targets(cluster, {slashed ? options.what : "pod/" + options.what});
    pods = pods_of(cluster, *targets.front().kind, options.scope.ns, targets.front().name);
  } else if (!options.scope.label_selector.empty()) {
    pods = selected_pods(cluster, options.scope.all_namespaces ? "" : options.scope.ns, options.scope.label_selector);
  } else {
    throw Error(ErrorCode::kInvalidArgument, "say whose: a Pod, deploy/NAME, ji/NAME, or -l SELECTOR");
  }
  if (pods.empty()) {
    console.err_line("No Pods yet" + (options.what.empty() ? std::string() : " of " + options.what) +
                     "; `sedna status` says why");
    return 1;
  }
  std::vector<Source> sources;
  for (const auto& pod : pods) add_containers(sources, pod, options);
  const bool prefixed = options.prefix || sources.size() > 1;
  Lines lines(console);
  bool failed = false;
  std::mutex failure;
  const auto run = [&](const Source& source) {
    const auto done = copy(cluster, source, options, lines, prefixed ? source.pod + "/" + source.container + ": " : "");
    if (done) return;
    const std::scoped_lock lock(failure);
    lines.write({}, {});
    console.warn(source.pod + ": " + explain_failure(done.status()));
    failed = true;
  };
  if (!options.follow) {
    for (const auto& source : sources) run(source);
    return failed ? 1 : 0;
  }
  std::vector<std::jthread> threads;  // each blocks in its own stream
  threads.reserve(sources.size());
  for (const auto& source : sources) threads.emplace_back([&run, &source] { run(source); });
  threads.clear();
  return failed ? 1 : 0;
}

}  // namespace sedna::cli
