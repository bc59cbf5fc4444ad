// Bodies of answers: objects, Statuses, lists made piece by piece, Tables. Internal to module apiserver.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sedna/serve/server.hpp"
#include "sedna/store/embedded/engine.hpp"
#include "sedna/store/outcome.hpp"

namespace sedna::apiserver {

/// How the client wants objects: itself, as rows of a table, or their metadata only.
enum class Shape : std::uint8_t { kObject, kTable, kMetadata };

struct Wanted {
  Shape shape = Shape::kObject;
  /// Of a table's rows: what stands beside the cells ("None", "Metadata", "Object").
  std::string include_object = "Metadata";
  bool acceptable = true;
};
/// From Accept and the query's includeObject.
Wanted wanted_shape(std::string_view accept, std::string_view include_object);

serve::Response status_response(const store::Status& status);
/// ErrorBody of every route: failures of the server core as a Status.
serve::Response core_error(int status, const Error& error);
serve::Response object_response(int status, const store::embedded::StoredPtr& stored, const Wanted& wanted);
serve::Response json_response(int status, const json::value& body);
/// metav1.Status of something done: {"status":"Success", details}.
serve::Response success_response(const api::Kind& kind, std::string_view name, std::string_view uid);
/// Unknown fields and hints as Warning headers.
void add_warnings(serve::Response& response, const std::vector<std::string>& warnings);

/// {"kind":"PodList",…,"items":[…]} or a Table, in pieces while it is sent.
serve::Response list_response(const api::Kind& kind, store::embedded::RawList list, const Wanted& wanted);

/// The text of one object in the shape wanted, as an element of a list or an event ("columns": with their definitions).
std::string shaped_text(const api::Kind& kind, const store::embedded::StoredPtr& stored, const Wanted& wanted,
                        bool columns);
std::string partial_metadata(const api::Object& object);

}  // namespace sedna::apiserver
