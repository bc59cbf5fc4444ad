// The parts of `sedna describe`, each a text of its own from an object as it was read. Used by describe.cpp.
#pragma once

#include <string>
#include <vector>

#include "sedna/api/object.hpp"
#include "sedna/cli/console.hpp"

namespace sedna::cli {

std::string describe_metadata(const Console& console, const api::Kind& kind, const api::Object& object);
/// What the object asks for: models, filters, templates in a line each.
std::string describe_sedna_spec(const Console& console, const api::Kind& kind, const api::Object& object);
std::string describe_workers(const Console& console, const std::vector<api::Object>& pods);
/// status.edgeWorkers: what each edge worker inferred, uploaded and how fast; and the totals.
std::string describe_edge_figures(const Console& console, const api::Object& object);
/// status.progress and status.workers of a FederatedLearningJob.
std::string describe_rounds(const Console& console, const api::Object& object);
/// The status of a Dataset or Model, field by field.
std::string describe_facts(const Console& console, const api::Object& object);
std::string describe_conditions(const Console& console, const api::Object& object);
std::string describe_pod(const Console& console, const api::Object& pod);
std::string describe_node(const Console& console, const api::Object& node);
/// Values become their sizes.
void hide_secret(api::Object& secret);

}  // namespace sedna::cli
