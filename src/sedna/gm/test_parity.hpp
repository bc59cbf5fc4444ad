// Upstream's recordings and what any comparison with them needs. They lie beside the repository, or where SEDNA_GOLDEN
// says; without them a test says aloud that it was left out.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sedna/gm/test_gm.hpp"

namespace sedna::gm::testing {

inline std::optional<json::object> recording(const std::string& name) {
  const char* folder = std::getenv("SEDNA_GOLDEN");
  const std::string root = folder != nullptr ? folder : SEDNA_SOURCE_DIR "/../shared/golden";
  std::ifstream in(root + "/objects/" + name);
  if (!in) {
    std::cout << "LEFT OUT: no recordings of upstream at " << root << "; set SEDNA_GOLDEN\n";
    return std::nullopt;
  }
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return json::parse(text).value().get_object();
}

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// Takes the variable out of a container's environment; null when it was not there.
inline json::value take_env(json::object& container, std::string_view name) {
  json::value found;
  json::array rest;
  for (auto& entry : container["env"].get_array()) {
    if (api::string_at(entry.get_object(), {"name"}) == name) {
      found = entry;
    } else {
      rest.push_back(entry);
    }
  }
  container["env"] = std::move(rest);
  return found;
}

inline void put_env(json::object& container, std::string_view name, std::string_view value) {
  container["env"].get_array().push_back(json::object{{"name", name}, {"value", value}});
}

/// The order of variables is that of a map's walk in upstream.
inline void sort_env(json::object& container) {
  if (!container.contains("env")) return;
  auto& env = container["env"].get_array();
  std::sort(env.begin(), env.end(), [](const json::value& a, const json::value& b) {
    return api::string_at(a.get_object(), {"name"}) < api::string_at(b.get_object(), {"name"});
  });
}

/// Of the reviewed list, for a Pod's spec: credentials stay in their Secret; upstream writes their values into the Pod.
inline void with_open_credentials(json::object& spec) {
  for (const char* list : {"containers", "initContainers"}) {
    if (!spec.contains(list)) continue;
    for (auto& entry : spec[list].get_array()) {
      auto& container = entry.get_object();
      if (!container.contains("env")) continue;
      for (const auto& [name, value] : {std::pair{"ACCESS_KEY_ID", "aaa"}, {"SECRET_ACCESS_KEY", "bbb"}}) {
        if (!take_env(container, name).is_null()) put_env(container, name, value);
      }
    }
  }
}

/// Takes out what a server adds to any object.
inline void without_server_fields(json::object& object) {
  object.erase("status");
  auto& metadata = object["metadata"].get_object();
  for (const char* name : {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}) {
    metadata.erase(name);
  }
}

/// A GM at a server with what was there when upstream's was recorded.
class RecordedCase : public ::testing::TestWithParam<const char*> {
 protected:
  void make(json::object object) {
    without_server_fields(object);
    gm_.apply(object).value();
  }
  /// The namespace, the data of these lists, their Secret, and last the resource, as it is then stored. Objects of one
  /// name twice are one.
  api::Object make_all(const json::object& recorded, std::initializer_list<const char*> lists) {
    const auto& resource = recorded.at("custom_resource").as_object();
    ns_ = api::namespace_of(resource);
    gm_.apply(api::new_object(api::kinds::kNamespace, "", ns_)).value();
    for (const char* list : lists) {
      for (const auto& object : recorded.at(list).as_array()) make(object.get_object());
    }
    api::Object secret = api::new_object(api::kinds::kSecret, ns_, "mysecret");
    secret["metadata"].get_object()["annotations"] =
        json::object{{"s3-endpoint", "s3.example.invalid"}, {"s3-usehttps", "1"}};
    secret["data"] = json::object{{"ACCESS_KEY_ID", "YWFh"}, {"SECRET_ACCESS_KEY", "YmJi"}};
    gm_.apply(secret).value();
    make(resource);
    return gm_.server.get(*api::find_kind(resource), ns_, api::name_of(resource)).value();
  }
  std::vector<api::Object> list(const api::Kind& kind) {
    store::ListOptions options;
    options.ns = ns_;
    return gm_.server.list(kind, options).value().items;
  }

  TestGm gm_;
  std::string ns_;
};

}  // namespace sedna::gm::testing
