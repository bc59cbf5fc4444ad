#include "sedna/cli/top.hpp"

#include <array>
#include <cstdio>
#include <map>
#include <thread>

#include "sedna/cli/edge_figures.hpp"
#include "sedna/cli/federated_figures.hpp"
#include "sedna/cli/live_figures.hpp"
#include "sedna/cli/overview.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

/// The last report of a worker: its count and when that was.
struct Reported {
  std::int64_t inferences = 0;
  std::chrono::system_clock::time_point at{};
};

class Top {
 public:
  Top(Cluster& cluster, const TopOptions& options) : cluster_(cluster), options_(options), live_(cluster) {}

  std::string text(const Console& console) {
    std::string out;
    live_.refresh(options_.ns);
    for (const auto& [name, service] : objects(api::kinds::kJointInferenceService)) {
      const auto figures = figures_of(name, service);
      out += console.styled(Style::kBold, name) + "   " +
             state_of(console, api::kinds::kJointInferenceService, service) + "   " + rates(service, figures);
      out += "\n" +
             (figures.empty() ? std::string("  no figures yet: workers report twice a minute\n")
                              : render_edge_figures(console, figures)) +
             ages(console, figures) + "\n";
    }
    for (const auto& [name, job] : objects(api::kinds::kFederatedLearningJob)) {
      const std::string line = federated_progress_line(job);
      out += console.styled(Style::kBold, name) + "   " + state_of(console, api::kinds::kFederatedLearningJob, job) +
             (line.empty() ? "" : "   " + line) + "\n" + render_federated_figures(console, job) + "\n";
    }
    if (out.empty()) out = "No JointInferenceService or FederatedLearningJob runs.\n\n";
    return out + nodes(console);
  }

  json::value to_json() {
    json::array all;
    live_.refresh(options_.ns);
    for (const auto& [name, service] : objects(api::kinds::kJointInferenceService)) {
      json::array workers;
      for (const auto& f : figures_of(name, service)) {
        workers.push_back({{"worker", f.worker},
                           {"node", f.node},
                           {"inferences", f.inferences},
                           {"hardExamples", f.hard},
                           {"uploadRatio", f.upload_ratio},
                           {"uploadBytes", f.upload_bytes},
                           {"fallbacks", f.fallbacks},
                           {"errors", f.errors}});
        if (f.is_total) continue;
        auto& worker = workers.back().as_object();
        worker["live"] = f.live;
        if (!f.updated.empty()) worker["updateTime"] = f.updated;
      }
      all.push_back({{"service", name}, {"edgeWorkers", std::move(workers)}});
    }
    json::array jobs;
    for (const auto& [name, job] : objects(api::kinds::kFederatedLearningJob)) {
      jobs.push_back(federated_figures_json(job));
    }
    return json::object{{"services", std::move(all)}, {"jobs", std::move(jobs)}};
  }

 private:
  std::vector<std::pair<std::string, api::Object>> objects(const api::Kind& kind) {
    store::ListOptions list;
    list.ns = options_.ns;
    auto found = cluster_.api().list(kind, list);
    std::vector<std::pair<std::string, api::Object>> out;
    if (!found && found.status().is_not_found()) return out;  // a cluster without this kind
    if (!found) throw found.status().to_error();
    for (auto& item : found->items) out.emplace_back(api::key_of(item), std::move(item));
    return out;
  }

  std::vector<EdgeFigures> figures_of(const std::string& name, const api::Object& service) const {
    auto rows = edge_figures_of(service);
    live_.put_into(name, rows);
    return rows;
  }

  /// Which figures are not of now, how old they are, and why.
  std::string ages(const Console& console, const std::vector<EdgeFigures>& figures) const {
    std::string out;
    for (const auto& f : figures) {
      const std::string why = live_.trouble(f.node);
      if (f.is_total || f.live || (!f.ready && why.empty())) continue;
      const auto at = api::parse_time(f.updated);
      out += "  " +
             console.styled(Style::kDim, f.worker + ": from the service's status" +
                                             (at ? ", " + age_of(f.updated, SystemClock::now()) + " old" : "") +
                                             (why.empty() ? "" : " (" + why + ")")) +
             "\n";
    }
    return out;
  }

  static std::string state_of(const Console& console, const api::Kind& kind, const api::Object& service) {
    const ServiceSummary s = summarise_service(kind, service);
    return console.styled(s.healthy   ? Style::kGood
                          : s.waiting ? Style::kWarning
                                      : Style::kBad,
                          s.state) +
           (s.healthy || s.message.empty() ? "" : ": " + s.message);
  }

  /// Inferences a second between the two last reports of its workers.
  std::string rates(const api::Object& service, const std::vector<EdgeFigures>& figures) {
    double sum = 0;
    bool known = false;
    for (const auto& f : figures) {
      const auto at = api::parse_time(f.updated);
      if (!at) continue;
      const std::string key = std::string(api::uid_of(service)) + "/" + f.worker;
      Reported& last = reported_[key];
      if (last.at.time_since_epoch().count() != 0 && *at > last.at && f.inferences >= last.inferences) {
        const double seconds = std::chrono::duration<double>(*at - last.at).count();
        rate_[key] = static_cast<double>(f.inferences - last.inferences) / seconds;
      }
      if (*at != last.at) last = {f.inferences, *at};
      const auto rate = rate_.find(key);
      if (rate == rate_.end()) continue;
      known = true;
      sum += rate->second;
    }
    if (!known) return {};
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%.1f inferences/s", sum);
    return text.data();
  }

  std::string nodes(const Console& console) {
    const Overview o = load_overview(cluster_, options_.ns);
    TextTable table({"NODE", "STATUS", "WORKER", "STATE", "RESTARTS", "AGE"});
    for (const auto& n : o.nodes) {
      bool first = true;
      const auto add = [&](const PodSummary* p) {
        table.add({first ? n.name : "",
                   first ? Cell(n.ready ? "Ready" : "NotReady", n.ready ? Style::kGood : Style::kBad) : Cell(""),
                   p != nullptr ? p->name : "-", p != nullptr ? Cell(p->status, style_of_word(p->status)) : Cell("-"),
                   p != nullptr ? std::to_string(p->restarts) : "-",
                   p != nullptr ? age_of(p->started, SystemClock::now()) : "-"});
        first = false;
      };
      for (const auto& p : o.pods) {
        if (p.node == n.name) add(&p);
      }
      if (first) add(nullptr);
    }
    return table.render(console);
  }

  Cluster& cluster_;
  const TopOptions& options_;
  LiveFigures live_;
  std::map<std::string, Reported> reported_;
  std::map<std::string, double> rate_;
};

}  // namespace

int top(Cluster& cluster, Console& console, const TopOptions& options) {
  Top view(cluster, options);
  if (!options.output.is_table()) {
    print_value(console, options.output, view.to_json());
    return 0;
  }
  const bool live = !options.once && console.colour();
  for (;;) {
    const std::string text = view.text(console);
    if (live) console.out("\x1b[H\x1b[2J");
    console.out(text);
    if (!live) return 0;
    std::this_thread::sleep_for(options.interval);  // what a screen is refreshed by
  }
}

}  // namespace sedna::cli
