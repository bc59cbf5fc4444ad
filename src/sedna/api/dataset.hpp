// Dataset: an index file on a node, watched by that node's LocalController.
#pragma once

#include "sedna/api/common.hpp"
#include "sedna/api/typed.hpp"

namespace sedna::api {

struct DatasetSpec {
  std::string url;
  std::string format;
  std::string node_name;
  std::string credential_name{};
  json::object extra{};
};

struct DatasetStatus {
  std::optional<std::string> update_time{};
  std::int64_t number_of_samples = 0;
  std::string reporter{};     ///< of the last report taken in: the LocalController's id
  std::int64_t sequence = 0;  ///< and its number
  std::vector<Condition> conditions{};
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

struct Dataset {
  DatasetSpec spec{};
  std::optional<DatasetStatus> status{};
  json::object extra{};
};

extern template Result<Dataset> decode<Dataset>(const json::object&, std::string_view);
extern template json::object encode<Dataset>(const Dataset&);
extern template json::object encode<DatasetSpec>(const DatasetSpec&);
extern template json::object encode<DatasetStatus>(const DatasetStatus&);

}  // namespace sedna::api
