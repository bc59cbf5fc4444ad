#include "sedna/cli/describe_sections.hpp"

#include <algorithm>

#include "sedna/cli/describe.hpp"
#include "sedna/cli/edge_figures.hpp"
#include "sedna/cli/federated_figures.hpp"
#include "sedna/cli/overview.hpp"
#include "sedna/cli/text_table.hpp"

namespace sedna::cli {
namespace {

std::string heading(const Console& console, std::string_view text) {
  return "\n" + console.styled(Style::kBold, text) + "\n";
}

/// "Name:         value", the values in one column.
std::string field(std::string_view name, std::string_view value, std::size_t width = 14) {
  std::string out(name);
  out += ':';
  out.append(out.size() < width ? width - out.size() : 1, ' ');
  out.append(value.empty() ? "<none>" : value).append("\n");
  return out;
}

std::string scalar(const json::value& v) {
  if (v.is_string()) return std::string(v.as_string());
  return json::write(v);
}

std::string joined(const json::object* map, std::string_view separator) {
  std::string out;
  if (map == nullptr) return out;
  for (const auto& [key, value] : *map) {
    if (!out.empty()) out += separator;
    out.append(key).append("=").append(scalar(value));
  }
  return out;
}

/// "hardExampleMining" → "Hard Example Mining".
std::string title(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (out.empty()) {
      out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    } else if (c >= 'A' && c <= 'Z' && out.back() >= 'a' && out.back() <= 'z') {
      out += ' ';
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string age_field(const api::Object& object) {
  const std::string_view created = api::string_at(object, {"metadata", "creationTimestamp"});
  return std::string(created) + " (" + age_of(created, SystemClock::now()) + ")";
}

std::string worker_line(const json::object& worker) {
  std::string out;
  const auto add = [&](std::string_view what, std::string_view value) {
    if (value.empty()) return;
    out += (out.empty() ? "" : ", ") + std::string(what) + " " + std::string(value);
  };
  add("model", api::string_at(worker, {"model", "name"}));
  std::string hem(api::string_at(worker, {"hardExampleMining", "name"}));
  if (const auto* parameters = api::array_at(worker, {"hardExampleMining", "parameters"})) {
    for (const auto& p : *parameters) {
      if (!p.is_object()) continue;
      hem += " " + std::string(api::string_at(p.as_object(), {"key"})) + "=" +
             std::string(api::string_at(p.as_object(), {"value"}));
    }
  }
  add("filter", hem);
  if (const auto* containers = api::array_at(worker, {"template", "spec", "containers"})) {
    for (const auto& c : *containers) {
      if (c.is_object()) add("image", api::string_at(c.as_object(), {"image"}, "(none)"));
    }
  }
  add("node", api::string_at(worker, {"template", "spec", "nodeName"}));
  return out;
}

}  // namespace

std::string describe_metadata(const Console& console, const api::Kind& kind, const api::Object& object) {
  std::string out = console.styled(Style::kBold, std::string(kind.kind)) + "\n";
  out += field("Name", api::name_of(object));
  if (kind.namespaced) out += field("Namespace", api::namespace_of(object));
  out += field("Created", age_field(object));
  const std::string labels = joined(api::object_at(object, {"metadata", "labels"}), "\n              ");
  if (!labels.empty()) out += field("Labels", labels);
  api::Object annotations;
  if (const auto* all = api::object_at(object, {"metadata", "annotations"})) annotations = *all;
  annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
  if (!annotations.empty()) out += field("Annotations", joined(&annotations, "\n              "));
  if (const auto owner = api::controller_of(object)) out += field("Controlled by", owner->kind + "/" + owner->name, 15);
  if (api::is_deleting(object)) {
    out += field("Deleting", "since " + std::string(api::string_at(object, {"metadata", "deletionTimestamp"})));
  }
  return out;
}

std::string describe_sedna_spec(const Console& console, const api::Kind& kind, const api::Object& object) {
  const json::object* spec = api::object_at(object, {"spec"});
  if (spec == nullptr) return {};
  std::string out = heading(console, "Asks for");
  if (&kind == &api::kinds::kJointInferenceService) {
    for (const auto& [side, name] :
         {std::pair{"edgeWorker", "Edge worker"}, std::pair{"cloudWorker", "Cloud worker"}}) {
      if (const auto* worker = api::object_at(*spec, {side})) out += "  " + field(name, worker_line(*worker));
    }
    return out;
  }
  // Templates are long and said by the workers; what a person set is what counts here.
  const auto without_templates = [](auto&& self, const json::value& v) -> json::value {
    if (v.is_array()) {
      json::array all;
      for (const auto& e : v.as_array()) all.push_back(self(self, e));
      return all;
    }
    if (!v.is_object()) return v;
    json::object all;
    for (const auto& [key, value] : v.as_object()) {
      if (key != "template") all[key] = self(self, value);
    }
    return all;
  };
  return out + describe_tree(without_templates(without_templates, *spec), 1);
}

std::string describe_workers(const Console& console, const std::vector<api::Object>& pods) {
  std::string out = heading(console, "Workers");
  if (pods.empty()) return out + "  none\n";
  TextTable table({"POD", "ROLE", "NODE", "STATUS", "READY", "RESTARTS", "AGE"});
  table.set_indent("  ");
  for (const auto& pod : pods) {
    const PodSummary p = summarise_pod(pod);
    table.add({p.name, p.worker_type.empty() ? "-" : p.worker_type, p.node.empty() ? "<none>" : p.node,
               Cell(p.status, p.healthy ? Style::kGood : style_of_word(p.status)), p.ready, std::to_string(p.restarts),
               age_of(p.started, SystemClock::now())});
  }
  return out + table.render(console);
}

std::string describe_edge_figures(const Console& console, const api::Object& object) {
  const auto figures = edge_figures_of(object);
  if (!figures.empty()) return heading(console, "Edge workers") + render_edge_figures(console, figures);
  const auto* metrics = api::array_at(object, {"status", "metrics"});
  if (metrics == nullptr || metrics->empty()) return {};
  std::string out = heading(console, "Figures");
  for (const auto& m : *metrics) {
    if (!m.is_object()) continue;
    out += "  " + field(api::string_at(m.as_object(), {"key"}), api::string_at(m.as_object(), {"value"}), 26);
  }
  return out;
}

std::string describe_rounds(const Console& console, const api::Object& object) {
  const std::string figures = render_federated_figures(console, object);
  return figures.empty() ? figures : heading(console, "Rounds") + figures;
}

std::string describe_facts(const Console& console, const api::Object& object) {
  const json::object* status = api::object_at(object, {"status"});
  if (status == nullptr || status->empty()) return heading(console, "Status") + "  nothing reported yet\n";
  json::object rest = *status;
  rest.erase("conditions");
  return heading(console, "Status") + describe_tree(rest, 1);
}

std::string describe_conditions(const Console& console, const api::Object& object) {
  const auto* conditions = api::array_at(object, {"status", "conditions"});
  if (conditions == nullptr || conditions->empty()) return heading(console, "Conditions") + "  none yet\n";
  TextTable table({"TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"});
  table.set_indent("  ");
  for (const auto& c : *conditions) {
    if (!c.is_object()) continue;
    const json::object& o = c.as_object();
    const std::string stage(api::string_at(o, {"stage"}));
    const std::string type = (stage.empty() ? "" : stage + " ") + std::string(api::string_at(o, {"type"}));
    const std::string state(api::string_at(o, {"status"}));
    const bool bad = type.ends_with("Failed") ? state == "True" : type == "Ready" && state != "True";
    std::string message(api::string_at(o, {"message"}));
    std::replace(message.begin(), message.end(), '\n', ' ');
    table.add(
        {Cell(type, bad ? Style::kBad : style_of_word(type)), state, std::string(api::string_at(o, {"reason"}, "-")),
         age_of(api::string_at(o, {"lastTransitionTime"}, api::string_at(o, {"lastProbeTime"})), SystemClock::now()),
         message});
  }
  return heading(console, "Conditions") + table.render(console);
}

std::string describe_pod(const Console& console, const api::Object& pod) {
  const PodSummary p = summarise_pod(pod);
  std::string out =
      field("Node", p.node) + field("Status", p.status) + field("IP", api::string_at(pod, {"status", "podIP"}));
  if (!p.message.empty()) out += field("Message", p.message);
  for (const auto& [list, name] :
       {std::pair{"initContainers", "Init containers"}, std::pair{"containers", "Containers"}}) {
    const auto* containers = api::array_at(pod, {"spec", list});
    if (containers == nullptr || containers->empty()) continue;
    out += heading(console, name);
    for (const auto& c : *containers) {
      if (c.is_object()) out += describe_tree(c, 1) + "\n";
    }
    out.pop_back();
  }
  const auto* statuses = api::array_at(pod, {"status", "containerStatuses"});
  if (statuses != nullptr && !statuses->empty())
    out += heading(console, "Container states") + describe_tree(*statuses, 1);
  return out;
}

std::string describe_node(const Console& console, const api::Object& node) {
  const NodeSummary n = summarise_node(node);
  std::string out = field("Role", n.role) + field("Address", n.address) + field("Agent", n.version);
  if (const auto* capacity = api::object_at(node, {"status", "allocatable"})) {
    out += heading(console, "Can run") + describe_tree(*capacity, 1);
  }
  return out;
}

void hide_secret(api::Object& secret) {
  for (const auto key : {"data", "stringData"}) {
    json::value* values = secret.if_contains(key);
    if (values == nullptr || !values->is_object()) continue;
    for (auto& m : values->as_object()) {
      const std::size_t size = m.value().is_string() ? m.value().as_string().size() : 0;
      m.value() = std::to_string(std::string_view(key) == "data" ? size / 4 * 3 : size) + " bytes or less";
    }
  }
}

std::string describe_tree(const json::value& value, int indent) {
  const std::string pad(static_cast<std::size_t>(indent) * 2, ' ');
  std::string out;
  if (value.is_object()) {
    for (const auto& [key, v] : value.as_object()) {
      const bool nested = (v.is_object() && !v.as_object().empty()) || (v.is_array() && !v.as_array().empty());
      if (nested) {
        out += pad + title(key) + ":\n" + describe_tree(v, indent + 1);
      } else {
        out += pad + field(title(key), scalar(v));
      }
    }
  } else if (value.is_array()) {
    for (const auto& e : value.as_array()) {
      if (!e.is_object()) {
        out += pad + "- " + scalar(e) + "\n";
        continue;
      }
      std::string item = describe_tree(e, indent + 1);
      if (item.size() > pad.size()) item[pad.size()] = '-';
      out += item;
    }
  } else {
    out += pad + scalar(value) + "\n";
  }
  return out;
}

}  // namespace sedna::cli
