#include "sedna/cli/status.hpp"

#include <algorithm>

#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

std::size_t bounded(std::size_t count, std::size_t rows) {
  return rows == 0 ? count : std::min(count, rows);
}

std::string more(const Console& console, std::size_t count, std::size_t rows, std::string_view command) {
  if (rows == 0 || count <= rows) return {};
  return console.styled(Style::kDim, "  … and " + std::to_string(count - rows) + " more: " + std::string(command)) +
         "\n";
}

std::string nodes_text(const Console& console, const Overview& o, std::size_t rows) {
  TextTable table({"NODE", "ROLE", "STATUS", "WORKERS", "ADDRESS", "AGE"});
  table.set_indent("  ");
  for (std::size_t i = 0; i < bounded(o.nodes.size(), rows); ++i) {
    const NodeSummary& n = o.nodes[i];
    const auto pods =
        std::count_if(o.pods.begin(), o.pods.end(), [&](const PodSummary& p) { return p.node == n.name; });
    std::string state = n.ready ? "Ready" : "NotReady";
    if (!n.schedulable) state += ",SchedulingDisabled";
    table.add({n.name, n.role.empty() ? "<none>" : n.role, Cell(state, n.ready ? Style::kGood : Style::kBad),
               std::to_string(pods), n.address.empty() ? "<none>" : n.address, age_of(n.since, SystemClock::now())});
  }
  return table.empty() ? "  no nodes\n"
                       : table.render(console) + more(console, o.nodes.size(), rows, "sedna get nodes");
}

std::string services_text(const Console& console, const Overview& o, std::size_t rows) {
  TextTable table({"SERVICE", "NAMESPACE", "STATE", "WORKERS", "AGE"});
  table.set_indent("  ");
  for (std::size_t i = 0; i < bounded(o.services.size(), rows); ++i) {
    const ServiceSummary& s = o.services[i];
    std::size_t workers = 0;
    std::size_t good = 0;
    for (const auto& p : o.pods) {
      if (p.owner != s.name || p.ns != s.ns || p.owner_kind != s.kind->singular) continue;
      ++workers;
      if (p.healthy) ++good;
    }
    const Style style = s.healthy ? Style::kGood : s.waiting ? Style::kWarning : Style::kBad;
    table.add({std::string(s.kind->singular) + "/" + s.name, s.ns, Cell(s.state, style),
               std::to_string(good) + "/" + std::to_string(workers), age_of(s.since, SystemClock::now())});
  }
  return table.empty() ? "  none; sedna apply -f FILE starts one\n"
                       : table.render(console) + more(console, o.services.size(), rows, "sedna get sedna -A");
}

std::string pods_text(const Console& console, const Overview& o, std::size_t rows) {
  TextTable table({"WORKER", "NAMESPACE", "NODE", "STATUS", "RESTARTS", "AGE"});
  table.set_indent("  ");
  std::vector<const PodSummary*> order;
  for (const auto& p : o.pods) {  // what needs attention first
    if (!p.healthy) order.push_back(&p);
  }
  for (const auto& p : o.pods) {
    if (p.healthy) order.push_back(&p);
  }
  for (std::size_t i = 0; i < bounded(order.size(), rows); ++i) {
    const PodSummary& p = *order[i];
    table.add({p.name, p.ns, p.node.empty() ? "<none>" : p.node,
               Cell(p.status, p.healthy ? Style::kGood : style_of_word(p.status)), std::to_string(p.restarts),
               age_of(p.started, SystemClock::now())});
  }
  return table.empty() ? "  none\n" : table.render(console) + more(console, order.size(), rows, "sedna get pods -A");
}

}  // namespace

std::string render_status(const Console& console, const Overview& o, std::size_t rows) {
  std::string out = console.styled(Style::kBold, "Nodes") + "\n" + nodes_text(console, o, rows);
  out += console.styled(Style::kBold, "\nServices and jobs") + "\n" + services_text(console, o, rows);
  out += console.styled(Style::kBold, "\nWorkers") + "\n" + pods_text(console, o, rows);
  if (o.problems.empty()) return out + "\n" + console.styled(Style::kGood, "Nothing is wrong.") + "\n";
  out += "\n" + console.styled(Style::kBold, "What is wrong, and what to do") + "\n";
  for (std::size_t i = 0; i < bounded(o.problems.size(), rows); ++i) {
    const Problem& p = o.problems[i];
    out += "  " + console.styled(Style::kBad, p.where) + ": " + p.what + "\n";
    if (!p.advice.empty()) out += console.styled(Style::kDim, "      " + p.advice) + "\n";
  }
  return out + more(console, o.problems.size(), rows, "sedna status -o yaml");
}

int status(Cluster& cluster, Console& console, const StatusOptions& options) {
  const Overview overview = load_overview(cluster, options.ns);
  if (!options.output.is_table()) {
    print_value(console, options.output, overview.to_json());
  } else {
    if (!options.headline.empty()) console.line(options.headline + "\n");
    console.out(render_status(console, overview, options.output.form == Output::Form::kWide ? 0 : 12));
  }
  return overview.problems.empty() ? 0 : 1;
}

}  // namespace sedna::cli
