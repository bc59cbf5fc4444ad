// What is generated from the kinds' descriptions: the CRD files and the reference pages. The test of this module
// compares the committed files with it and writes them anew with SEDNA_UPDATE_FILES=1.
#pragma once

#include <string>
#include <string_view>

#include "sedna/api/kind.hpp"
#include "sedna/json/json.hpp"

namespace sedna::api {

/// The CustomResourceDefinition of a Sedna kind: structural, small enough for client-side kubectl apply.
json::object custom_resource_definition(const Kind& kind);
/// The same as a file: deploy/crds/sedna.io_<plural>.yaml.
std::string crd_file(const Kind& kind);
/// A Markdown page: names, every field with its type, default and meaning. `sample` is shown at its head.
std::string reference_page(const Kind& kind, std::string_view sample);
/// The page that lists them: docs/reference/README.md.
std::string reference_index();

}  // namespace sedna::api
