#include "sedna/cli/output.hpp"

#include <map>

#include "sedna/base/error.hpp"
#include "sedna/cli/json_path.hpp"
#include "sedna/json/yaml.hpp"

namespace sedna::cli {
namespace {

void append_pretty(std::string& out, const json::value& v, int indent, int depth) {
  const auto pad = [&](int n) { out.append(static_cast<std::size_t>(n) * static_cast<std::size_t>(indent), ' '); };
  if (v.is_array() && !v.as_array().empty()) {
    out += "[\n";
    bool first = true;
    for (const auto& e : v.as_array()) {
      if (!first) out += ",\n";
      first = false;
      pad(depth + 1);
      append_pretty(out, e, indent, depth + 1);
    }
    out += '\n';
    pad(depth);
    out += ']';
    return;
  }
  if (v.is_object() && !v.as_object().empty()) {
    std::map<std::string_view, const json::value*> members;  // sorted, as kubectl prints
    for (const auto& m : v.as_object()) members.emplace(m.key(), &m.value());
    out += "{\n";
    bool first = true;
    for (const auto& [key, value] : members) {
      if (!first) out += ",\n";
      first = false;
      pad(depth + 1);
      json::append_string(out, key);
      out += ": ";
      append_pretty(out, *value, indent, depth + 1);
    }
    out += '\n';
    pad(depth);
    out += '}';
    return;
  }
  json::append(out, v);
}

}  // namespace

Output Output::parse(std::string_view text) {
  Output out;
  if (text.empty()) return out;
  if (text == "wide") {
    out.form = Form::kWide;
  } else if (text == "json") {
    out.form = Form::kJson;
  } else if (text == "yaml") {
    out.form = Form::kYaml;
  } else if (text == "name") {
    out.form = Form::kName;
  } else if (text.starts_with("jsonpath=") && text.size() > 9) {
    out.form = Form::kJsonPath;
    out.path = text.substr(9);
  } else {
    throw Error(ErrorCode::kInvalidArgument,
                "'" + std::string(text) + "' is none of wide, json, yaml, name, jsonpath=TEMPLATE", "-o");
  }
  return out;
}

std::string pretty_json(const json::value& value, int indent) {
  std::string out;
  append_pretty(out, value, indent, 0);
  return out;
}

void print_value(Console& console, const Output& output, const json::value& value) {
  switch (output.form) {
    case Output::Form::kYaml:
      console.out(json::write_yaml(value));
      return;
    case Output::Form::kJsonPath:
      console.out(render_json_path(output.path, value).value());
      return;
    case Output::Form::kName:
      throw Error(ErrorCode::kInvalidArgument, "'name' is for objects; here there are json, yaml and jsonpath", "-o");
    case Output::Form::kJson:
    case Output::Form::kTable:
    case Output::Form::kWide:
      break;
  }
  console.out(pretty_json(value) + "\n");
}

void print_objects(Console& console, const Output& output, std::vector<api::Object> objects, bool single) {
  if (output.form == Output::Form::kName) {
    for (const auto& object : objects) {
      const api::Kind* kind = api::find_kind(object);
      std::string line(kind != nullptr ? kind->singular : api::kind_of(object));
      if (kind != nullptr && !kind->group.empty()) line.append(".").append(kind->group);
      console.line(line + "/" + std::string(api::name_of(object)));
    }
    return;
  }
  for (auto& object : objects) {
    // The server's book-keeping of who owns which field: long, and nobody's first question.
    if (auto* metadata = api::find(object, {"metadata"}); metadata != nullptr && metadata->is_object()) {
      metadata->as_object().erase("managedFields");
    }
  }
  if (single && objects.size() == 1) {
    print_value(console, output, objects.front());
    return;
  }
  json::array items;
  for (auto& object : objects) items.push_back(std::move(object));
  print_value(console, output,
              json::object{{"apiVersion", "v1"},
                           {"kind", "List"},
                           {"metadata", json::object{{"resourceVersion", ""}}},
                           {"items", std::move(items)}});
}

}  // namespace sedna::cli
