// Model: a file or folder that workers load, on a node or in a store.
#pragma once

#include "sedna/api/common.hpp"
#include "sedna/api/typed.hpp"

namespace sedna::api {

struct ModelSpec {
  std::string url;
  std::string format;
  std::vector<std::string> device_soc_versions{};
  std::string credential_name{};
  json::object extra{};
};

/// What a node that uses the model sees at its URL.
struct ModelOnNode {
  std::string node;
  bool exists = false;
  std::optional<std::int64_t> bytes{};
  std::string digest{};
  std::optional<std::string> update_time{};
  std::string message{};
  json::object extra{};
};

struct ModelStatus {
  std::optional<std::string> update_time{};
  std::vector<KeyValue> metrics{};
  std::vector<ModelOnNode> nodes{};
  std::vector<Condition> conditions{};
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

struct Model {
  ModelSpec spec{};
  std::optional<ModelStatus> status{};
  json::object extra{};
};

extern template Result<Model> decode<Model>(const json::object&, std::string_view);
extern template json::object encode<Model>(const Model&);
extern template json::object encode<ModelSpec>(const ModelSpec&);
extern template json::object encode<ModelStatus>(const ModelStatus&);

}  // namespace sedna::api
